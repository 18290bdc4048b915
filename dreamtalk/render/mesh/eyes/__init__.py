"""Lids, eyeballs and what they are painted with."""
