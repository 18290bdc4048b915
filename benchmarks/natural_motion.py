"""Statistics of natural motion beside those of filmed people.

    python benchmarks/natural_motion.py [--audio SPEECH] [--clips FOLDER] [--minutes 10] [--seed 0]

Draws natural motion for a recording (repeated to fill the time; without one, for synthetic phrases)
and measures blinks, gaze and head. With ``--clips`` the same is measured on tracked videos, so the
columns are comparable figure by figure. The column "filmed speech" holds what was measured on ten
clips of five people that are not in the repository (range over the people). The table is the one in
docs/motion.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import percentile_filter
from scipy.signal import welch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dreamtalk.face.basis import FaceBasis
from dreamtalk.motion.motion import Motion
from dreamtalk.motion.natural import add_natural_motion
from dreamtalk.speech import load_speech
from dreamtalk.speech.speech import SAMPLE_RATE, Speech
from dreamtalk.tracking.track import track_video

BANDS = ((0.2, 1.0), (1.0, 2.0), (2.0, 4.0), (4.0, 6.0))
STRETCH = 20.0  # s, as long as the filmed clips: the spread grows with the length
SHUT = 0.56  # of the local open level of the eye: below, a blink is under way
FILMED = {
    "blinks a minute": "15-43",
    "blink, ms below 56 % open: median": "226-355",
    "blink, ms: 10th-90th percentile": "",
    "pitch std in 20 s, degrees": "1.6-3.3",
    "yaw std in 20 s, degrees": "1.1-4.9",
    "roll std in 20 s, degrees": "2.4-4.4",
    "head speed, degrees/s: median": "5-11",
    "pitch power 0.2-1/1-2/2-4/4-6 Hz": ".75 .15 .07 .02",
    "yaw power": "",
    "roll power": ".90 .08 .02",
    "gaze std, % IOD: sideways, up": "",
}


def synthetic_phrases(seconds: float) -> Speech:
    """Noise in syllables, in phrases of two to four seconds with pauses between."""
    rng = np.random.default_rng(0)
    count = int(seconds * SAMPLE_RATE)
    time = np.arange(count) / SAMPLE_RATE
    edges = np.cumsum(rng.uniform(0.4, 4.0, size=int(seconds)))
    speaking = np.searchsorted(edges, time) % 2 == 0
    stress = np.interp(
        time, np.arange(0, seconds + 1, 0.35), rng.uniform(0.2, 1.0, int((seconds + 1) / 0.35) + 1)
    )
    envelope = np.clip(np.sin(2 * np.pi * 4.3 * time), 0, 1) * stress * speaking
    wave = 0.3 * envelope * rng.normal(size=count)
    return Speech(torch.from_numpy(wave.astype(np.float32)).clamp(-1, 1))


def repeated(path: Path, seconds: float) -> Speech:
    """A recording, again and again."""
    wave = load_speech(path).waveform
    times = int(np.ceil(seconds * SAMPLE_RATE / len(wave)))
    return Speech(wave.repeat(times)[: int(seconds * SAMPLE_RATE)])


def blink_lengths(motion: Motion, opening: float) -> np.ndarray:
    """Seconds of each blink: eye opening below 56 % of the local open level."""
    lids = [
        motion.channel(f"lidUpper{side}Y") - motion.channel(f"lidLower{side}Y")
        for side in ("Left", "Right")
    ]
    eye = opening + (lids[0] + lids[1]).numpy() / 2
    level = percentile_filter(eye, 80, size=2 * int(motion.fps) + 1)
    # read off between frames: at 25 fps a blink lasts only a few of them
    fine = np.interp(np.arange(0, len(eye), 0.1), np.arange(len(eye)), eye / level)
    edges = np.flatnonzero(np.diff(np.r_[0, fine < SHUT, 0].astype(int))).reshape(-1, 2)
    lengths = (edges[:, 1] - edges[:, 0]) / (10 * motion.fps)
    return lengths[lengths < 1.0]


def power(angle: np.ndarray, fps: float) -> np.ndarray:
    """Share of the power in each band; the window is 5 s."""
    if len(angle) < 5 * fps:
        return np.full(len(BANDS), np.nan)
    frequency, density = welch(angle, fps, nperseg=int(5 * fps), detrend="linear")
    inside = [density[(frequency >= a) & (frequency < b)].sum() for a, b in BANDS]
    return np.array(inside) / density[frequency >= BANDS[0][0]].sum()


def _spread(angles: np.ndarray, fps: float) -> np.ndarray:
    """Standard deviation (3,) within stretches of 20 s, or within what there is."""
    count = max(1, round(len(angles) / (STRETCH * fps)))
    return np.mean([part.std(axis=0) for part in np.array_split(angles, count)], axis=0)


def statistics(motions: list[Motion], opening: float) -> dict[str, str]:
    """The rows of the table, over several motions weighted by their length."""
    minutes = sum(m.duration for m in motions) / 60
    blinks = 1000 * np.concatenate([blink_lengths(m, opening) for m in motions])
    angles = [np.rad2deg(m.head[:, :3].numpy()) for m in motions]
    weights = np.array([len(a) for a in angles], dtype=float)
    spread = np.average(
        [_spread(a, m.fps) for a, m in zip(angles, motions, strict=True)], axis=0, weights=weights
    )
    speed = np.concatenate(
        [
            np.linalg.norm(np.diff(a, axis=0), axis=1) * m.fps
            for a, m in zip(angles, motions, strict=True)
        ]
    )
    bands = [
        [power(a[:, axis], m.fps) for a, m in zip(angles, motions, strict=True)]
        for axis in range(3)
    ]
    long = np.isfinite([b[0] for b in bands[0]])
    shares = [
        np.average(np.array(b)[long], axis=0, weights=weights[long]) if long.any() else None
        for b in bands
    ]
    gaze = [
        100
        * np.average([float(m.channel(f"gazeLeft{axis}").std()) for m in motions], weights=weights)
        for axis in "XY"
    ]

    def text(values: np.ndarray | None) -> str:
        return "" if values is None else " ".join(f"{v:.2f}".lstrip("0") for v in values)

    low, high = np.percentile(blinks, [10, 90]) if len(blinks) else (0, 0)
    return {
        "blinks a minute": f"{len(blinks) / minutes:.0f}",
        "blink, ms below 56 % open: median": f"{np.median(blinks):.0f}" if len(blinks) else "",
        "blink, ms: 10th-90th percentile": f"{low:.0f}-{high:.0f}",
        "pitch std in 20 s, degrees": f"{spread[0]:.1f}",
        "yaw std in 20 s, degrees": f"{spread[1]:.1f}",
        "roll std in 20 s, degrees": f"{spread[2]:.1f}",
        "head speed, degrees/s: median": f"{np.median(speed):.1f}",
        "pitch power 0.2-1/1-2/2-4/4-6 Hz": text(shares[0]),
        "yaw power": text(shares[1]),
        "roll power": text(shares[2]),
        "gaze std, % IOD: sideways, up": f"{gaze[0]:.2f}, {gaze[1]:.2f}",
    }


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    seconds = 60 * arguments.minutes
    frames = round(25 * seconds)
    still = Motion(torch.zeros(frames, 31), torch.zeros(frames, 6))
    speech = repeated(arguments.audio, seconds) if arguments.audio else synthetic_phrases(seconds)
    neutral = FaceBasis.load().neutral
    face = still.motion_space.index
    opening = float(neutral[face["lidUpperLeftY"]] - neutral[face["lidLowerLeftY"]])
    begun = time.process_time()
    speaking = add_natural_motion(still, speech, arguments.seed)
    spent = time.process_time() - begun
    columns = {
        "natural, speaking": statistics([speaking], opening),
        "natural, silent": statistics([add_natural_motion(still, None, arguments.seed)], opening),
        "filmed speech": FILMED,
    }
    if arguments.clips:
        videos = sorted(arguments.clips.rglob("*.mp4"))
        tracked = [track_video(video, smoothing=0.0).motion for video in videos]
        columns[f"{len(videos)} clips, tracked"] = statistics(tracked, opening)
    print("| | " + " | ".join(columns) + " |")
    print("| --- " * (len(columns) + 1) + "|")
    for row in FILMED:
        print(f"| {row} | " + " | ".join(column[row] for column in columns.values()) + " |")
    print(f"\n{arguments.minutes:g} minutes drawn in {spent:.1f} s of CPU time")


if __name__ == "__main__":
    main()
