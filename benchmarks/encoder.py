"""Presets of the encoder: CPU time, size, and how near the pictures stay.

    python benchmarks/encoder.py --portrait samples/portrait.png --audio samples/speech.wav
        [--size 512] [--seconds 8] [--kilobytes N] [--threads 1 2 4]

Every way encodes the same rendered frames at three rate factors; PSNR and SSIM of the luma are read
off between them at one size for all: what FFmpeg's own preset makes at 18, unless it is given.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from av.video.reformatter import Colorspace, VideoReformatter
from skimage.metrics import structural_similarity

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dreamtalk.bench.stages import repeated_speech, scaled_to
from dreamtalk.face import analyze_portrait, load_image
from dreamtalk.model import load_model, speech_features
from dreamtalk.motion.natural import add_natural_motion
from dreamtalk.render.mesh import MeshRenderer
from dreamtalk.render.video import repeatable_x264
from dreamtalk.training.measure.tables import table

WAYS: dict[str, Mapping[str, str]] = {
    "medium": {},
    "fast": {"preset": "fast"},
    "faster": {"preset": "faster"},
    "veryfast": {"preset": "veryfast"},
    "veryfast, look-ahead 20": {"preset": "veryfast", "rc-lookahead": "20"},
    "superfast": {"preset": "superfast"},
}
RATES = ("15", "17", "19", "21")
HEAD = ("preset", "threads", "CPU ms a frame", "kB at 18", "PSNR at 18", "PSNR at equal size",
        "SSIM at equal size")  # fmt: skip


@dataclass(frozen=True)
class Encoded:
    """One run: CPU ms a frame, kB, PSNR (dB) and SSIM of the luma."""

    cpu: float
    size: float
    psnr: float
    ssim: float


def pictures(args: argparse.Namespace) -> list[av.VideoFrame]:
    """Rendered frames as the encoder gets them."""
    speech = repeated_speech(args.audio, args.seconds)
    model = load_model("starter")
    motion = model.sample(speech_features(speech, model), model.preset("happy"))
    motion = add_natural_motion(motion, speech)
    portrait = analyze_portrait(scaled_to(load_image(args.portrait), args.size))
    reformatter = VideoReformatter()
    return [
        reformatter.reformat(
            av.VideoFrame.from_ndarray(frame, format="rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
        )
        for chunk in MeshRenderer(portrait).frames(motion)
        for frame in chunk.numpy()
    ]


def encode(frames: Sequence[av.VideoFrame], options: Mapping[str, str], threads: int) -> Encoded:
    """Encode, decode, and compare."""
    context: Any = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 25), 25
    context.options, context.thread_count = {**options, **repeatable_x264()}, threads
    packets: list[bytes] = []
    begun = time.process_time()
    for index, frame in enumerate(frames):
        frame.pts, frame.time_base, frame.pict_type = index, Fraction(1, 25), 0
        packets += [bytes(packet) for packet in context.encode(frame)]
    packets += [bytes(packet) for packet in context.encode(None)]
    spent = 1000 * (time.process_time() - begun) / len(frames)
    decoder: Any = av.CodecContext.create("h264", "r")
    shown = [f for data in [*packets, None] for f in decoder.decode(data and av.Packet(data))]
    height = frames[0].height
    errors, likeness = [], []
    for index, (ours, theirs) in enumerate(zip(frames, shown, strict=True)):
        a, b = (frame.to_ndarray()[:height] for frame in (ours, theirs))
        errors.append(np.mean((a.astype(np.float32) - b) ** 2))
        if index % 20 == 0:
            likeness.append(structural_similarity(a, b))
    psnr = 10 * np.log10(255**2 / np.mean(errors))
    return Encoded(spent, sum(map(len, packets)) / 1000, float(psnr), float(np.mean(likeness)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--portrait", required=True)
    parser.add_argument("--audio", required=True)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--kilobytes", type=float, help="compare at that size")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2, 4])
    args = parser.parse_args()
    torch.set_num_threads(1)
    frames = pictures(args)
    lines, size = [], args.kilobytes
    for name, options in WAYS.items():
        for threads in args.threads:
            usual = encode(frames, {"crf": "18", **options}, threads)
            size = size or usual.size
            equal = ("", "")
            if threads == args.threads[0]:
                runs = [encode(frames, {"crf": r, **options}, threads) for r in RATES][::-1]
                at = np.log([run.size for run in runs])
                psnr, ssim = (
                    np.interp(np.log(size), at, [getattr(run, key) for run in runs])
                    for key in ("psnr", "ssim")
                )
                equal = (f"{psnr:.2f}", f"{ssim:.4f}")
            lines.append((
                name, str(threads), f"{usual.cpu:.2f}", f"{usual.size:.0f}", f"{usual.psnr:.2f}",
                *equal,
            ))  # fmt: skip
    print(f"{len(frames)} frames of {args.size} px; equal size: {size:.0f} kB.\n")
    print(table(HEAD, lines))


if __name__ == "__main__":
    main()
