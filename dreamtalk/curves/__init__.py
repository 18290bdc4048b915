"""Curves over time and space: easing from one value to another, holding the last
one, marks in time."""
