"""From "where does this point go" to "where did this pixel come from"."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def sample_grid(values: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Bilinear samples of a grid at node coordinates, clamped at its border.

    Args:
        values: (n, C, rows, columns).
        x: (n, H, W) column coordinate.
        y: (n, H, W) row coordinate.

    Returns:
        (n, C, H, W).
    """
    rows, columns = values.shape[-2:]
    at = torch.stack([x * (2 / max(columns - 1, 1)) - 1, y * (2 / max(rows - 1, 1)) - 1], -1)
    return F.grid_sample(values, at, mode="bilinear", padding_mode="border", align_corners=True)


def invert_displacement(
    displacement: Tensor, steps: int = 5, least_stretch: float = 0.35, longest_step: float = 3.0
) -> Tensor:
    """For every node the point that is moved onto it: solve x + D(x) = node by damped Newton.

    A fixed-point iteration fails where lips stretch by more than 1.7; Newton with the sampled
    Jacobian needs 5 steps. The damping keeps folds (det <= 0) from throwing points away.

    Args:
        displacement: (n, 2, rows, columns) in cells: column shift, row shift.
        steps: Newton steps.
        least_stretch: the Jacobian's determinant is not taken to be smaller.
        longest_step: cells per step at most.

    Returns:
        (n, 2, rows, columns): source point minus node, in cells.
    """
    n, _, rows, columns = displacement.shape
    device, dtype = displacement.device, displacement.dtype
    by, bx = torch.meshgrid(
        torch.arange(rows, device=device, dtype=dtype),
        torch.arange(columns, device=device, dtype=dtype),
        indexing="ij",
    )
    padded = F.pad(displacement, (1, 1, 1, 1), mode="replicate")
    dx = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    dy = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    stack = torch.cat([displacement, dx, dy], 1)
    x, y = bx.expand(n, -1, -1), by.expand(n, -1, -1)
    for _ in range(steps):
        s = sample_grid(stack, x, y)
        ex, ey = x + s[:, 0] - bx, y + s[:, 1] - by
        a, b, c, d = 1 + s[:, 2], s[:, 4], s[:, 3], 1 + s[:, 5]
        det = (a * d - b * c).clamp_min(least_stretch)
        step_x, step_y = (d * ex - b * ey) / det, (a * ey - c * ex) / det
        length = torch.sqrt(step_x * step_x + step_y * step_y + 1e-12)
        damp = (longest_step / length).clamp_max(1)
        x, y = x - step_x * damp, y - step_y * damp
    return torch.stack([x - bx, y - by], 1)
