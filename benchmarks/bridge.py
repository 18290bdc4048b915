"""Drive the mesh renderer with official motion and compare it with the official video.

    python benchmarks/bridge.py --motion facemotion.npy --portrait crop.png --video official.mp4 \
        [--out side-by-side.mp4]

The motion (73 columns of BFM coefficients and pose) goes through the bridge into the ``face`` space
and onto the portrait. Both videos are tracked; printed are the correlations of lip aperture, mouth
width and head angles between the official video and the bridged motion, and between the official
video and ours, and how often lips are closed where the official ones are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dreamtalk.face import analyze_portrait, load_image
from dreamtalk.face.channels import CLOSED_APERTURE
from dreamtalk.motion.bridges import to_face
from dreamtalk.motion.files import load_motion
from dreamtalk.motion.motion import Motion
from dreamtalk.render.mesh import MeshRenderer
from dreamtalk.render.video import Sound, write_video
from dreamtalk.tracking.track import track_video


def decoded(video: Path) -> Iterator[np.ndarray]:
    """The frames of a video, (H, W, 3) uint8."""
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def side_by_side(official: Path, ours: Path) -> Iterator[Tensor]:
    """Official frames on the left, ours on the right; (1, H, W, 3) uint8."""
    for left, picture in zip(decoded(official), decoded(ours), strict=False):
        right = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
        size = (left.shape[0], round(right.shape[3] * left.shape[0] / right.shape[2]))
        right = torch.nn.functional.interpolate(right, size, mode="area")
        both = [torch.from_numpy(left), right[0].permute(1, 2, 0).round().byte()]
        yield torch.cat(both, dim=1)[None]


def compare(name: str, official: Motion, ours: Motion) -> None:
    """Print the figures of one pair."""
    length = min(len(official), len(ours))

    def r(a: Tensor, b: Tensor) -> float:
        return float(np.corrcoef(a[:length].numpy(), b[:length].numpy())[0, 1])

    rows = {c: r(official.channel(c), ours.channel(c)) for c in ("lipAperture", "mouthWidth")}
    for axis, angle in enumerate(("pitch", "yaw", "roll")):
        rows[angle] = r(official.head[:, axis], ours.head[:, axis])
    shut = official.channel("lipAperture")[:length] < CLOSED_APERTURE
    too = ours.channel("lipAperture")[:length] < CLOSED_APERTURE
    print(f"{name}: " + "  ".join(f"{k} r {v:.3f}" for k, v in rows.items()))
    print(
        f"  lips closed: official {100 * shut.float().mean():.0f} % of frames, ours "
        f"{100 * too.float().mean():.0f} %; of the official closures ours has "
        f"{100 * too[shut].float().mean():.0f} %"
    )


def main() -> None:
    """Render, track, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("--motion", "--portrait", "--video"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("out/side-by-side.mp4"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    motion = to_face(load_motion(arguments.motion))
    renderer = MeshRenderer(analyze_portrait(load_image(arguments.portrait)))
    plain = arguments.out.with_name(arguments.out.stem + "-ours.mp4")
    write_video(plain, renderer.frames(motion), motion.fps)
    write_video(
        arguments.out,
        side_by_side(arguments.video, plain),
        motion.fps,
        Sound(arguments.video),
    )
    official = track_video(arguments.video, smoothing=0.0).motion
    compare("official video - bridged motion", official, motion)
    compare("official video - our video", official, track_video(plain, smoothing=0.0).motion)
    print(f"written to {arguments.out}")


if __name__ == "__main__":
    main()
