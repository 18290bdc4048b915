"""What folds and bulges look like when they are fully there, drawn between landmarks.

Every picture holds log-gains: negative where a fold or a hollow gets darker, positive where a bulge
catches light. Proportions are those of an adult face; "L" and "R" are the subject's sides.
"""

from __future__ import annotations

import numpy as np

from ....curves.easing import smoothstep
from ....face import topology as t
from ...box import Box
from ..portrait.geometry import FaceGeometry
from ..portrait.raster import blur, pixel_grid

FOREHEAD_LINES = ((0.30, 0.85), (0.49, 1.0), (0.68, 0.75))
"""Where lines run between brows and hair, as shares of the way, and how strong they are."""


def valley(
    shape: tuple[int, int], line: np.ndarray, width: float, ends: tuple[float, float] = (0.25, 0.35)
) -> tuple[np.ndarray, np.ndarray]:
    """A soft groove along a polyline, fading out at its ends, and the signed side of each pixel.

    Returns:
        (H, W) 0..1, and (H, W) distance to the line in px: positive to the line's left.
    """
    # Resample and smooth: landmarks alone make corners.
    step = np.linalg.norm(np.diff(line, axis=0), axis=1)
    at = np.concatenate([[0.0], np.cumsum(step)])
    fine = np.linspace(0, at[-1], 48)
    coordinates = [np.interp(fine, at, line[:, k])[None].astype(np.float32) for k in range(2)]
    dense = np.stack([blur(values, 3.0)[0] for values in coordinates], -1)
    # Only the neighbourhood of the line is worth computing.
    near = Box.around(dense.min(0) - 4 * width, dense.max(0) + 4 * width, shape[1], shape[0])
    corner = np.array([near.x0, near.y0], np.float32)
    grid = pixel_grid(near.height, near.width).reshape(-1, 2) + corner
    delta_x = grid[:, :1] - dense[None, :, 0]
    delta_y = grid[:, 1:] - dense[None, :, 1]
    squared = delta_x**2 + delta_y**2
    nearest = squared.argmin(1)
    row = np.arange(len(grid))
    distance = np.sqrt(squared[row, nearest])
    tangent = np.gradient(dense, axis=0)[nearest]
    side = np.sign(tangent[:, 0] * delta_y[row, nearest] - tangent[:, 1] * delta_x[row, nearest])
    along = nearest / (len(dense) - 1)
    fade = smoothstep(0, ends[0], along) * smoothstep(0, ends[1], 1 - along)
    groove = np.zeros(shape, np.float32)
    off = np.full(shape, 1e6, np.float32)
    groove[near.slices] = (np.exp(-((distance / width) ** 2)) * fade).reshape(near.height, -1)
    off[near.slices] = (distance * side).reshape(near.height, -1)
    return groove, off


