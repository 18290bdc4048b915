"""Several people in one picture who talk to each other: who says what, and how the others listen."""
