"""Several people in one picture who talk: who says what, and how the others listen."""
