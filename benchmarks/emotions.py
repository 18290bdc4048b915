"""Acted emotions from Deep3DFaceRecon files, through the bridge, beside what was filmed.

    python benchmarks/emotions.py CLIPS [--portraits P Q ...] [--out emotions.png]

CLIPS is searched for videos with a ``.mat`` of the same name beside them whose names follow MEAD:
PERSON_front_EMOTION_... The truth is the video, tracked against the person's own resting face.
Prints how far the mean of each clip is off in some channels, by the ``.mat`` alone and without the
resting face of the person's neutral ``.mat``, and how many closed lips stay closed. With portraits
it writes a picture for each person: a column for each emotion; the filmed frame, then for each
portrait the ``.mat`` alone, without the resting face, and the tracked motion.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dreamtalk.face import analyze_portrait, load_image, save_image
from dreamtalk.face.channels import CLOSED_APERTURE
from dreamtalk.motion.bridges import to_face
from dreamtalk.motion.files import load_motion
from dreamtalk.motion.motion import Motion
from dreamtalk.motion.spaces import FACE
from dreamtalk.render.mesh import MeshRenderer
from dreamtalk.tracking.track import track_video

SHOWN = ("lipAperture", "mouthWidth", "mouthCornerLeftY", "lipLowerY", "lipUpperY",
         "lidUpperLeftY", "browInnerLeftY", "browOuterLeftY", "noseWingLeftY",
         "cheekLeftY")  # fmt: skip
SIDE = 256  # px of a picture in the sheet
STRONG = ("brow", "Corner", "cheek", "noseWing", "Width")  # channels that tell emotions


def people(folder: Path) -> dict[str, dict[str, Path]]:
    """Person -> emotion -> video."""
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    for video in sorted(folder.rglob("*_front_*.mp4")):
        if video.with_suffix(".mat").exists():
            person, _, emotion, *_ = video.stem.split("_")
            found[person][emotion] = video
    return {person: videos for person, videos in found.items() if "neutral" in videos}


def motions(video: Path, rest: Tensor, neutral: Motion) -> tuple[Tensor, Tensor, Tensor]:
    """(T, 31) each: by the ``.mat`` alone, without the resting face, and tracked."""
    mat = video.with_suffix(".mat")
    alone = to_face(load_motion(mat)).expression
    rested = to_face(load_motion(mat, neutral=neutral)).expression
    tracked = track_video(video, neutral=rest, smoothing=0.0).motion.expression
    length = min(len(alone), len(tracked))
    return alone[:length], rested[:length], tracked[:length]


def strongest(tracked: Tensor) -> int:
    """The frame in which most is acted, with open eyes."""
    columns = [i for i, name in enumerate(FACE.channels) if any(part in name for part in STRONG)]
    lids = tracked[:, FACE.index["lidUpperLeftY"]]
    acted = tracked[:, columns].square().sum(dim=1) * (lids > lids.median() - 0.012)
    return int(acted.argsort()[-6])


def small(picture: Tensor) -> Tensor:
    """(H, W, 3) uint8 -> (SIDE, SIDE, 3), the middle."""
    side = min(picture.shape[:2])
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    square = picture[top : top + side, left : left + side].permute(2, 0, 1)[None].float()
    return torch.nn.functional.interpolate(square, (SIDE, SIDE), mode="area")[0].permute(1, 2, 0)


class PortraitFrames:
    """A portrait that shows single frames."""

    def __init__(self, path: Path) -> None:
        portrait = analyze_portrait(load_image(path))
        self._renderer = MeshRenderer(portrait)
        points = torch.as_tensor(portrait.landmarks)[:, :2]
        reach = 0.8 * float(points[:, 1].max() - points[:, 1].min())
        centre = points.mean(dim=0)
        low, high = (centre - reach).clamp(min=0).long(), (centre + reach).long()
        self._crop = (slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0])))

    def show(self, expression: Tensor) -> Tensor:
        """(31,) -> (SIDE, SIDE, 3)."""
        motion = Motion(expression[None].float(), torch.zeros(1, 6))
        return small(next(iter(self._renderer.frames(motion)))[0][self._crop])


def frame_of(video: Path, index: int) -> Tensor:
    """One frame of a video, (H, W, 3) uint8."""
    with av.open(str(video)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number == index:
                return torch.from_numpy(frame.to_ndarray(format="rgb24"))
    raise IndexError(f"{video} has no frame {index}")


def main() -> None:
    """Measure, and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--portraits", type=Path, nargs="*", default=[])
    parser.add_argument("--out", type=Path, default=Path("out/emotions.png"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    portraits = [PortraitFrames(path) for path in arguments.portraits]
    off, kept = [], []
    for person, videos in people(arguments.clips).items():
        rest = track_video(videos["neutral"], neutral="clip", smoothing=0.0).neutral
        neutral = load_motion(videos["neutral"].with_suffix(".mat"))
        columns = []
        for emotion, video in videos.items():
            three = motions(video, rest, neutral)
            means = np.array([values.mean(dim=0).numpy() for values in three])
            off.append(np.abs(means[:2] - means[2]))
            shut = three[2][:, 0] < CLOSED_APERTURE
            kept.append(np.array([(v[shut, 0] < CLOSED_APERTURE).numpy() for v in three[:2]]))
            corners = 100 * means[:, FACE.index["mouthCornerLeftY"]]
            print(f"{person} {emotion:10s} corners % IOD: alone {corners[0]:5.1f}, "
                  f"without rest {corners[1]:5.1f}, tracked {corners[2]:5.1f}")  # fmt: skip
            index = strongest(three[2])
            pictures = [small(frame_of(video, index))] if portraits else []
            pictures += [portrait.show(values[index]) for portrait in portraits for values in three]
            columns.append(torch.cat(pictures) if pictures else torch.zeros(0))
        if portraits:
            path = arguments.out.with_name(f"{arguments.out.stem}-{person}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            save_image(torch.cat(columns, dim=1) / 255, path)
            print(f"{path}: " + ", ".join(videos), flush=True)
    mean, closed = 100 * np.mean(off, axis=0), np.concatenate(kept, axis=1).mean(axis=1)
    print("off by, % IOD, mean over clips: alone, without the resting face")
    for name in SHOWN:
        print(f"  {name:18s} {mean[0, FACE.index[name]]:.1f}  {mean[1, FACE.index[name]]:.1f}")
    print(f"  {'all 31':18s} {mean[0].mean():.1f}  {mean[1].mean():.1f}")
    print(f"closed lips that stay closed: {100 * closed[0]:.0f} %, {100 * closed[1]:.0f} %")


if __name__ == "__main__":
    main()
