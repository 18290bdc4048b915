"""Figures of trained weights: every table of the model card."""
