"""What the networks may know of a frame: landmarks without the lips, and what is hidden of it.

Landmarks come as iBUG's 68 points or MediaPipe's 478. All are x right, y down, in px.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import DreamTalkError

SHOWN: tuple[int, ...] = (*range(4), *range(13, 48))
"""The 39 of iBUG's 68 that the network sees: all but the lips and the lower jaw."""
_NOSE_BASE, _NOSE_TIP = 33, 30
_EYES_OUTER = (36, 45)  # the subject's right, left
_LOWER_FACE = (*range(2, 15), _NOSE_BASE)

# iBUG's points among MediaPipe's, in rows: jaw, brows, nose, eyes, outer lips, inner lips
IBUG_OF_MEDIAPIPE: tuple[int, ...] = (
    *(162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389),
    *(71, 63, 105, 66, 107, 336, 296, 334, 293, 301),
    *(168, 197, 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    *(78, 82, 13, 312, 308, 317, 14, 87),
)  # fmt: skip

# The box that hides the mouth, in units of the face's size (the distance of the eyes' outer corners
# in a frontal view), measured from the eyes' middle along the line of the eyes and at right angles
# to it. On filmed talkers lips reached 0.5 to the side and 1.2 down, chins 1.6 down.
_BOX_HALF_WIDTH = 0.9
_BOX_BOTTOM = 1.8
_NOSE_TO_SIZE = 2.8


def ibug_landmarks(landmarks: Tensor) -> Tensor:
    """iBUG's 68 points.

    Args:
        landmarks: (T, 68 or 478, 2 or 3)

    Returns:
        (T, 68, 2)

    Raises:
        DreamTalkError: on another number of points.
    """
    points = landmarks.shape[-2]
    if points == 478:
        landmarks = landmarks[..., list(IBUG_OF_MEDIAPIPE), :]
    elif points != 68:
        raise DreamTalkError(f"{points} landmarks a face: iBUG's 68 or MediaPipe's 478 are needed")
    return landmarks[..., :2]


def shown_landmarks(landmarks: Tensor) -> Tensor:
    """The points that the network sees: (T, 68 or 478, 2 or 3) -> (T, 39, 2)."""
    return ibug_landmarks(landmarks)[..., list(SHOWN), :]


def lower_half(landmarks: Tensor, size: int, point: int = _NOSE_BASE) -> Tensor:
    """What the published code hides: all rows from the nose down.

    Args:
        landmarks: (T, 68 or 478, 2 or 3) in px of the network's picture.
        size: side of that picture.
        point: of iBUG's; 33, the nose's base, in the published sampling, 30, its tip, in training.

    Returns:
        (T, size, size) bool, true where hidden.
    """
    first = ibug_landmarks(landmarks)[:, point, 1].int()
    hidden = torch.arange(size, device=first.device) >= first[:, None]
    return hidden[..., None].expand(-1, -1, size)


def mouth_box(landmarks: Tensor, size: int) -> Tensor:
    """A box over the lower face, from below the nose to below the lowest jaw.

    It is laid out by the eyes' corners and the tip of the nose alone, so that it is the same
    whatever mouth and jaw do, and tilts with the head.

    Args:
        landmarks: (T, 68 or 478, 2 or 3) in px of the network's picture.
        size: side of that picture.

    Returns:
        (T, size, size) bool, true where hidden.
    """
    points = ibug_landmarks(landmarks).float()
    right, left = (points[:, index] for index in _EYES_OUTER)
    middle, distance = (right + left) / 2, (left - right).norm(dim=-1)
    across = (left - right) / distance[:, None]
    down = torch.stack([-across[:, 1], across[:, 0]], dim=-1)
    tip = points[:, _NOSE_TIP] - middle
    nose = (tip * down).sum(-1)
    # the eyes' distance shrinks when the head turns, the nose's length when it nods
    face = torch.maximum(distance, _NOSE_TO_SIZE * nose)
    centre = (tip * across).sum(-1) / 2
    y, x = torch.meshgrid(*2 * [torch.arange(size, device=points.device)], indexing="ij")
    place = torch.stack([x, y], dim=-1) - middle[:, None, None]
    beside = torch.einsum("thwc,tc->thw", place, across) - centre[:, None, None]
    below = torch.einsum("thwc,tc->thw", place, down)
    half, top, bottom = _BOX_HALF_WIDTH * face, nose, _BOX_BOTTOM * face
    inside = (below > top[:, None, None]) & (below < bottom[:, None, None])
    return inside & (beside.abs() < half[:, None, None])


def hide(images: Tensor, hidden: Tensor) -> Tensor:
    """Pictures (T, 3, S, S) in -1..1, black where ``hidden`` (T, S, S)."""
    return images.masked_fill(hidden[:, None], -1.0)


def kept_latents(hidden: Tensor, side: int) -> Tensor:
    """Where a latent may be kept from the real picture: all of whose pixels show.

    Args:
        hidden: (T, S, S) bool
        side: of the latent, which divides S.

    Returns:
        (T, 1, side, side) float32, 1 where kept.
    """
    return 1 - F.adaptive_max_pool2d(hidden[:, None].float(), side)


def official_kept_latents(landmarks: Tensor, height: int, width: int, side: int) -> Tensor:
    """What the published sampler keeps of a square picture: all but jaw and mouth.

    The contour of the jaw and the nose's base are filled with whole pixels in the original picture,
    which is then reduced bicubically.

    Args:
        landmarks: (68 or 478, 2 or 3) in px of the original picture.
        height, width: of that picture.
        side: of the latent.

    Returns:
        (1, side, side) float32, 1 where kept.
    """
    corners = ibug_landmarks(landmarks)[list(_LOWER_FACE)].cpu().numpy().astype(np.int32)
    kept = cv2.fillPoly(np.ones((height, width), np.float32), [corners], 0.0)
    small = F.interpolate(
        torch.from_numpy(kept)[None, None], (side, side), mode="bicubic", antialias=True
    )
    return small[0].round().clamp(0, 1)
