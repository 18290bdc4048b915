"""Thin-plate splines: values at control points to values anywhere."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import RBFInterpolator


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
    # scipy's kernel is r^2 log r: half of ours, and so is what it calls smoothing
    spline = RBFInterpolator(
        controls, values, kernel="thin_plate_spline", smoothing=ridge / 2, degree=1
    )
    return spline(targets).astype(np.float32)


def thin_plate_operator(controls: np.ndarray, targets: np.ndarray, ridge: float) -> np.ndarray:
    """The linear map (M, N) float32 from values at controls to :func:`thin_plate` at targets."""
    return thin_plate(controls, np.eye(len(controls)), targets, ridge)
