"""Time the published DreamTalk code against this package, on the same weights and inputs.

    python benchmarks/official.py --reference DIR [--weights CHECKPOINTS] [--threads N]

DIR is your own checkout of the published code (github.com/ali-vilab/dreamtalk); nothing of it is
in this repository. Without ``--weights`` (a folder with denoising_network.pth and renderer.pt) both
sides get weights that are made up from the parameters' names, which take the same time.

Both run with as many threads as torch takes by itself on this machine, or with ``--threads``.
Reported are CPU time and wall time, the smallest of the repeats. Other load on the machine makes
threads that wait for each other look worse than they are: let nothing else run.
Modules that the published code imports but that this comparison does not need (yacs, dlib,
torchvision, yaml) are replaced by stand-ins where they are not installed.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


class _Settings(dict):
    """As much of yacs' CfgNode as a settings file needs."""

    __getattr__ = dict.__getitem__
    __setattr__ = dict.__setitem__

    def clone(self) -> _Settings:
        return self

    def defrost(self) -> None:
        pass

    freeze = defrost


def stand_in(name: str, **attributes: Any) -> None:
    """An empty module, if the real one is not installed."""
    try:
        importlib.import_module(name)
    except ImportError:
        module = types.ModuleType(name)
        module.__dict__.update(attributes)
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent in sys.modules:
            setattr(sys.modules[parent], child, module)


def renderer_settings(path: Path) -> dict[str, dict[str, Any]]:
    """The two-level settings file of the renderer, without a YAML library."""
    settings: dict[str, dict[str, Any]] = {}
    section: dict[str, Any] = {}
    for line in path.read_text().splitlines():
        key, _, value = line.strip().partition(":")
        if not key or key.startswith("#"):
            continue
        if not line.startswith(" "):
            section = settings.setdefault(key, {})
        else:
            text = value.strip()
            section[key] = text == "true" if text in ("true", "false") else int(text)
    return settings


def seconds(work: Callable[[], Any]) -> tuple[tuple[float, float], Any]:
    """CPU time and wall time of some work, and its result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return (time.process_time() - cpu, time.perf_counter() - wall), result


def product_rate() -> float:
    """Billion operations a second of one large matrix product on one core."""
    import torch

    x, weight, out = torch.randn(704, 256), torch.randn(256, 1024), torch.empty(704, 1024)

    def products() -> None:
        for _ in range(100):
            torch.mm(x, weight, out=out)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    best = min(seconds(products)[0][0] for _ in range(3))
    torch.set_num_threads(threads)
    return 2e-9 * 704 * 256 * 1024 * 100 / best


def operations(work: Callable[[], Any]) -> float:
    """Billion additions and multiplications in the matrix products and convolutions of it."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    def in_place(_: Any, a: Any, b: Any, **__: Any) -> int:  # torch leaves these out; a, b: shapes
        return 2 * a[0] * a[1] * b[1]

    mapping: dict[Any, Any] = {torch.ops.aten.addmm_: in_place}
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        work()
    return 1e-9 * counter.get_total_flops()


