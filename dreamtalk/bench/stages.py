"""How long each stage takes for a portrait and a recording, against the length of the speech."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from ..face import analyze_portrait, load_image
from ..model import load_model, speech_features
from ..motion.natural import add_natural_motion
from ..options import checked, default
from ..render.mesh import MeshRenderer
from ..render.video import Sound, write_video
from ..speech.loading import load_speech

T = TypeVar("T")


@dataclass(frozen=True)
class Timing:
    """One stage.

    Attributes:
        stage: its name.
        wall, cpu: seconds; cpu adds up over threads.
        note: what was made.
    """

    stage: str
    wall: float
    cpu: float
    note: str = ""


@dataclass(frozen=True)
class Report:
    """All stages.

    Attributes:
        timings: in the order of the data's way.
        speech: seconds of speech.
        peak_memory: of the process, bytes; 0 where the system does not tell.
    """

    timings: tuple[Timing, ...]
    speech: float
    peak_memory: int

    def __str__(self) -> str:
        lines = [
            f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
            f"torch {torch.__version__} with {torch.get_num_threads()} threads",
            f"{'stage':<18}{'wall s':>9}{'CPU s':>9}{'x real time':>13}  ",
        ]
        for t in (*self.timings, self.total):
            speed = self.speech / t.wall if t.wall else float("inf")
            lines.append(f"{t.stage:<18}{t.wall:>9.2f}{t.cpu:>9.2f}{speed:>13.1f}  {t.note}")
        if self.peak_memory:
            lines.append(f"peak memory {self.peak_memory / 2**20:.0f} MiB")
        return "\n".join(line.rstrip() for line in lines)

    @property
    def total(self) -> Timing:
        """The sum of all stages."""
        wall, cpu = (sum(getattr(t, key) for t in self.timings) for key in ("wall", "cpu"))
        return Timing("total", wall, cpu, f"{self.speech:.1f} s of speech")


def bench(
    portrait: str | Path,
    audio: str | Path,
    duration: float = default("bench.duration"),
    device: str = "cpu",
) -> Report:
    """Run the whole chain once and time its stages.

    Args:
        portrait: a picture.
        audio: a recording.
        duration: seconds of it to use at most.
        device: to compute on.

    Raises:
        DreamTalkError: as the stages do.
    """
    checked(**{"bench.duration": duration})
    timings: list[Timing] = []

    def timed(stage: str, work: Callable[[], T], note: Callable[[T], str] = lambda _: "") -> T:
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        timings.append(Timing(stage, wall, cpu, note(result)))
        return result

    model = timed("load model", lambda: load_model("starter", device))
    speech = timed("load speech", lambda: load_speech(audio, duration=duration))
    features = timed(
        "speech features", lambda: speech_features(speech, model), lambda f: f"{len(f.rows)} rows"
    )
    motion = timed(
        "denoiser", lambda: model.sample(features, model.preset("neutral")),
        lambda m: f"10 DDIM steps, {len(m)} frames",
    )  # fmt: skip
    motion = timed("natural motion", lambda: add_natural_motion(motion, speech))
    analysed = timed("portrait", lambda: analyze_portrait(load_image(portrait)))
    height, width = analysed.size
    renderer = timed("renderer set-up", lambda: MeshRenderer(analysed, device=device))
    frames = timed(
        "mesh renderer", lambda: sum(len(chunk) for chunk in renderer.frames(motion)),
        lambda n: f"{n} frames of {width}x{height}",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        still = torch.from_numpy((analysed.image.numpy() * 255).astype("uint8"))
        timed(
            "mp4 encoder",
            lambda: write_video(
                Path(folder) / "v.mp4", (still[None] for _ in range(frames)), sound=Sound(audio)
            ),
            lambda n: f"{n} frames, standing still",
        )
    return Report(tuple(timings), speech.duration, _peak_memory())


def _peak_memory() -> int:
    """Bytes that the process held at most, 0 where that can't be told."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if platform.system() == "Darwin" else used * 1024
