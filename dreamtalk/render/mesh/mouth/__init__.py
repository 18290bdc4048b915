"""Lips, their opening, and what is seen between them."""
