"""PIRenderer: a neural renderer for 3DMM motion."""
