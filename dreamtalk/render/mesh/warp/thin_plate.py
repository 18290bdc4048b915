"""Thin-plate splines: values at control points to values anywhere."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

_BLOCK = 512
"""Targets at a time, so that what is made on the way stays in the processor's cache."""
_LEAST = 1e-30
"""Of a squared distance, so that 0 has a logarithm."""


def thin_plate(
    controls: np.ndarray, values: np.ndarray, targets: np.ndarray, ridge: float
) -> np.ndarray:
    """A thin-plate spline through values at controls, read off at targets.

    Bookstein, "Principal Warps", 1989, with a ridge on the bending part so that near-coincident
    controls with different values don't fold the plane.

    Args:
        controls: (N, 2), in units of about 1.
        values: (N, ...) at the controls.
        targets: (M, 2), same units.
        ridge: added to the diagonal of the kernel matrix r^2 log r^2.

    Returns:
        (M, ...) float32.
    """
    # scipy's RBFInterpolator does the same in twice the time: it takes each logarithm by itself
    count = len(controls)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _bending(controls, controls) + ridge * np.eye(count)
    system[:count, count:] = _plane(controls)
    system[count:, :count] = system[:count, count:].T
    wanted = np.concatenate([values, np.zeros((3, *values.shape[1:]))])
    weights = np.linalg.solve(system, wanted)
    found = np.empty((len(targets), *values.shape[1:]), np.float32)
    for start in range(0, len(targets), _BLOCK):
        part = slice(start, start + _BLOCK)
        bent, flat = _bending(targets[part], controls), _plane(targets[part])
        found[part] = bent @ weights[:count] + flat @ weights[count:]
    return found


def _bending(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(M, N) r^2 log r^2 of the distances between points (M, 2) and (N, 2)."""
    squares = cdist(np.asarray(a, float), np.asarray(b, float), "sqeuclidean")
    logs = np.maximum(squares, _LEAST)
    return np.multiply(squares, np.log(logs, out=logs), out=squares)


def _plane(points: np.ndarray) -> np.ndarray:
    """(M, 3): 1, x, y"""
    return np.column_stack([np.ones(len(points)), points])


def thin_plate_operator(controls: np.ndarray, targets: np.ndarray, ridge: float) -> np.ndarray:
    """The linear map (M, N) float32 from values at controls to :func:`thin_plate` at targets."""
    return thin_plate(controls, np.eye(len(controls)), targets, ridge)
