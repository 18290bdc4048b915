"""The face: landmarks, portraits, the basis of the face space."""
