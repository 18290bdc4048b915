"""The mouth of the portrait: its frame, its lip contours, and where exactly closed lips meet."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ....face import topology as t
from ..portrait.geometry import FaceGeometry
from ..portrait.raster import blur

COLUMNS = 41
"""Columns of the dynamic programme across the mouth."""
CLOSED_SHARE = 0.055
"""Lips are closed if no gap is wider than this share of the inner mouth width."""


@dataclass(frozen=True)
class Mouth:
    """The mouth in its own frame: u along the lips, v down, px, origin between the inner corners.

    Attributes:
        origin: (2,) px of the crop.
        u_axis: (2,) unit vector, from the picture's left corner to its right one.
        v_axis: (2,) unit vector, down the face.
        half_width: half the distance of the inner corners, px.
        upper: (N,) float32, v of the upper lip's inner contour over u in -reach..reach.
        lower: (N,) float32, v of the lower lip's.
        reach: the tables' end in u, px.
        is_open: whether the portrait's lips are apart.
    """

    origin: np.ndarray
    u_axis: np.ndarray
    v_axis: np.ndarray
    half_width: float
    upper: np.ndarray
    lower: np.ndarray
    reach: float
    is_open: bool

    def to_frame(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) px of the crop -> (u, v)."""
        d = points - self.origin
        return np.stack([d @ self.u_axis, d @ self.v_axis], -1)

    def to_picture(self, uv: np.ndarray) -> np.ndarray:
        """(u, v) -> px of the crop."""
        return self.origin + uv[..., :1] * self.u_axis + uv[..., 1:] * self.v_axis

    def look(self, image: np.ndarray, uv: np.ndarray) -> np.ndarray:
        """What a picture (H, W[, C]) of the crop shows at (h, w, 2) of u and v: (h, w[, C])."""
        at = self.to_picture(uv).astype(np.float32)
        return cv2.remap(
            image, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )


def find_mouth(image: np.ndarray, face: FaceGeometry) -> Mouth:
    """Measure the mouth of a portrait.

    Args:
        image: (H, W, 3) float32 in 0..1, the crop.
        face: the face in it.
    """
    points = face.points
    right, left = points[t.INNER_RIGHT], points[t.INNER_LEFT]
    origin = (right + left) / 2
    half = float(np.linalg.norm(left - right)) / 2
    u_axis = (left - right) / max(2 * half, 1e-6)
    v_axis = np.array([-u_axis[1], u_axis[0]], np.float32)
    reach = 1.7 * half
    table_u = np.linspace(-reach, reach, 4 * int(np.ceil(reach)) + 1)
    frame = Mouth(
        origin, u_axis, v_axis, half, np.zeros(2), np.zeros(2), float(reach), is_open=False
    )
    corners = frame.to_frame(points[[t.INNER_RIGHT, t.INNER_LEFT]])
    upper = frame.to_frame(points[list(t.UPPER_INNER)])
    lower = frame.to_frame(points[list(t.LOWER_INNER)])
    gap = float((lower[:, 1] - upper[:, 1]).max())
    is_open = gap > CLOSED_SHARE * 2 * half

    def contour(inner: np.ndarray) -> np.ndarray:
        knots = np.concatenate([corners[:1], inner, corners[1:]])
        order = np.argsort(knots[:, 0])
        return np.interp(table_u, knots[order, 0], knots[order, 1])

    if is_open:
        step = 4.0 * half / len(table_u)
        upper_table = blur(contour(upper)[None].astype(np.float32), 0.04 * half / step)[0]
        lower_table = blur(contour(lower)[None].astype(np.float32), 0.04 * half / step)[0]
        lower_table = np.maximum(lower_table, upper_table)
    else:
        upper_table = lower_table = _snap(image, frame, contour((upper + lower) / 2), table_u)
    return Mouth(
        origin=origin.astype(np.float32),
        u_axis=u_axis.astype(np.float32),
        v_axis=v_axis.astype(np.float32),
        half_width=half,
        upper=upper_table.astype(np.float32),
        lower=lower_table.astype(np.float32),
        reach=float(reach),
        is_open=is_open,
    )


def _snap(image: np.ndarray, mouth: Mouth, guess: np.ndarray, table_u: np.ndarray) -> np.ndarray:
    """Move the seam into the dark valley between the lips.

    Dynamic programming over columns: the landmarks are 1 to 3 px off, which would leave a strip of
    the wrong lip on either side.
    """
    half = mouth.half_width
    u = np.linspace(-1.0, 1.0, COLUMNS) * half
    band = 0.18 * half  # +-9 % of the mouth's width
    count = 41
    offsets = np.linspace(-band, band, count)
    centre = np.interp(u, table_u, guess)
    grid = np.stack(np.broadcast_arrays(u[None, :], centre[None, :] + offsets[:, None]), -1)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    grey = blur(grey, max(0.6, 0.02 * half))
    value = mouth.look(grey, grid.astype(np.float32))
    wide = max(1, round(0.07 * half / (offsets[1] - offsets[0])))
    padded = np.pad(value, ((wide, wide), (0, 0)), mode="edge")
    valley = value - 0.5 * (padded[: -2 * wide] + padded[2 * wide :])
    contrast = max(float(np.std(value)), 0.01)
    cost = valley / contrast + 0.35 * value / contrast + 0.6 * (offsets[:, None] / band) ** 2
    # The corners themselves are found well by the landmarks.
    cost += 3.0 * np.abs(u[None, :] / half) ** 6 * (offsets[:, None] / band) ** 2
    jump = (offsets[:, None] - offsets[None, :]) / (u[1] - u[0])
    bend = 4.0 * jump**2
    total = cost[:, 0].copy()
    back = np.zeros((count, COLUMNS), int)
    for column in range(1, COLUMNS):
        step = total[None, :] + bend
        back[:, column] = step.argmin(1)
        total = step.min(1) + cost[:, column]
    path = np.empty(COLUMNS, int)
    path[-1] = int(total.argmin())
    for column in range(COLUMNS - 1, 0, -1):
        path[column - 1] = back[path[column], column]
    seam = centre + offsets[path]
    seam = blur(seam[None].astype(np.float32), 0.8)[0]
    return np.interp(table_u, u, seam)
