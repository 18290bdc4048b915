"""Whether a GPU computes what a CPU computes, and how fast: the first thing to run on a new card.

    python scripts/gpu_check.py                 # one CUDA card, no internet, under four minutes
    python scripts/gpu_check.py --device cpu    # the same checks, small, on any machine
    python scripts/gpu_check.py --wheels        # what to carry to a machine without internet

Every network runs in float32 (without TF32, then with), bfloat16 and float16 and is compared with
float32 on the CPU; so are landmarks, and the mesh renderer's torch backend with OpenCV's. Nothing
is read but the checkout: weights that can't be shipped are made up, which takes the same time. The
exit status is 1 if anything differs by more than it may.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.difftalk import draw_weights, made_up
from benchmarks.renderer import talking
from dreamtalk.difftalk import DiffTalkConfig
from dreamtalk.difftalk.config import FirstStageConfig, UNetConfig
from dreamtalk.face import analyze_portrait, load_image
from dreamtalk.face.landmarker import FaceLandmarker
from dreamtalk.model import load_model, speech_features
from dreamtalk.networks.pirenderer import FaceGenerator
from dreamtalk.render.mesh import MeshRenderer
from dreamtalk.speech.loading import load_speech

ROOT = Path(__file__).resolve().parent.parent

WHEELS = """On a machine with internet and the same Python and system:

    pip download --only-binary :all: -d wheels torch -r requirements.txt

torch must be the build for CUDA (Linux: the usual one; it brings the nvidia-* wheels and triton,
which torch.compile needs together with a C compiler). Carry the folder and this checkout over:

    pip install --no-index --find-links wheels torch -r requirements.txt
    python scripts/gpu_check.py --out gpu.md --json gpu.json
"""
BUDGET = 240.0
"""Seconds after which no further check begins."""
FP32, TF32, BF16, FP16 = "fp32", "tf32", "bf16", "fp16"
DTYPES = {FP32: torch.float32, TF32: torch.float32, BF16: torch.bfloat16, FP16: torch.float16}
ALLOWED: dict[str, dict[str, float]] = {
    "denoiser": {FP32: 1e-3, TF32: 2e-2, BF16: 0.15, FP16: 2e-2},
    "pirenderer": {FP32: 1e-3, TF32: 2e-2, BF16: 0.1, FP16: 2e-2},
    "difftalk unet": {FP32: 1e-3, TF32: 2e-2, BF16: 0.1, FP16: 2e-2},
    "difftalk decoder": {FP32: 1e-3, TF32: 2e-2, BF16: 0.1, FP16: 2e-2},
    "landmarker": {FP32: 1e-3, TF32: 1e-2, BF16: 0.05, FP16: 1e-2},
    "mesh renderer": {FP32: 1.0},
}
"""Root mean square of the difference over that of the values' spread; landmarks: over the width of
the face; the renderer: levels of 255 on average over what moves."""


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        check, dtype: what was computed, and in which numbers.
        error, allowed: how far it is from the CPU's float32, and may be.
        ms: a frame, the median of several runs.
        mib: of the device's memory at most.
        note: what went wrong, or what was computed.
    """

    check: str
    dtype: str
    error: float
    allowed: float
    ms: float
    mib: float
    note: str = ""

    @property
    def passed(self) -> bool:
        """Also false for NaN."""
        return self.error <= self.allowed


@dataclass(frozen=True)
class Place:
    """Where it is checked.

    Attributes:
        device: the device.
        small: sizes for a test on a CPU.
    """

    device: torch.device
    small: bool

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Half precision is for GPUs; TF32 is NVIDIA's."""
        if self.device.type == "cuda":
            return FP32, TF32, BF16, FP16
        return (FP32, BF16) if self.device.type == "cpu" else (FP32, FP16)

    def wait(self) -> None:
        """Until all is computed."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Whether float32 may be rounded to TF32 within products."""
    backends = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [backend.allow_tf32 for backend in backends]
    for backend in backends:
        backend.allow_tf32 = allowed
    try:
        yield
    finally:
        for backend, value in zip(backends, before, strict=True):
            backend.allow_tf32 = value


