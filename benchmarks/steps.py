"""How few steps give the motion of many: distance to 50-step DDIM, closures, jitter.

    python benchmarks/steps.py --audio samples/speech.wav --out docs/figures/steps.md

Every sampler at every number of steps, from the same noise, on the same speech in several emotions.
The distance is the root mean square of the difference to DDIM's 50 steps over all lip channels,
over their spread; the limit is DDIM with 200 steps, nearer to where all solvers end. Closures are
the frames with an aperture below 0.035 of the distance between the outer eye corners: how many of
DDIM's 50 steps a sampler keeps. Jitter is the root mean square of the aperture at 8 to 12 Hz over
that of DDIM's 50 steps. Time is CPU time of the denoiser.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.signal import butter, sosfiltfilt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dreamtalk.model import DreamTalkModel, load_model, speech_features
from dreamtalk.motion.spaces import LIP_CHANNELS
from dreamtalk.speech.loading import load_speech
from dreamtalk.speech.speech import FPS, Features
from dreamtalk.training.measure.figures import CLOSED

ROOT = Path(__file__).resolve().parent.parent

STEPS = (2, 3, 4, 5, 6, 8, 10, 15, 20, 25, 50)
SAMPLERS = ("ddim", "dpm")
EMOTIONS = ("neutral", "happy", "angry")
LIPS = len(LIP_CHANNELS)


@dataclass(frozen=True)
class Figures:
    """A sampler at a number of steps, over all emotions.

    Attributes:
        lips, rest: distance of the lips and of the other channels, share of their spread.
        limit: of the lips, to 200 steps of DDIM.
        worst: the largest difference of the aperture, IOD.
        kept: share of the closed frames that are closed here too.
        added: frames closed here alone, as a share of the closed ones.
        jitter: over the reference's.
        seconds: of CPU.
    """

    lips: float
    rest: float
    limit: float
    worst: float
    kept: float
    added: float
    jitter: float
    seconds: float


def motions(
    model: DreamTalkModel, features: Features, sampler: str, steps: int, guidance: float
) -> tuple[list[np.ndarray], float]:
    """(T, C) of each emotion, and the CPU time of all."""
    start = time.process_time()
    made = [
        model.sample(features, model.preset(e), steps, sampler, guidance).expression.numpy()
        for e in EMOTIONS
    ]
    return made, time.process_time() - start


def tremor(aperture: np.ndarray) -> float:
    """Root mean square at 8 to 12 Hz."""
    band = butter(4, (8, 12), "bandpass", fs=FPS, output="sos")
    return float(np.sqrt(np.mean(sosfiltfilt(band, aperture) ** 2)))


def distance(made: np.ndarray, full: np.ndarray) -> float:
    """Root mean square of the difference of motions (T, C), over the spread of their channels."""
    return float(np.sqrt(((made - full) ** 2).mean() / full.var(0).mean()))


def compare(
    made: list[np.ndarray], full: list[np.ndarray], limit: list[np.ndarray], seconds: float
) -> Figures:
    """Figures of motions against the reference and the limit."""
    a, b, end = np.concatenate(made), np.concatenate(full), np.concatenate(limit)
    closed, here = b[:, 0] < CLOSED, a[:, 0] < CLOSED
    total = max(int(closed.sum()), 1)
    jitters = [tremor(x[:, 0]) / tremor(y[:, 0]) for x, y in zip(made, full, strict=True)]
    return Figures(
        distance(a[:, :LIPS], b[:, :LIPS]), distance(a[:, LIPS:], b[:, LIPS:]),
        distance(a[:, :LIPS], end[:, :LIPS]), float(np.abs(a - b)[:, 0].max()),
        float((closed & here).sum() / total), float((here & ~closed).sum() / total),
        float(np.mean(jitters)), seconds,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--checkpoint", default="starter")
    parser.add_argument("--guidance", type=float, default=1.0)
    parser.add_argument("--out", type=Path, help="the table as Markdown; else on the terminal")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(args.checkpoint)
    speech = load_speech(args.audio)
    features = speech_features(speech, model)
    motions(model, features, "ddim", 2, args.guidance)  # the first pass prepares kernels
    full, most = motions(model, features, "ddim", 50, args.guidance)
    limit, _ = motions(model, features, "ddim", 200, args.guidance)
    name = args.audio.relative_to(ROOT) if args.audio.is_absolute() else args.audio
    command = f"python benchmarks/steps.py --audio {name} --guidance {args.guidance:g}"
    lines = [
        f"Written by `{command} --out docs/figures/steps.md`.", "",
        f"{speech.duration:.1f} s of speech in {', '.join(EMOTIONS)}; lips shut in "
        f"{np.mean(np.concatenate(full)[:, 0] < CLOSED):.0%} of the frames of 50 DDIM steps.", "",
        "| sampler | steps | lips | other | lips to 200 | largest, IOD | closures kept | added "
        "| jitter | CPU time |",
        "| --- " * 10 + "|",
    ]  # fmt: skip
    for sampler in SAMPLERS:
        for steps in STEPS:
            made, seconds = motions(model, features, sampler, steps, args.guidance)
            f = compare(made, full, limit, seconds)
            lines.append(
                f"| {sampler} | {steps} | {f.lips:.1%} | {f.rest:.1%} | {f.limit:.1%} "
                f"| {f.worst:.4f} | {f.kept:.1%} | {f.added:.1%} | {f.jitter:.2f} "
                f"| {f.seconds / most:.2f} |"
            )
            print(lines[-1], file=sys.stderr, flush=True)
    text = "\n".join(lines) + "\n"
    if args.out is None:
        print(text)
    else:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
