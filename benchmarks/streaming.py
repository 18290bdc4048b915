"""How late frames are when speech is pushed as it is said, and how far the motion is from offline.

python benchmarks/streaming.py --portrait P --audio A [--size 512] [--seconds 60] [--lookahead 0.16]
    [--together 2] [--video mp4]
python benchmarks/streaming.py --audio A --look
"""

from __future__ import annotations

import argparse
import gc
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from dreamtalk.face.analysis import analyze_portrait
from dreamtalk.face.image import load_image
from dreamtalk.model import load_model
from dreamtalk.pipeline import animate
from dreamtalk.render.registry import open_renderer
from dreamtalk.speech.loading import load_speech
from dreamtalk.speech.speech import FPS, SAMPLE_RATE
from dreamtalk.streaming.stream import MotionStream, StreamSettings
from dreamtalk.streaming.talker import Talker
from dreamtalk.streaming.writers import WRITERS

PIECE = SAMPLE_RATE // 50
AIM = 0.2  # s from the last sample that a frame needs to the frame
MOUTH = 13


def live(
    portrait: Path, audio: Path, size: int, seconds: float, settings: StreamSettings, video: str
) -> None:
    """Push 20 ms every 20 ms and look at the clock whenever a frame is out."""
    image = load_image(portrait)
    scaled = F.interpolate(image.movedim(-1, 0)[None], (size, size), mode="area")
    renderer = open_renderer("mesh", analyze_portrait(scaled[0].movedim(0, -1)))
    talker = Talker(load_model(), renderer, None, settings)
    said = load_speech(audio).waveform
    said = said.repeat(int(seconds * SAMPLE_RATE / len(said)) + 1)[: int(seconds * SAMPLE_RATE)]
    talker.push(said[:SAMPLE_RATE])  # warm
    talker.flush()
    gc.collect()
    gc.freeze()  # as serve does
    first, writer, sent = talker.motion.frame, WRITERS[video](size, size, 85), 0
    delays: list[float] = []
    cpu, began = time.process_time(), time.perf_counter()
    for index, piece in enumerate(said.split(PIECE)):
        due = began + (index + 1) * PIECE / SAMPLE_RATE  # when its last sample has been said
        time.sleep(max(0.0, due - time.perf_counter()))
        frames = talker.push(piece)
        messages = writer.write(frames[:0], talker.motion.sound)
        for at in range(len(frames)):
            messages += writer.write(frames[at : at + 1], talker.motion.sound[:0])
            needed = (len(delays) / FPS) + settings.ahead / 50
            delays.append(time.perf_counter() - began - needed)
        sent += sum(map(len, messages))
    cpu = time.process_time() - cpu
    values = 1000 * np.array(delays)
    late = int((values > 1000 * AIM).sum())
    ahead, together = 1000 * settings.lookahead, settings.together
    print(f"{size}x{size} px, {seconds:g} s, look-ahead {ahead:.0f} ms, {together=}, {video}")
    print(
        f"frames {len(values)}, CPU {1000 * cpu / len(values):.1f} ms a frame, "
        f"{8 * sent / 1e6 / seconds:.2f} Mbit/s"
    )
    print(
        f"delay p50 {np.percentile(values, 50):.0f} ms, p95 {np.percentile(values, 95):.0f} ms, "
        f"largest {values.max():.0f} ms; later than {1000 * AIM:.0f} ms: {late}"
    )
    assert 0 <= talker.motion.frame - first - len(values) < together


def look(audio: Path) -> None:
    """Distance to the offline motion for several look-aheads."""
    model, speech = load_model(), load_speech(audio, duration=8.0)
    style = model.preset("neutral")
    offline = animate(speech, model, style, liveliness=0)
    print(f"rms of the mouth's channels {offline.expression[:, :MOUTH].square().mean().sqrt():.4f}")
    print("| look-ahead, ms | gain | steps | rms difference | correlation of lipAperture |")
    print("| --- | --- | --- | --- | --- |")
    cases = [(a, 1.0, 10) for a in (0.02, 0.08, 0.12, 0.16, 0.2, 0.24, 0.4)]
    for lookahead, gain, steps in [*cases, (0.16, None, 10), (0.4, 1.0, 4), (0.16, None, 4)]:
        settings = StreamSettings(lookahead, steps, liveliness=0, gain=gain)
        stream = MotionStream(model, style, settings)
        found = torch.cat([stream.push(speech.waveform).expression, stream.flush().expression])
        off = (found - offline.expression)[:, :MOUTH].square().mean().sqrt()
        column = offline.motion_space.index["lipAperture"]
        both = torch.stack([found[:, column], offline.expression[:, column]])
        print(
            f"| {1000 * lookahead:.0f} | {gain or 'judged'} | {steps} | {off:.4f} | "
            f"{torch.corrcoef(both)[0, 1]:.3f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--portrait", type=Path)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--lookahead", type=float, default=0.16)
    parser.add_argument("--together", type=int, default=1, help="frames rendered at once")
    parser.add_argument("--video", choices=tuple(WRITERS), default="jpeg", help="what is sent")
    parser.add_argument("--look", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if args.look:
        look(args.audio)
    else:
        settings = StreamSettings(lookahead=args.lookahead, together=args.together)
        live(args.portrait, args.audio, args.size, args.seconds, settings, args.video)


if __name__ == "__main__":
    main()
