"""The unit of lengths on a face, and the two distances that head motion is counted with.

IOD is the inter-ocular distance: outer eye corner to outer eye corner, in three dimensions.
"""

from __future__ import annotations

NECK: tuple[float, float, float] = (0.0, -0.72, -1.05)
"""IOD from between the outer eye corners to where the head turns on the neck, in the face frame
(x to the subject's left, y up, z out of the face). ``Motion.head`` counts how far this point moves,
so that turning the head is no translation."""
CAMERA_DISTANCE = 10.0
"""IOD from the camera to the face: about 90 cm, a usual portrait distance. ``z`` of ``Motion.head``
is this times the logarithm of the face's scale, the way covered towards such a camera."""
