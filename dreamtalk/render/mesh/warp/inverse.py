"""From "where does this point go" to "where did this pixel come from"."""

from __future__ import annotations

import math
from functools import lru_cache

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


@lru_cache(maxsize=8)
def _numbers(length: int, device: torch.device) -> Tensor:
    # the cache may be filled under inference mode and used elsewhere later
    with torch.inference_mode(False):
        return torch.arange(length, device=device, dtype=torch.float32)


def count_up(first: int, last: int, device: torch.device) -> Tensor:
    """first, first + 1 .. last - 1 as float32, not to be written to: a part of one long row."""
    return _numbers(1 << max(12, last.bit_length()), device)[first:last]


WHOLE_STEPS = 3
"""Newton steps of all nodes; from there on only those go on that are not there yet."""
ARRIVED = 0.004
"""Cells: a node whose last step was shorter is there; one more would move it by a tenth of that."""


def invert_displacement(
    displacement: Tensor, steps: int = 5, least_stretch: float = 0.35, longest_step: float = 3.0
) -> Tensor:
    """For every node the point that is moved onto it: solve x + D(x) = node by damped Newton.

    A fixed-point iteration fails where lips stretch by more than 1.7; Newton with the sampled
    Jacobian needs 5 steps, most nodes fewer. The damping keeps folds (det <= 0) from throwing
    points away. Every node is by itself: what else is in the batch makes no difference.

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
    by, bx = (count_up(0, size, device).to(dtype) for size in (rows, columns))
    by = by[:, None]
    padded = F.pad(displacement, (1, 1, 1, 1), mode="replicate")
    dx = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    dy = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    stack = torch.cat([displacement, dx, dy], 1)

    def step(values: Tensor, off_x: Tensor, off_y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """How far to go from where the values are, which is so far off the node, and the length."""
        along, down, across_x, across_y, down_x, down_y = values.unbind(1)
        ex, ey = off_x + along, off_y + down
        a, d = 1 + across_x, 1 + down_y
        det = (a * d - down_x * across_y).clamp_min_(least_stretch)
        step_x, step_y = (d * ex - down_x * ey) / det, (a * ey - across_y * ex) / det
        length = (step_x * step_x + step_y * step_y).sqrt_()
        damp = (longest_step / length).clamp_max_(1)
        return step_x * damp, step_y * damp, length

    # The first step begins at the nodes themselves, where nothing has to be looked up.
    x, y = torch.zeros(2, n, rows, columns, device=device, dtype=dtype)
    length = torch.full_like(x, math.inf)
    for index in range(min(steps, WHOLE_STEPS)):
        values = sample_grid(stack, x + bx, y + by) if index else stack
        step_x, step_y, length = step(values, x, y)
        x, y = x - step_x, y - step_y
    found = torch.stack([x, y], 1)
    if steps > WHOLE_STEPS:
        frame, row, column = torch.nonzero(length > ARRIVED, as_tuple=True)
        node_x, node_y = column.to(dtype), row.to(dtype)
        x, y = x[frame, row, column], y[frame, row, column]
        for _ in range(WHOLE_STEPS, steps):
            step_x, step_y, _ = step(_sample_nodes(stack, frame, x + node_x, y + node_y), x, y)
            x, y = x - step_x, y - step_y
        found[frame, :, row, column] = torch.stack([x, y], -1)
    return found


def _sample_nodes(values: Tensor, frame: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """:func:`sample_grid` at single places (k,) of single frames: (k, C)."""
    rows, columns = values.shape[-2:]
    x, y = x.clamp(0, columns - 1), y.clamp(0, rows - 1)
    left, top = x.long().clamp_max_(max(columns - 2, 0)), y.long().clamp_max_(max(rows - 2, 0))
    right, below = (left + 1).clamp_max_(columns - 1), (top + 1).clamp_max_(rows - 1)
    u, v = (x - left)[:, None], (y - top)[:, None]
    flat = values.flatten(2)
    upper = torch.lerp(
        flat[frame, :, top * columns + left], flat[frame, :, top * columns + right], u
    )
    lower = torch.lerp(
        flat[frame, :, below * columns + left], flat[frame, :, below * columns + right], u
    )
    return torch.lerp(upper, lower, v)
