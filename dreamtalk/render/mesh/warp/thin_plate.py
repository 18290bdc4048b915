"""Thin-plate splines as linear maps: values at control points to values anywhere."""

from __future__ import annotations

import numpy as np


def thin_plate_kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """U(r) = r^2 log r^2 between points (N, 2) and (M, 2): (N, M)."""
    r2 = ((a[:, None, :] - b[None, :, :]) ** 2).sum(-1)
    return r2 * np.log(np.maximum(r2, 1e-12))


def thin_plate_operator(
    controls: np.ndarray, targets: np.ndarray, ridge: float, block: int = 4096
) -> np.ndarray:
    """The linear map from values at controls to a thin-plate spline's values at targets.

    Bookstein, "Principal Warps", 1989, with a ridge on the bending part so that near-coincident
    controls with different values don't fold the plane.

    Args:
        controls: (N, 2), in units of about 1.
        targets: (M, 2), same units.
        ridge: added to the diagonal of the kernel matrix.
        block: targets handled at once.

    Returns:
        (M, N) float32.
    """
    n = len(controls)
    system = np.zeros((n + 3, n + 3))
    system[:n, :n] = thin_plate_kernel(controls, controls) + ridge * np.eye(n)
    system[:n, n] = 1
    system[:n, n + 1 :] = controls
    system[n:, :n] = system[:n, n:].T
    inverse = np.linalg.inv(system)[:, :n]
    result = np.empty((len(targets), n), np.float32)
    for start in range(0, len(targets), block):
        part = targets[start : start + block]
        basis = np.concatenate(
            [thin_plate_kernel(part, controls), np.ones((len(part), 1)), part], axis=1
        )
        result[start : start + block] = basis @ inverse
    return result
