"""Which of the 478 landmarks of MediaPipe's face mesh are what.

"Right" and "left" are the subject's; the subject's right eye is on the left of the picture.
Lists run from the picture's left to its right unless said otherwise.
"""

from __future__ import annotations

NUM_LANDMARKS = 478

OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""The outline of the face, clockwise from the top of the forehead (as seen in the picture)."""

FOREHEAD, CHIN, CHEEK_RIGHT, CHEEK_LEFT = 10, 152, 234, 454
EYE_OUTER_RIGHT, EYE_OUTER_LEFT = 33, 263
IRIS_RIGHT, IRIS_LEFT = 468, 473
"""Centres of the irises."""

STABLE = (33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 122, 351, 193, 417)
"""Eye corners and nose: the points that expression moves least."""

MOUTH_RIGHT, MOUTH_LEFT = 61, 291
INNER_RIGHT, INNER_LEFT = 78, 308
MOUTH_CORNERS = (78, 308, 62, 292, 76, 306, 61, 291)
"""Both corners of each lip ring, from the inner contour to the outer one."""
INNER_UPPER, INNER_LOWER = 13, 14
"""The middle of the inner contour, above and below."""

UPPER_INNER = (191, 80, 81, 82, 13, 312, 311, 310, 415)
LOWER_INNER = (95, 88, 178, 87, 14, 317, 402, 318, 324)
UPPER_RINGS = (
    UPPER_INNER,
    (183, 42, 41, 38, 12, 268, 271, 272, 407),
    (184, 74, 73, 72, 11, 302, 303, 304, 408),
    (185, 40, 39, 37, 0, 267, 269, 270, 409),
)
"""Rings of the upper lip, from the inner contour to the outer one, without the corners."""
LOWER_RINGS = (
    LOWER_INNER,
    (96, 89, 179, 86, 15, 316, 403, 319, 325),
    (77, 90, 180, 85, 16, 315, 404, 320, 307),
    (146, 91, 181, 84, 17, 314, 405, 321, 375),
)

LIPS = (
    MOUTH_RIGHT, *LOWER_RINGS[3], MOUTH_LEFT, *UPPER_RINGS[3],
    INNER_RIGHT, *LOWER_INNER, INNER_LEFT, *UPPER_INNER,
)  # fmt: skip
"""The outer and the inner contour of the lips, 40 landmarks."""

CHIN_PATCH = (152, 148, 377, 175, 171, 396, 199)
"""Skin that rides on the jaw bone: its mean displacement stands for the jaw's."""

NOSE_BASE = (2, 97, 326, 94)
"""Where the nose meets the upper lip."""

# One eye: the two corners, the lids between them and the iris, from left to right in the picture.
EYE_RIGHT = {
    "corners": (33, 133),
    "upper": (246, 161, 160, 159, 158, 157, 173),
    "lower": (7, 163, 144, 145, 153, 154, 155),
    "crease": (247, 30, 29, 27, 28, 56, 190),
    "iris": (468, 469, 470, 471, 472),
    "brow": (46, 53, 52, 65, 55),
}
EYE_LEFT = {
    "corners": (362, 263),
    "upper": (398, 384, 385, 386, 387, 388, 466),
    "lower": (382, 381, 380, 374, 373, 390, 249),
    "crease": (414, 286, 258, 257, 259, 260, 467),
    "iris": (473, 474, 475, 476, 477),
    "brow": (285, 295, 282, 283, 276),
}
EYES = (EYE_RIGHT, EYE_LEFT)
"""Right eye, then left eye."""

LIDS = tuple(i for eye in EYES for part in ("upper", "lower", "crease", "iris") for i in eye[part])
"""Landmarks that the eye layer moves itself, so that the smooth fields must not follow them."""
