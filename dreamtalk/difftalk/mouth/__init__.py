"""A small DiffTalk of our own that paints mouths, told by speech or by the lips of a motion."""
