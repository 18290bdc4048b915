"""Track a folder of clips; render what was tracked onto a portrait and track that again.

    python benchmarks/tracking.py CLIPS [--portrait P] [--every 4]

Prints how many frames had no face, the speed, and with a portrait how well the second tracking
returns the first (correlations of lip aperture, mouth width, lids, brows, head angles), for every
n-th clip. Speed is in wall clock and in CPU time: on a busy machine the second is the one to trust.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from dreamtalk.face import analyze_portrait, load_image  # noqa: E402
from dreamtalk.motion.motion import Motion  # noqa: E402
from dreamtalk.motion.track import track_frames, track_video_report  # noqa: E402
from dreamtalk.render.mesh import MeshRenderer  # noqa: E402

CHANNELS = ("lipAperture", "mouthWidth", "lidUpperLeftY", "browInnerLeftY")
ANGLES = ("pitch", "yaw", "roll")


def agreement(first: Motion, second: Motion) -> dict[str, float]:
    """Correlations, and the ratio of the apertures' spread."""

    def r(a: Tensor, b: Tensor) -> float:
        return float(np.corrcoef(a.numpy(), b.numpy())[0, 1])

    figures = {name: r(first.channel(name), second.channel(name)) for name in CHANNELS}
    figures |= {a: r(first.head[:, i], second.head[:, i]) for i, a in enumerate(ANGLES)}
    spread = [float(motion.channel("lipAperture").std()) for motion in (first, second)]
    figures["aperture std ratio"] = spread[1] / spread[0]
    return figures


def main() -> None:
    """Track everything, then print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--portrait", type=Path)
    parser.add_argument("--every", type=int, default=4)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    videos = sorted(arguments.clips.rglob("*.mp4"))
    start, cpu = time.perf_counter(), time.process_time()
    tracked = [track_video_report(video) for video in videos]
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    frames = sum(t.frames for t in tracked)
    gaps = sum(len(t.missing) for t in tracked)
    print(f"{len(videos)} clips, {frames} frames, {gaps} stretches without a face")
    print(f"{frames / wall:.0f} frames/s wall clock, {1000 * cpu / frames:.1f} ms CPU a frame")
    if not arguments.portrait:
        return
    renderer = MeshRenderer(analyze_portrait(load_image(arguments.portrait)))
    rows = []
    for video, result in list(zip(videos, tracked, strict=True))[:: arguments.every]:
        pictures = torch.cat(list(renderer.frames(result.motion)))
        rows.append(agreement(result.motion, track_frames(pictures, result.motion.fps).motion))
        print(f"{video.stem:34s}" + "  ".join(f"{k} {v:.2f}" for k, v in rows[-1].items()))
    means = {key: np.mean([row[key] for row in rows]) for key in rows[0]}
    print(f"{'mean':34s}" + "  ".join(f"{k} {v:.2f}" for k, v in means.items()))


if __name__ == "__main__":
    main()
