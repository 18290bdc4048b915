"""What a motion of 25 frames a second keeps of its closed lips at other frame rates.

    python benchmarks/frame_rates.py --audio samples/speech.wav

Closures are stretches of frames with an aperture below 0.035 of the distance between the outer eye
corners. One is kept if the nearest frames of the resampled motion hold one that is closed too.
Beside ``resample`` stands what reading the motion off linearly would keep. The starter's motion in
several emotions.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dreamtalk.files.timeline import exact_rate
from dreamtalk.model import load_model, speech_features
from dreamtalk.motion.edit import resample
from dreamtalk.motion.motion import Motion
from dreamtalk.speech.loading import load_speech
from dreamtalk.training.measure.figures import CLOSED

RATES = (24.0, 29.97, 30.0, 50.0, 60.0)
EMOTIONS = ("neutral", "happy", "angry")


def aperture(motion: Motion) -> np.ndarray:
    """(T,) IOD."""
    return motion.channel("lipAperture").numpy().astype(np.float64)


def stretches(gap: np.ndarray) -> list[tuple[int, int]]:
    """First and last frame of every closure."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], gap < CLOSED, [False]]).astype(int)))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]


def kept(source: Motion, gap: np.ndarray, fps: float) -> int:
    """How many closures of a motion an aperture at another rate has."""
    count = 0
    for first, last in stretches(aperture(source)):
        begin, end = (round(frame * fps / source.fps) for frame in (first, last))
        count += bool((gap[begin : end + 1] < CLOSED).any())
    return count


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--checkpoint", default="starter")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(args.checkpoint)
    features = speech_features(load_speech(args.audio), model)
    motions = [model.sample(features, model.preset(emotion)) for emotion in EMOTIONS]
    total = sum(len(stretches(aperture(motion))) for motion in motions)
    single = sum(a == b for motion in motions for a, b in stretches(aperture(motion)))
    print(f"{total} closures in {', '.join(EMOTIONS)}, {single} of them of a single frame\n")
    print("| frames a second | closures kept | read off linearly |\n| --- | --- | --- |")
    for rate in RATES:
        fps, ours, linear = float(exact_rate(rate)), 0, 0
        for motion in motions:
            made = resample(motion, fps)
            times, own = np.arange(len(made)) / fps, np.arange(len(motion)) / motion.fps
            ours += kept(motion, aperture(made), fps)
            linear += kept(motion, np.interp(times, own, aperture(motion)), fps)
        print(f"| {rate:g} | {ours / total:.0%} | {linear / total:.0%} |")


if __name__ == "__main__":
    main()
