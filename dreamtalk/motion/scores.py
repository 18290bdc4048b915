"""Blendshape scores for a face: the likeliest within 0..1.

A linear map to ARKit scores loses whatever it would express by a negative score: lowered brows, a
narrowed mouth, half of each look to the side. So scores are solved for instead: those within 0..1
whose face comes near to the wanted one, and that differ from a first guess only in the way in which
scores do differ among faces that look alike.
"""

from __future__ import annotations

import torch
from torch import Tensor

_ROUNDS = 400
_CHUNK = 4096  # frames solved together


def solve_scores(
    wanted: Tensor, guess: Tensor, matrix: Tensor, weight: Tensor, scatter: Tensor
) -> Tensor:
    """Scores ``s`` within 0..1 that minimise the sum of two squares: how far their face is off,
    ``(s @ matrix - wanted) * weight``, and how far they are from ``guess``, counted in standard
    deviations of ``scatter`` (Mahalanobis distance).

    That is the most probable ``s`` if it scatters around its guess normally. Accelerated projected
    gradient (Beck and Teboulle, "A fast iterative shrinkage-thresholding algorithm for linear
    inverse problems", 2009) with each score scaled by its curvature.

    Args:
        wanted: (T, C) face channels.
        guess: (T, S) scores, which may be outside of 0..1.
        matrix: (S, C) what a score does to the face.
        weight: (C,) how exactly a channel is wanted: one over the error that is tolerated.
        scatter: (S, S) symmetric and positive definite: how far, and in which directions, scores
            may be from their guess.

    Returns:
        (T, S) within 0..1, in the dtype of ``wanted``.
    """
    effect = (matrix * weight).double()
    pull = torch.linalg.inv(scatter.double())
    curvature = effect @ effect.T + pull
    scale = curvature.diagonal().sqrt()
    curvature = curvature / scale / scale[:, None]
    step = 1.0 / float(torch.linalg.eigvalsh(curvature)[-1])
    parts = []
    for start in range(0, len(wanted), _CHUNK):
        part = slice(start, start + _CHUNK)
        first = guess[part].double()
        aim = ((wanted[part] * weight).double() @ effect.T + first @ pull) / scale
        scores = ahead = first.clamp(0.0, 1.0) * scale
        momentum = 1.0
        for _ in range(_ROUNDS):
            moved = ahead - step * (ahead @ curvature - aim)
            moved = torch.minimum(moved.clamp(min=0.0), scale)
            following = (1.0 + (1.0 + 4.0 * momentum**2) ** 0.5) / 2.0
            ahead = moved + (momentum - 1.0) / following * (moved - scores)
            scores, momentum = moved, following
        parts.append((scores / scale).clamp(0.0, 1.0))
    return torch.cat(parts).to(wanted) if parts else torch.zeros_like(guess).to(wanted)
