"""One run of the whole chain in this process, stage by stage."""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import torch
from torch import Tensor

from ..errors import DreamTalkError
from ..face import analyze_portrait, load_image
from ..model import load_model, speech_features
from ..motion.natural import add_natural_motion
from ..options import checked, default
from ..render.mesh import MeshRenderer
from ..render.video import Sound, write_video
from ..speech.loading import load_speech
from ..speech.speech import Speech

T = TypeVar("T")
_ALONE = 100
"""Frames that the renderer makes by itself, to tell its share from the encoder's."""


@dataclass(frozen=True)
class Case:
    """What is measured.

    Attributes:
        portrait, audio: the inputs.
        duration: s of speech; the recording is repeated if it is shorter.
        size: px of the portrait's longer side; 0 for its own.
        threads: of torch and OpenCV; 0 for what they take by themselves.
        device: to compute on.
    """

    portrait: str
    audio: str
    duration: float = default("bench.duration")
    size: int = 0
    threads: int = 0
    device: str = default("device")

    def __post_init__(self) -> None:
        checked(**{"bench.duration": self.duration}, max_size=self.size)
        if not 0 <= self.threads <= 1024:
            raise DreamTalkError(f"threads can't be {self.threads}: give a number from 0 to 1024")


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
class Result:
    """A case that was measured.

    Attributes:
        case: which.
        timings: in the order of the data's way; together they are the job.
        render: ms a frame of the renderer alone.
        first_frame: s from the beginning of the video stage to the first frame.
        first_encoded: s from a motion and a picture to a finished video of one frame: the portrait,
            the renderer, the frame, the encoder.
        speech: s of speech.
        frames: of the video.
        width, height: px.
        peak_memory: of the process, bytes; 0 where the system does not tell.
        peak_vram: of torch on a CUDA device, bytes.
        threads: of torch.
    """

    case: Case
    timings: tuple[Timing, ...]
    render: float
    first_frame: float
    first_encoded: float
    speech: float
    frames: int
    width: int
    height: int
    peak_memory: int
    peak_vram: int
    threads: int

    @property
    def total(self) -> Timing:
        """The sum of all stages."""
        wall, cpu = (sum(getattr(t, key) for t in self.timings) for key in ("wall", "cpu"))
        return Timing("total", wall, cpu, f"{self.speech:.1f} s of speech")

    @property
    def real_time(self) -> float:
        """Seconds of speech in a second of work."""
        return self.speech / self.total.wall

    @property
    def per_frame(self) -> float:
        """ms of the video stage a frame: rendered and encoded."""
        return 1000 * self.timings[-1].wall / self.frames


def measure(case: Case) -> Result:
    """Run the chain once.

    Raises:
        DreamTalkError: as the stages do.
    """
    if case.threads:
        torch.set_num_threads(case.threads)
        cv2.setNumThreads(case.threads)
    cuda = case.device.startswith("cuda")
    timings: list[Timing] = []

    def timed(stage: str, work: Callable[[], T], note: Callable[[T], str] = lambda _: "") -> T:
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        if cuda:
            torch.cuda.synchronize()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        timings.append(Timing(stage, wall, cpu, note(result)))
        return result

    speech = timed("load speech", lambda: repeated_speech(case.audio, case.duration))
    model = timed("load model", lambda: load_model("starter", case.device))
    features = timed(
        "speech features", lambda: speech_features(speech, model), lambda f: f"{len(f.rows)} rows"
    )
    steps = default("steps")
    motion = timed(
        "denoiser", lambda: model.sample(features, model.preset("neutral"), steps),
        lambda m: f"{steps} DDIM steps, {len(m)} frames",
    )  # fmt: skip
    motion = timed("natural motion", lambda: add_natural_motion(motion, speech))
    picture = scaled_to(load_image(case.portrait), case.size)
    analysed = timed("portrait", lambda: analyze_portrait(picture))
    height, width = analysed.size
    renderer = timed("renderer set-up", lambda: MeshRenderer(analysed, device=case.device))
    one = motion.with_(expression=motion.expression[:1], head=motion.head[:1])
    first = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        write_video(Path(folder) / "v.mp4", renderer.frames(one))
    first = time.perf_counter() - first + sum(t.wall for t in timings[-2:])
    begun: list[float] = []

    def frames() -> Iterator[Tensor]:
        for chunk in renderer.frames(motion):
            if not begun:
                begun.append(time.perf_counter())
            yield chunk

    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        count = timed(
            "video", lambda: write_video(
                Path(folder) / "v.mp4", frames(), sound=Sound(speech.waveform[None])
            ),
            lambda n: f"{n} frames of {width}x{height}, rendered and encoded",
        )  # fmt: skip
    some = motion.with_(expression=motion.expression[:_ALONE], head=motion.head[:_ALONE])
    alone = time.perf_counter()
    for _ in renderer.frames(some):
        pass
    alone = (time.perf_counter() - alone) / len(some)
    vram = torch.cuda.max_memory_allocated() if cuda else 0
    return Result(
        case, tuple(timings), 1000 * alone, begun[0] - start, first, speech.duration, count,
        width, height, peak_memory(), vram, torch.get_num_threads(),
    )  # fmt: skip


def repeated_speech(audio: str, duration: float) -> Speech:
    """So many seconds of a recording, said again and again if it is shorter."""
    speech = load_speech(audio, duration=duration)
    wanted = round(duration * 16_000)
    times = -(-wanted // len(speech.waveform))
    return Speech(speech.waveform.repeat(times)[:wanted])


def scaled_to(picture: Tensor, size: int) -> Tensor:
    """(H, W, 3) with a longer side of so many px."""
    if not size:
        return picture
    factor = size / max(picture.shape[:2])
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(picture.numpy(), None, fx=factor, fy=factor, interpolation=method)
    return torch.from_numpy(scaled).clamp(0, 1)


def peak_memory() -> int:
    """Bytes that the process held at most, 0 where that can't be told."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if platform.system() == "Darwin" else used * 1024
