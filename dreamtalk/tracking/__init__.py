"""A filmed face into motion."""
