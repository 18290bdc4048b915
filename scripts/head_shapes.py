"""Draw the plain head of glTF exports with its ARKit shapes: ``docs/images/head_shapes.png``.

    python -m scripts.head_shapes [--out PNG] [--all]

The triangles are painted from behind to the front by matplotlib; colours are those of the vertices.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from dreamtalk.face.head_mesh import COLOURS, head_mesh, neck_mesh, vertex_normals
from dreamtalk.face.head_shapes import shape_offsets
from dreamtalk.face.pose import angles_to_rotation
from dreamtalk.motion.spaces import ARKIT_CHANNELS

OUT = Path(__file__).resolve().parents[1] / "docs" / "images" / "head_shapes.png"
SHOWN: tuple[tuple[str, ...], ...] = (
    (), ("jawOpen",), ("mouthSmileLeft", "mouthSmileRight"), ("mouthPucker",),
    ("eyeBlinkLeft", "eyeBlinkRight"), ("browInnerUp", "eyeWideLeft", "eyeWideRight"),
    ("browDownLeft", "browDownRight", "noseSneerLeft", "noseSneerRight"), ("mouthSmileLeft",),
    ("jawOpen", "mouthClose"), ("eyeLookInLeft", "eyeLookOutRight"),
)  # fmt: skip
LIGHT = np.array([-0.35, 0.45, 0.82]) / np.linalg.norm([-0.35, 0.45, 0.82])


def paint(axes: Axes, shapes: tuple[str, ...], yaw: float) -> None:
    """One head with some shapes at 1, turned by ``yaw`` radians to its left."""
    head, neck = head_mesh(), neck_mesh()
    moved = head.points + shape_offsets(shapes, head).sum(0) if shapes else head.points
    points = np.concatenate([moved, neck.points])
    triangles = np.concatenate([head.triangles, neck.triangles + len(moved)])
    colours = np.array(COLOURS)[np.concatenate([head.kind, neck.kind])]
    points = points @ angles_to_rotation(np.array([0.0, yaw, 0.0])).T
    light = 0.3 + 0.75 * (vertex_normals(points, triangles) @ LIGHT).clip(0)
    corners = points[triangles]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] > 0
    order = np.argsort(corners[:, :, 2].mean(1))
    order = order[facing[order]]
    lit = colours[triangles].mean(1) ** (1 / 2.2) * light[triangles].mean(1)[:, None]
    lit = lit.clip(0, 1)[order]
    axes.add_collection(
        PolyCollection(corners[order][:, :, :2], facecolors=lit, edgecolors=lit, linewidths=0.3)
    )
    axes.set(xlim=(-1.15, 1.15), ylim=(-1.75, 1.2), aspect="equal")
    axes.axis("off")
    axes.set_title("\n".join(shapes) or "at rest", fontsize=7)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--all", action="store_true", help="all 52, each by itself")
    args = parser.parse_args()
    shown = [(name,) for name in ARKIT_CHANNELS] if args.all else list(SHOWN)
    columns = 9 if args.all else 5
    rows = -(-len(shown) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(2.0 * columns, 2.8 * rows), squeeze=False)
    for place in axes.flat:
        place.axis("off")
    for place, shapes in zip(axes.flat, shown, strict=False):
        paint(place, shapes, 0.0 if args.all else 0.35)
    figure.tight_layout(pad=0.3)
    figure.savefig(args.out, dpi=80)


if __name__ == "__main__":
    main()