def compare(
    place: Place, check: str, frames: int, reference: Tensor, make: Callable[[str], Callable],
    distance: Callable[[Tensor, Tensor], float], note: str = "", repeats: int = 5,
) -> Iterator[Row]:  # fmt: skip
    """Run a check in every kind of numbers.

    Args:
        frames: that a run makes.
        make: ``make(dtype)`` prepares a run: a function that gives what is compared.
    """
    for dtype in (d for d in place.dtypes if d in ALLOWED[check]):
        allowed = ALLOWED[check][dtype]
        if place.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        try:
            with tf32(dtype == TF32), torch.no_grad():
                run = make(dtype)
                result = run()
                times = []
                for _ in range(1 if place.small else repeats):
                    place.wait()
                    start = time.perf_counter()
                    run()
                    place.wait()
                    times.append(time.perf_counter() - start)
            error = distance(result.float().cpu(), reference)
        except (RuntimeError, TypeError, ValueError) as fault:  # a kernel that is missing
            said = f"{type(fault).__name__}: {str(fault).splitlines()[0][:120]}"
            yield Row(check, dtype, float("nan"), allowed, 0.0, 0.0, said)
            continue
        mib = torch.cuda.max_memory_allocated() / 2**20 if place.device.type == "cuda" else 0.0
        yield Row(check, dtype, error, allowed, 1000 * median(times) / frames, mib, note)


def relative(result: Tensor, reference: Tensor) -> float:
    """Root mean square of the difference, over the spread of the values."""
    return float((result - reference).square().mean().sqrt() / reference.std())


def check_denoiser(place: Place, compiled: bool = False) -> Iterator[Row]:
    """The starter's motion of the example's speech, from the same noise."""
    plain = load_model()
    seconds = 1.0 if place.small else 20.0
    features = speech_features(load_speech(ROOT / "samples/speech.wav", duration=seconds), plain)
    style = plain.preset("happy", 1.5)  # guidance doubles the passes
    reference = plain.sample(features, style).expression / plain.motion_std

    def make(dtype: str) -> Callable[[], Tensor]:
        model = load_model(device=place.device, dtype=DTYPES[dtype], compile=compiled)
        return lambda: model.sample(features, style).expression / plain.motion_std

    note = "compiled" if compiled else "10 DDIM steps with guidance"
    yield from compare(place, "denoiser", len(reference), reference, make, relative, note)


def check_pirenderer(place: Place) -> Iterator[Row]:
    """The generator with made-up weights: from windows of coefficients to pictures."""
    draw = torch.Generator().manual_seed(0)
    count = 1 if place.small else 8
    picture = torch.rand(1, 3, 256, 256, generator=draw) * 2 - 1
    windows = torch.randn(count, 73, 27, generator=draw) * 0.3

    def network() -> nn.Module:
        made = FaceGenerator()
        draw_weights(made, 1)
        return made.eval()

    def run(device: torch.device, dtype: torch.dtype) -> Callable[[], Tensor]:
        made = network().to(device, dtype)
        source = made.encode_source(picture.to(device, dtype))  # type: ignore[operator]
        given = windows.to(device, dtype)
        return lambda: made(source, given)

    with torch.no_grad():
        reference = run(torch.device("cpu"), torch.float32)()
    yield from compare(
        place, "pirenderer", count, reference, lambda d: run(place.device, DTYPES[d]), relative,
        f"256 px, {count} at a time",
    )  # fmt: skip


def check_difftalk(place: Place) -> Iterator[Row]:
    """The UNet's pass and the decoder, with made-up weights."""
    config = _small_difftalk() if place.small else DiffTalkConfig()
    plain = made_up(config)
    draw = torch.Generator().manual_seed(2)
    latent = torch.randn(1, *plain.latent_shape, generator=draw)
    noisy = torch.cat([latent, *torch.randn(2, 1, *plain.latent_shape, generator=draw)], 1)
    t, context = torch.tensor([501]), torch.randn(1, config.context_dim, generator=draw)

    # entries of the codebook, so that rounding does not choose others
    book = plain.first_stage_model.quantize.embedding.weight.detach()
    places = torch.randint(len(book), plain.latent_shape[1:], generator=draw)
    coded = book[places].permute(2, 0, 1)[None]

    def unet(device: torch.device, dtype: torch.dtype) -> Callable[[], Tensor]:
        model = made_up(config).to(device, dtype)
        added = model.unet.encode_context(context.to(device, dtype))
        x, time = noisy.to(device, dtype), t.to(device)
        return lambda: model.unet.predict(x, time, added)

    def decoder(device: torch.device, dtype: torch.dtype) -> Callable[[], Tensor]:
        model, x = made_up(config).to(device, dtype), coded.to(device, dtype)
        return lambda: model.decode(x)

    for name, way in (("difftalk unet", unet), ("difftalk decoder", decoder)):
        with torch.no_grad():
            reference = way(torch.device("cpu"), torch.float32)()
        yield from compare(
            place, name, 1, reference, lambda d, w=way: w(place.device, DTYPES[d]), relative,
            "one pass",
        )  # fmt: skip


