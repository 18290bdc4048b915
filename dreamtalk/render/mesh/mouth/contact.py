"""Lips are solid: they close onto each other instead of passing through."""

from __future__ import annotations

import torch
from torch import Tensor

from ....face import topology as t

RING_SHARE = (1.0, 0.8, 0.5, 0.2)
"""How much of a correction the rings of a lip take, from the inner contour outwards: lips that are
pressed together turn in and get thin, rather than moving away as a whole."""
SOFT_OPEN, SOFT_CLOSED = 7.0, 3.0
"""mm: gaps of about this size and less are seen larger by trackers than they are: where people's
lips hardly part, their landmarks are 2 to 8 mm apart. For portraits with parted and closed lips;
those whose lips are closed say themselves what a tracker sees then."""
NARROWEST = 0.56
"""The mouth never gets narrower than this share of its width in the portrait."""
WIDEST, LEAST_WIDENING = 0.86, 0.06
"""It never gets wider than this share of the distance of the outer eye corners, of 176 people who
smile at a camera the widest 1 %; but every mouth may widen by the second share of its width."""
KNEES = (0.7, 0.5)
"""How far towards its narrowest and its widest a width is as told; beyond, it saturates."""


def contact_gap(gap: Tensor, softness: float) -> Tensor:
    """g -> g (1 - exp(-(g / softness)^2)) for g > 0, else 0: small gaps are closed lips."""
    gap = gap.clamp_min(0)
    return gap * (1 - torch.exp(-((gap / softness) ** 2)))


def settle_lips(
    displacement: Tensor,
    points: Tensor,
    right: Tensor,
    down: Tensor,
    softness: float,
    is_open: bool,
) -> Tensor:
    """Correct landmark displacements so that lips neither cross nor flicker apart.

    Args:
        displacement: (n, 478, 3) px, picture frame, without head motion.
        points: (478, 3) px, the portrait's landmarks.
        right: (3,) unit vector along the face's x.
        down: (3,) unit vector along the face's -y.
        softness: gap in px under which lips count as touching.
        is_open: whether the portrait's lips are apart; if not, its gaps are 0 whatever the
            landmarks say.

    Returns:
        (n, 478, 3), equal to the input at rest.
    """
    upper = torch.tensor(t.UPPER_RINGS, device=displacement.device)
    lower = torch.tensor(t.LOWER_RINGS, device=displacement.device)
    delta = (displacement[:, lower[0]] - displacement[:, upper[0]]) @ down
    rest = torch.zeros_like(delta[:1])
    if is_open:
        rest = ((points[lower[0]] - points[upper[0]]) @ down).clamp_min(0)[None]
    gap = rest + delta
    correction = contact_gap(gap, softness) - gap
    at_rest = contact_gap(rest, softness) - rest
    share = (gap / rest.clamp_min(1e-3)).clamp(0, 1) if is_open else torch.zeros_like(gap)
    correction = correction - at_rest * share
    half = 0.5 * correction[..., None] * down
    result = displacement.clone()
    for ring, weight in enumerate(RING_SHARE):
        result[:, upper[ring]] -= weight * half
        result[:, lower[ring]] += weight * half
    return _limit_width(result, points, right)


def _limit_width(displacement: Tensor, points: Tensor, right: Tensor) -> Tensor:
    lips = torch.tensor(
        sorted({i for r in (*t.UPPER_RINGS, *t.LOWER_RINGS) for i in r} | set(t.MOUTH_CORNERS)),
        device=displacement.device,
    )
    width = (points[t.MOUTH_LEFT] - points[t.MOUTH_RIGHT]) @ right
    change = (displacement[:, t.MOUTH_LEFT] - displacement[:, t.MOUTH_RIGHT]) @ right
    eyes = (points[t.EYE_OUTER_LEFT] - points[t.EYE_OUTER_RIGHT]).norm()
    widest = (WIDEST * eyes - width).clamp_min(LEAST_WIDENING * width)
    least, most = (NARROWEST - 1) * width, widest
    kept = change.clamp(KNEES[0] * least, KNEES[1] * most)
    left = torch.where(change < 0, (1 - KNEES[0]) * least, (1 - KNEES[1]) * most)
    allowed = kept + left * torch.tanh((change - kept) / left)
    over = change != kept
    factor = torch.where(over, allowed / torch.where(over, change, 1.0), 1.0)
    result = displacement.clone()
    part = displacement[:, lips]
    along = part @ right
    result[:, lips] = part + ((factor[:, None] - 1) * along)[..., None] * right
    return result
