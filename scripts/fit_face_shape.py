"""Fit ``dreamtalk/assets/face_shape.npz``: how faces differ, from a folder of portraits.

    python -m scripts.fit_face_shape PORTRAITS [--count 16]

The released one: 879 official portraits of members of the US Congress (public domain, from the
project unitedstates/images). Only principal directions and their deviations are kept.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from dreamtalk.errors import DreamTalkError
from dreamtalk.face.analysis import analyze_portrait
from dreamtalk.face.basis import ASSETS, FaceBasis
from dreamtalk.face.image import load_image
from dreamtalk.face.shape import ASSET, fit_shapes


def main() -> None:
    """Measure every picture, fit, write, and say how much of the differences is kept."""
    parser = argparse.ArgumentParser(description="fit the shapes of faces")
    parser.add_argument("portraits", type=Path, help="folder of .jpg, one person each")
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--out", type=Path, default=ASSETS / ASSET)
    args = parser.parse_args()
    basis, faces = FaceBasis.load(), []
    for path in sorted(args.portraits.glob("*.jpg")):
        try:
            faces.append(analyze_portrait(load_image(path)).landmarks.numpy())
        except DreamTalkError as error:
            print(f"left out: {error}")
    points, _ = basis.align(np.stack(faces))
    shapes = fit_shapes(points, basis, args.count, people=len(faces))
    shapes.save(args.out)
    whole = fit_shapes(points, basis, min(points[0].size, len(faces)) - 1).spread ** 2
    print(
        f"{len(faces)} faces; {args.count} directions hold "
        f"{(shapes.spread**2).sum() / whole.sum():.0%} of their differences"
    )


if __name__ == "__main__":
    main()