def _small_difftalk() -> DiffTalkConfig:
    return DiffTalkConfig(
        FirstStageConfig(32, (1, 1, 2), 1, codes=64), UNetConfig(32, (1, 2), 1, (1,)), image_size=32
    )


def check_landmarker(place: Place) -> Iterator[Row]:
    """Landmarks of the example portrait."""
    picture = load_image(ROOT / "samples/portrait.png")
    pixels = (picture * 255).round().to(torch.uint8).numpy()
    reference = torch.from_numpy(FaceLandmarker().detect(pixels)[0])
    width = float((reference[454] - reference[234]).norm())

    def make(dtype: str) -> Callable[[], Tensor]:
        finder = FaceLandmarker(device=place.device, dtype=DTYPES[dtype])
        return lambda: torch.from_numpy(finder.detect(pixels)[0])

    def distance(result: Tensor, reference: Tensor) -> float:
        return float((result - reference)[:, :2].norm(dim=-1).mean()) / width

    yield from compare(place, "landmarker", 1, reference, make, distance, "one picture of 512 px")


def check_mesh(place: Place) -> Iterator[Row]:
    """The mesh renderer's torch backend against OpenCV's, over what moves."""
    count = 2 if place.small else 25
    picture = load_image(ROOT / "samples/portrait.png")
    if place.small:
        picture = picture[::2, ::2].contiguous()
    portrait = analyze_portrait(picture)
    motion = talking(count)

    def frames(renderer: MeshRenderer) -> Tensor:
        return torch.cat(list(renderer.frames(motion))).float()

    plain = MeshRenderer(portrait, "cpu", "opencv")
    moves = plain.mask() > 0
    reference = frames(plain)

    def make(dtype: str) -> Callable[[], Tensor]:
        renderer = MeshRenderer(portrait, place.device, "torch")
        return lambda: frames(renderer)

    def distance(result: Tensor, reference: Tensor) -> float:
        return float((result - reference).abs()[:, moves].mean())

    height, width = portrait.size
    yield from compare(
        place, "mesh renderer", count, reference, make, distance, f"{width}x{height}"
    )


CHECKS: dict[str, Callable[[Place], Iterator[Row]]] = {
    "mesh": check_mesh,
    "landmarker": check_landmarker,
    "denoiser": check_denoiser,
    "pirenderer": check_pirenderer,
    "difftalk": check_difftalk,
    "compile": lambda place: check_denoiser(place, compiled=True),
}
"""In the order of what is needed first, since time may run out."""


def report(rows: list[Row], device: torch.device, took: float, left_out: list[str]) -> str:
    """The table as Markdown."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    lines = [
        f"`python scripts/gpu_check.py --device {device}`: {name}, torch {torch.__version__}, "
        f"CUDA {torch.version.cuda}, {took:.0f} s.", "",
        "| check | numbers | error | allowed | | ms a frame | MiB | |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for r in rows:
        verdict = "ok" if r.passed else "**differs**"
        lines.append(f"| {r.check} | {r.dtype} | {r.error:.2g} | {r.allowed:g} | {verdict} "
                     f"| {r.ms:.2f} | {r.mib:.0f} | {r.note} |")  # fmt: skip
    if left_out:
        lines += ["", f"Left out, for time was over: {', '.join(left_out)}."]
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", help=f"of {', '.join(CHECKS)}, with commas")
    parser.add_argument("--budget", type=float, default=BUDGET, help="s; no check begins later")
    parser.add_argument("--out", type=Path, help="also write the table there")
    parser.add_argument("--json", type=Path, help="and the figures")
    parser.add_argument("--wheels", action="store_true", help="say what to carry, and no more")
    args = parser.parse_args(argv)
    if args.wheels:
        print(WHEELS)
        return 0
    device = torch.device(args.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("torch sees no CUDA card here; --wheels says what to install", file=sys.stderr)
        return 1
    place = Place(device, small=device.type == "cpu")
    names = args.only.split(",") if args.only else list(CHECKS)
    if place.small and not args.only:
        names.remove("compile")  # takes a minute on a CPU, and needs a compiler
    start, rows = time.perf_counter(), []
    left_out = []
    for name in names:
        if time.perf_counter() - start > args.budget:
            left_out.append(name)
            continue
        rows += CHECKS[name](place)
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    table = report(rows, device, time.perf_counter() - start, left_out)
    print(table)
    if args.out:
        args.out.write_text(table, encoding="utf-8")
    if args.json:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")
    return 0 if rows and all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
