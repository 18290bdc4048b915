"""Blendshape scores for a face: least squares within 0..1.

A linear map to ARKit scores loses whatever it would express by a negative score: lowered brows, a
narrowed mouth, half of each look to the side. So scores are solved for instead: those within 0..1
whose face comes nearest to the wanted one, and that stay near a first guess.
"""

from __future__ import annotations

import torch
from torch import Tensor

_ROUNDS = 200
_CHUNK = 4096  # frames solved together


def solve_scores(
    wanted: Tensor, guess: Tensor, matrix: Tensor, weight: Tensor, penalty: Tensor
) -> Tensor:
    """Minimise ``|(scores @ matrix - wanted) * weight|^2 + sum(penalty * (scores - guess)^2)``.

    Accelerated projected gradient (Beck and Teboulle, "A fast iterative shrinkage-thresholding
    algorithm for linear inverse problems", 2009) with each score scaled by its curvature.

    Args:
        wanted: (T, C) face channels.
        guess: (T, S) scores; limited to 0..1 first.
        matrix: (S, C) what a score does to the face.
        weight: (C,) how much a channel counts.
        penalty: (S,) how firmly a score is held to its guess; positive.

    Returns:
        (T, S) within 0..1, in the dtype of ``wanted``.
    """
    effect = (matrix * weight).double()
    pull = penalty.double()
    curvature = effect @ effect.T + torch.diag(pull)
    scale = curvature.diagonal().sqrt()
    curvature = curvature / scale / scale[:, None]
    step = 1.0 / float(torch.linalg.eigvalsh(curvature)[-1])
    parts = []
    for start in range(0, len(wanted), _CHUNK):
        part = slice(start, start + _CHUNK)
        first = guess[part].double().clamp(0.0, 1.0)
        aim = ((wanted[part] * weight).double() @ effect.T + pull * first) / scale
        scores = ahead = first * scale
        momentum = 1.0
        for _ in range(_ROUNDS):
            moved = ahead - step * (ahead @ curvature - aim)
            moved = torch.minimum(moved.clamp(min=0.0), scale)
            following = (1.0 + (1.0 + 4.0 * momentum**2) ** 0.5) / 2.0
            ahead = moved + (momentum - 1.0) / following * (moved - scores)
            scores, momentum = moved, following
        parts.append((scores / scale).clamp(0.0, 1.0))
    return torch.cat(parts).to(wanted) if parts else torch.zeros_like(guess).to(wanted)
