"""Track a folder of clips; render what was tracked onto portraits and track that again.

    python benchmarks/tracking.py CLIPS [--portraits P Q ...] [--every 4]

Prints how many frames had no face and the speed, and with portraits how well the second tracking
returns the first, for every n-th clip: the mean correlation over clips, and over those in which the
channel moves (by at least half of its ``FaceBasis.spread``, a head angle by a degree; in the others
both trackings hold little but the tracker's tremor). Speed is in wall clock and in CPU time:
on a busy machine the second is the one to trust.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dreamtalk.face import analyze_portrait, load_image
from dreamtalk.face.basis import FaceBasis
from dreamtalk.motion.motion import Motion
from dreamtalk.motion.spaces import FACE
from dreamtalk.render.mesh import MeshRenderer
from dreamtalk.tracking.track import Tracked, track_frames, track_video

CHANNELS = ("lipAperture", "mouthWidth", "mouthCornerLeftY", "lidUpperLeftY", "browInnerLeftY",
            "gazeLeftX")  # fmt: skip
ANGLES = ("pitch", "yaw", "roll")
MOVING = 0.5


def curves(motion: Motion) -> np.ndarray:
    """(channels and angles, T)."""
    rows = [motion.channel(name) for name in CHANNELS]
    return torch.stack([*rows, *motion.head[:, :3].T]).numpy()


def come_back(portrait: Path, clips: list[Tracked]) -> None:
    """Render the motions, track the pictures, print the agreement."""
    spread = FaceBasis.load().spread
    usual = np.r_[[spread[FACE.index[name]] for name in CHANNELS], np.deg2rad([2.0, 2.0, 2.0])]
    renderer = MeshRenderer(analyze_portrait(load_image(portrait)))
    r, gain, moves = [], [], []
    for clip in clips:
        first = curves(clip.motion)
        pictures = torch.cat(list(renderer.frames(clip.motion)))
        second = curves(track_frames(pictures, clip.motion.fps).motion)[:, : first.shape[1]]
        first, second = (c - c.mean(axis=1, keepdims=True) for c in (first, second))
        product = (first * second).sum(axis=1)
        r.append(product / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1))
        gain.append(product / (first**2).sum(axis=1))
        moves.append(first.std(axis=1) >= MOVING * usual)
    correlation, gains, moving = np.array(r), np.array(gain), np.array(moves)
    print(f"{portrait.stem}, {len(clips)} clips: r, r where it moves (clips), gain there")
    for index, name in enumerate((*CHANNELS, *ANGLES)):
        at = moving[:, index]
        where = f"{correlation[at, index].mean():.2f} ({at.sum()})  {gains[at, index].mean():.2f}"
        print(f"  {name:18s} {correlation[:, index].mean():.2f}  {where if at.any() else '-'}")


def main() -> None:
    """Track everything, then print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--portraits", type=Path, nargs="*", default=[])
    parser.add_argument("--every", type=int, default=4)
    arguments = parser.parse_args()
    videos = sorted(arguments.clips.rglob("*.mp4"))
    start, cpu = time.perf_counter(), time.process_time()
    tracked = [track_video(video) for video in videos]
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    frames = sum(t.frames for t in tracked)
    gaps = sum(len(t.missing) for t in tracked)
    print(f"{len(videos)} clips, {frames} frames, {gaps} stretches without a face")
    print(
        f"{frames / wall:.0f} frames/s wall clock, {1000 * cpu / frames:.1f} ms CPU a frame "
        f"({frames / cpu:.0f} frames/s of one core)",
        flush=True,
    )
    for portrait in arguments.portraits:
        come_back(portrait, tracked[:: arguments.every])


if __name__ == "__main__":
    main()
