"""Exact and optional speed for CPUs."""