def shares(work: Callable[[], Any]) -> str:
    """Where the time goes."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        work()
    names = {
        "addmm": "matrix products", "mm": "matrix products", "bmm": "small products of attention",
        "native_layer_norm": "layer norms", "softmax": "softmax", "copy": "copies", "add": "sums",
        "scaled_dot_product_flash_attention_for_cpu": "small products of attention",
    }  # fmt: skip
    times: dict[str, float] = {}
    for event in profiler.key_averages():
        op = event.key.removeprefix("aten::").strip("_")
        name = names.get(op, "activations" if op in ("relu", "clamp_min", "mish") else "other")
        times[name] = times.get(name, 0.0) + event.self_cpu_time_total
    total = sum(times.values())
    ordered = sorted(times.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {100 * t / total:.1f} %" for name, t in ordered)


def compare(
    title: str, theirs: Callable[[], Any], ours: Callable[[], Any], repeats: int, per: int = 1
) -> None:
    """Alternate both, print the fastest of each and how far the results are apart."""
    best, rate = [[float("inf")] * 2 for _ in range(2)], 0.0
    results: list[Any] = [None, None]
    for _ in range(repeats):
        for side, work in enumerate((theirs, ours)):
            times, results[side] = seconds(work)
            best[side] = [min(pair) for pair in zip(best[side], times, strict=True)]
            rate = max(rate, product_rate())
    error = (results[0].double() - results[1].double()).abs().max().item()
    print(f"{title}: results differ by at most {error:.1e}")
    for kind, published, own in zip(("CPU", "wall"), *best, strict=True):
        print(
            f"  {kind} time: published {published / per:.2f} s, ours {own / per:.2f} s, "
            f"{published / own:.1f}x"
        )
    print(f"  {rate:.0f} billion operations a second in a large matrix product meanwhile, one core")


def denoiser(args: argparse.Namespace) -> None:
    """DDIM with 10 steps, guidance on with scale 1, windows and style clip included."""
    import numpy as np
    import torch
    from configs.default import get_cfg_defaults  # type: ignore[import-not-found]
    from core.networks.diffusion_net import DiffusionNet  # type: ignore[import-not-found]
    from core.networks.diffusion_util import (  # type: ignore[import-not-found]
        NoisePredictor,
        VarianceSchedule,
    )
    from core.utils import get_wav2vec_audio_window  # type: ignore[import-not-found]

    from dreamtalk.model import DreamTalkModel, load_model
    from dreamtalk.motion.motion import Motion
    from dreamtalk.networks.denoiser import Denoiser
    from dreamtalk.speech.speech import Features
    from tests.parity_weights import DENOISER_PREFIX, fill_module

    config = get_cfg_defaults()
    schedule = VarianceSchedule(num_steps=1000, beta_1=1e-4, beta_T=0.02, mode="linear")
    official = DiffusionNet(config, NoisePredictor(config), schedule).eval()
    if args.weights:
        model = load_model(args.weights / "denoising_network.pth")
    else:
        net = Denoiser()
        fill_module(net, DENOISER_PREFIX)
        model = DreamTalkModel(net)
    weights = dict(model.denoiser.state_dict())
    weights |= {f"var_sched.{k}": v for k, v in model.schedule.state_dict().items()}
    official.load_state_dict(weights)

    draw = np.random.default_rng(0)
    rows = draw.standard_normal((2 * args.frames, 1024)).astype(np.float32)
    clip = 0.2 * torch.from_numpy(draw.standard_normal((100, 64)).astype(np.float32))

    def theirs() -> torch.Tensor:
        torch.manual_seed(0)
        windows = get_wav2vec_audio_window(rows, 0, args.frames, 5)
        padded = torch.cat([clip, torch.zeros(156, 64)])[None]
        with torch.no_grad():
            return official.sample(
                torch.tensor(windows)[None], padded, (torch.arange(256) >= 100)[None], 64,
                use_cf_guidance=True, cfg_scale=1.0, sample_method="ddim", ddim_num_step=10,
            )[0]  # fmt: skip

    def ours() -> torch.Tensor:
        torch.manual_seed(0)
        noise = torch.randn(1, args.frames, 64)[0]
        style = model.encode_style(Motion(clip, torch.zeros(100, 6), space="bfm"))
        features = Features(torch.from_numpy(rows), model.feature_kind)
        return model.sample(features, style, 10, guidance=1.0, noise=noise).expression

    compare(f"denoiser, DDIM 10, {args.frames} frames", theirs, ours, args.repeats)
    if args.budget:
        for name, work in (("published", theirs), ("ours", ours)):
            print(f"{name}: {operations(work):.0f} billion operations; time: {shares(work)}")


def renderer(args: argparse.Namespace) -> None:
    """Frames of one portrait, the published ones in batches of 16, without writing a file."""
    import torch
    from generators.face_model import FaceGenerator as Published  # type: ignore[import-not-found]
    from generators.utils import obtain_seq_index  # type: ignore[import-not-found]

    from dreamtalk.networks.pirenderer import FaceGenerator
    from dreamtalk.render.pirenderer import load_pirenderer
    from dreamtalk.render.pirenderer.coefficients import semantic_windows
    from dreamtalk.render.pirenderer.renderer import render_windows
    from dreamtalk.speed import speed_up
    from tests.parity_weights import fill_module

    if args.weights:
        net = load_pirenderer(args.weights / "renderer.pt")
    else:
        net = FaceGenerator()
        fill_module(net)
    speed_up(net)
    published = Published(**renderer_settings(args.reference / "generators/renderer_conf.yaml"))
    missing, extra = published.eval().load_state_dict(net.state_dict(), strict=False)
    if extra or not all(".conv1." in k or ".norm1." in k for k in missing):
        raise SystemExit(f"the checkout is of another version: {missing} {extra}")

    draw = torch.Generator().manual_seed(0)
    coefficients = 0.2 * torch.randn(args.rendered, 73, generator=draw)
    coefficients[:, 70:] = torch.tensor([0.94, 127.0, 129.0])
    image = torch.rand(1, 3, 256, 256, generator=draw) * 2 - 1

    def theirs() -> torch.Tensor:
        index = [obtain_seq_index(i, args.rendered, 13) for i in range(args.rendered)]
        windows = torch.stack([coefficients[i].T for i in index])
        with torch.no_grad():
            parts = windows.split(16)
            frames = [published(image.expand(len(w), -1, -1, -1), w)["fake_image"] for w in parts]
        return torch.cat(frames)

    def ours() -> torch.Tensor:
        with torch.no_grad():
            source = net.encode_source(image)
            windows = semantic_windows(coefficients)
            return render_windows(net, source, windows)

    title = f"renderer, {args.rendered} frames, per frame"
    compare(title, theirs, ours, args.repeats, args.rendered)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, required=True, help="checkout of the public code")
    parser.add_argument("--weights", type=Path, help="folder with the published checkpoints")
    parser.add_argument("--threads", type=int, help="of torch, for both; torch's own by default")
    parser.add_argument("--frames", type=int, default=250, help="frames for the denoiser")
    parser.add_argument("--rendered", type=int, default=16, help="frames for the renderer")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--budget",
        action="store_true",
        help="of the denoisers: operations, and where time goes",
    )
    parser.add_argument("--only", choices=("denoiser", "renderer"))
    args = parser.parse_args()
    if not (args.reference / "core" / "networks").is_dir():
        parser.error(f"'{args.reference}' is not a checkout of the published code")
    if args.threads:
        os.environ["OMP_NUM_THREADS"] = str(args.threads)

    import torch

    if args.threads:
        torch.set_num_threads(args.threads)
    sys.path.insert(0, str(args.reference))
    stand_in("yacs")
    stand_in("yacs.config", CfgNode=_Settings)
    for name in ("dlib", "torchvision", "torchvision.transforms", "yaml"):
        stand_in(name)
    policy = os.environ.get("OMP_WAIT_POLICY")
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} thread(s)"
        + (f", OMP_WAIT_POLICY={policy}" if policy else "")
    )
    if args.only != "renderer":
        denoiser(args)
    if args.only != "denoiser":
        renderer(args)


if __name__ == "__main__":
    main()