class FoldArtist:
    """Draws the folds of one face.

    Args:
        face: the face in the crop.
        box: px of the crop that the pictures cover.
        scale: texels per px.
    """

    def __init__(self, face: FaceGeometry, box: Box, scale: float) -> None:
        self.shape = (int(np.ceil(box.height * scale)), int(np.ceil(box.width * scale)))
        self.points = (face.points - [box.x0, box.y0]) * scale
        self.mm = face.mm * scale
        self.right, self.down = face.right, face.down
        self.grid = pixel_grid(*self.shape)

    def draw(self) -> dict[str, np.ndarray]:
        """All pictures, (h, w) float each."""
        maps: dict[str, np.ndarray] = {}
        for side, sign in (("R", -1.0), ("L", 1.0)):
            maps["nasolabial" + side] = self._nasolabial(sign)
            maps["corner" + side] = self._corner(sign)
            maps["crow" + side] = self._crow(sign)
            maps["underEye" + side] = self._under_eye(sign)
            maps["frown" + side] = self._frown(sign)
            maps["furrow" + side] = self._furrow(sign)
            maps["socket" + side] = self._socket(sign)
            maps["nose" + side] = self._nose(sign)
        maps["procerus"] = self._procerus()
        maps.update(self._forehead())
        arc = self.points[[43, 106, 182, 83, 18, 313, 406, 335, 273]]
        maps["sulcus"] = -0.15 * self._valley(arc, 3.2, (0.3, 0.3))[0]
        maps["chin"] = self._chin()
        return maps

    def _valley(
        self, line: np.ndarray, width: float, ends: tuple[float, float]
    ) -> tuple[np.ndarray, np.ndarray]:
        """As :func:`valley`, with the width in mm."""
        return valley(self.shape, line, width * self.mm, ends)

    def _blob(self, centre: np.ndarray, across: float, along: float) -> np.ndarray:
        """A soft spot with radii in mm."""
        d = self.grid - centre
        x, y = d @ self.right / (across * self.mm), d @ self.down / (along * self.mm)
        return np.exp(-(x**2) - y**2)

    def _lit(self, off: np.ndarray, at: float, width: float) -> np.ndarray:
        """Light along a line, ``at`` mm to its left."""
        return np.exp(-(((off - at * self.mm) / (width * self.mm)) ** 2))

    def _nasolabial(self, sign: float) -> np.ndarray:
        fold = (129, 203, 206, 216, 212) if sign < 0 else (358, 423, 426, 436, 432)
        line = self.points[list(fold)]
        groove, off = self._valley(line, 1.3, (0.12, 0.5))
        hollow, _ = self._valley(line, 5.0, (0.05, 0.5))
        # The cheek outside of the fold bulges and catches light.
        near = blur((groove > 0.01).astype(np.float32), 4 * self.mm)
        ridge = self._lit(-off * sign, 6.0, 4.5) * near
        cheek = self.points[50 if sign < 0 else 280] + sign * self.right * 2 * self.mm
        return -0.15 * groove - 0.12 * hollow + 0.07 * ridge + 0.06 * self._blob(cheek, 14, 9)

    def _corner(self, sign: float) -> np.ndarray:
        corner = self.points[t.MOUTH_RIGHT if sign < 0 else t.MOUTH_LEFT]
        place = corner + (sign * self.right * 3.2 - self.down * 0.6) * self.mm
        return -0.24 * self._blob(place, 2.6, 4.2)

    def _crow(self, sign: float) -> np.ndarray:
        start = self.points[t.EYE_OUTER_RIGHT if sign < 0 else t.EYE_OUTER_LEFT]
        start = start + sign * self.right * 4 * self.mm
        crow = np.zeros(self.shape)
        for angle, reach, strength in ((-0.42, 9.0, 0.8), (0.02, 11.0, 1.0), (0.45, 10.0, 0.9)):
            ray = (sign * self.right * np.cos(angle) + self.down * np.sin(angle)) * self.mm
            sag = self.down * 0.6 * self.mm
            line = [start + ray * k * reach / 4 + sag * (k / 4) ** 2 for k in range(5)]
            crow += strength * self._valley(np.stack(line), 0.95, (0.3, 0.5))[0]
        return -0.14 * crow

    def _under_eye(self, sign: float) -> np.ndarray:
        under = (112, 26, 22, 23, 24) if sign < 0 else (341, 256, 252, 253, 254)
        line = self.points[list(under)] + self.down * 2.2 * self.mm
        bag, _ = self._valley(line, 1.7, (0.25, 0.3))
        return -0.14 * bag + 0.04 * self._blob(line[3] + self.down * 6 * self.mm, 12, 5)

    def _frown(self, sign: float) -> np.ndarray:
        droop = (t.MOUTH_RIGHT, 57, 43, 202) if sign < 0 else (t.MOUTH_LEFT, 287, 273, 422)
        line = self.points[list(droop)]
        core, off = self._valley(line, 1.5, (0.15, 0.5))
        soft, _ = self._valley(line, 4.0, (0.15, 0.5))
        return -0.16 * core - 0.10 * soft + 0.04 * self._lit(off * sign, 5.0, 3.0) * (soft > 0.02)

    def _furrow(self, sign: float) -> np.ndarray:
        """The upright fold beside the brow's head, and the roll of skin on either side of it."""
        heads = self.points[[55, 285]] @ self.right
        half = abs(heads[1] - heads[0]) / 2
        base, top = self.points[8], self.points[9]
        # No two are of one length.
        reach = 11.0 if sign > 0 else 9.0
        away = sign * self.right * half
        line = np.stack(
            [
                base + self.down * 2.0 * self.mm + 0.30 * away,
                base + 0.34 * away,
                (base + top) / 2 + 0.39 * away,
                top + 0.45 * away,
                top - self.down * 0.6 * reach * self.mm + 0.52 * away,
                top - self.down * reach * self.mm + 0.62 * away,
            ]
        )
        # Broad and shallow: on smooth skin a thin dark line looks drawn on.
        core, off = self._valley(line, 1.7, (0.45, 0.7))
        soft, _ = self._valley(line, 4.2, (0.35, 0.6))
        # Between the two furrows, and over the brow's head, skin is heaped up.
        outside = -off * sign
        lit = self._lit(outside, 3.4, 1.9) + 0.7 * self._lit(outside, -3.0, 1.7)
        return -0.12 * core - 0.15 * soft + 0.10 * lit * blur(soft, 1.5 * self.mm)

    def _socket(self, sign: float) -> np.ndarray:
        """Shade that a lowered brow throws over the inner corner and the lid."""
        eye = t.EYE_RIGHT if sign < 0 else t.EYE_LEFT
        brow = eye["brow"] if sign < 0 else eye["brow"][::-1]  # from the outer end to the head
        inner, head, lid = eye["corners"][1 if sign < 0 else 0], brow[-1], eye["upper"][3]
        line = self.points[list(brow)] + self.down * 3.5 * self.mm
        under, _ = self._valley(line, 3.6, (0.5, 0.02))
        corner = 0.5 * self.points[inner] + 0.5 * self.points[head]
        eye = self.points[lid]
        return (
            -0.17 * under - 0.24 * self._blob(corner, 5.5, 6.0) - 0.13 * self._blob(eye, 14.0, 5.5)
        )

    def _nose(self, sign: float) -> np.ndarray:
        """Slanting lines on the side of the nose, and the crease above its wing."""
        bridge, root, side, wing = (6, 197, 196, 198) if sign < 0 else (6, 197, 419, 420)
        away = sign * self.right * self.mm
        lines = np.zeros(self.shape)
        for start, strength in ((0.15, 1.0), (0.6, 0.8)):
            begin = self.points[bridge] * (1 - start) + self.points[root] * start
            path = [
                begin + away * 2.5,
                begin + away * 5.5 + self.down * 1.6 * self.mm,
                begin + away * 8.5 + self.down * 4.2 * self.mm,
            ]
            lines += strength * self._valley(np.stack(path), 1.1, (0.35, 0.4))[0]
        edge = self.points[[side, wing]]
        flank, _ = self._valley(
            np.stack([edge[0] + away * 3.5, edge.mean(0) + away * 4, edge[1] + away * 4]),
            2.4,
            (0.3, 0.3),
        )
        return -0.10 * lines - 0.07 * flank

    def _procerus(self) -> np.ndarray:
        """Creases across the root of the nose."""
        root, above = self.points[168], self.points[8]
        result = np.zeros(self.shape)
        for centre, half, strength in (
            (root * 0.85 + above * 0.15, 7.0, 1.0),
            (root * 0.2 + above * 0.8, 5.0, 0.55),
        ):
            path = [
                centre + (self.right * x * half + self.down * (0.9 * x * x - 0.5)) * self.mm
                for x in (-1.0, -0.5, 0.0, 0.5, 1.0)
            ]
            core, off = self._valley(np.stack(path), 1.3, (0.45, 0.45))
            soft, _ = self._valley(np.stack(path), 3.0, (0.4, 0.4))
            lit = self._lit(np.abs(off), 3.0, 1.4) * blur(soft, self.mm)
            result += strength * (-0.12 * core - 0.08 * soft + 0.06 * lit)
        return result

    def _forehead(self) -> dict[str, np.ndarray]:
        brow = self.points[[105, 66, 107, 9, 336, 296, 334]]
        hair = (
            self.points[[54, 103, 109, 10, 338, 332, 284]] * 0.5
            + self.points[[103, 67, 109, 10, 338, 297, 332]] * 0.5
        )
        lines = np.zeros(self.shape)
        rng = np.random.default_rng(3)
        for share, strength in FOREHEAD_LINES:
            wave = rng.uniform(-0.8, 0.8, (7, 1)) * self.mm * self.down
            path = brow + share * (hair - brow) + wave
            core, off = self._valley(path, 1.1, (0.35, 0.35))
            soft, _ = self._valley(path, 2.4, (0.35, 0.35))
            lit = self._lit(np.abs(off), 3.4, 1.7) * blur(core, 2 * self.mm)
            lines += strength * (-0.11 * core - 0.05 * soft + 0.07 * lit)
        x = ((self.grid - self.points[9]) @ self.right) / self.mm
        middle = 1 - smoothstep(12.0, 30.0, np.abs(x))
        sides = 1 - 0.75 * middle
        left = smoothstep(-5.0, 5.0, x)
        return {
            "foreheadMiddle": lines * middle,
            "foreheadL": lines * sides * left,
            "foreheadR": lines * sides * (1 - left),
        }

    def _chin(self) -> np.ndarray:
        """The puckered skin of a chin that pushes the lower lip up."""
        centre = 0.5 * self.points[199] + 0.5 * self.points[175]
        rng = np.random.default_rng(11)
        dimples: np.ndarray = np.zeros(self.shape)
        for _ in range(26):
            x, y = rng.normal(0, 5.5), rng.normal(0, 4.0)
            place = centre + (self.right * x + self.down * y) * self.mm
            dimples += self._blob(place, 1.3, 1.3)
        dimples = np.minimum(dimples, 1.2) - 0.35
        return (-0.13 * dimples + 0.05) * self._blob(centre, 11.0, 8.0)
