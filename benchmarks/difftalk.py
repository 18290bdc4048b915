"""Time DiffTalk's UNet against the published arithmetic, layer by layer, and count steps.

    python benchmarks/difftalk.py [--weights CHECKPOINT] [--threads N] [--only pass|frame|steps]

The published code needs an environment of 2021, so its arithmetic is written out here once more in
the plainest way: a function that walks the weights by their official names, with torch's own
convolutions, attention as two products with a softmax between them, and cross-attention over its
one token as if there were many. Both sides get the same weights (made up where no checkpoint is
given, which takes the same time) and the same inputs, in one run.

Reported are CPU time and wall time, the smallest of the repeats. Let nothing else run.

``steps`` measures the samplers alone, on a denoise function that is exact: that of a mixture of
Gaussians around the latents of photographed faces. It says how far each sampler stays from the
published 200 steps when the network is perfect; how a trained network looks at few steps it can't
say.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dreamtalk.difftalk import DiffTalk, DiffTalkConfig, load_difftalk
from dreamtalk.difftalk.paint import SAMPLERS
from dreamtalk.difftalk.sampling import PredictNoise, sample_ddim
from dreamtalk.difftalk.schedule import Schedule

SPACINGS = (("official", Schedule.times), ("even", Schedule.even_times))
"""Where the steps lie; ``even`` is in the logarithm of signal to noise."""


class Published:
    """The UNet's arithmetic as it was published, on a state dict with the official names."""

    def __init__(
        self, state: Mapping[str, Tensor], channels: int = 256, head_dim: int = 32
    ) -> None:
        self.state, self.channels, self.head_dim = state, channels, head_dim

    def __call__(self, x: Tensor, t: Tensor, context: Tensor) -> Tensor:
        """Noisy latent with its conditions (B, 9, H, W), times (B,), tokens (B, n, 128)."""
        half = self.channels // 2
        rate = torch.exp(-math.log(10000) * torch.arange(half) / half)
        angle = t.float()[:, None] * rate[None]
        time = torch.cat([angle.cos(), angle.sin()], dim=-1)
        time = self.linear("time_embed.2", F.silu(self.linear("time_embed.0", time)))
        kept = []
        for index in range(self.count("input_blocks")):
            x = self.stage(f"input_blocks.{index}", x, time, context)
            kept.append(x)
        x = self.stage("middle_block", x, time, context)
        for index in range(self.count("output_blocks")):
            joined = torch.cat([x, kept.pop()], dim=1)
            x = self.stage(f"output_blocks.{index}", joined, time, context)
        return self.conv("out.2", F.silu(self.norm("out.0", x)))

    def stage(self, name: str, x: Tensor, time: Tensor, context: Tensor) -> Tensor:
        for index in range(self.count(name)):
            layer = f"{name}.{index}"
            if f"{layer}.in_layers.0.weight" in self.state:
                x = self.res_block(layer, x, time)
            elif f"{layer}.proj_in.weight" in self.state:
                x = self.transformer(layer, x, context)
            elif f"{layer}.op.weight" in self.state:
                x = self.conv(f"{layer}.op", x, stride=2)
            elif f"{layer}.conv.weight" in self.state:
                x = self.conv(f"{layer}.conv", F.interpolate(x, scale_factor=2, mode="nearest"))
            else:
                x = self.conv(layer, x)
        return x

    def res_block(self, name: str, x: Tensor, time: Tensor) -> Tensor:
        h = self.conv(f"{name}.in_layers.2", F.silu(self.norm(f"{name}.in_layers.0", x)))
        h = h + self.linear(f"{name}.emb_layers.1", F.silu(time))[..., None, None]
        h = self.conv(f"{name}.out_layers.3", F.silu(self.norm(f"{name}.out_layers.0", h)))
        if f"{name}.skip_connection.weight" in self.state:
            x = self.conv(f"{name}.skip_connection", x)
        return x + h

    def transformer(self, name: str, x: Tensor, context: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        y = self.conv(f"{name}.proj_in", self.norm(f"{name}.norm", x, 1e-6))
        y = y.flatten(2).transpose(1, 2).contiguous()
        block = f"{name}.transformer_blocks.0"
        normed = self.layer_norm(f"{block}.norm1", y)
        y = self.attention(f"{block}.attn1", normed, normed) + y
        y = self.attention(f"{block}.attn2", self.layer_norm(f"{block}.norm2", y), context) + y
        wide = self.linear(f"{block}.ff.net.0.proj", self.layer_norm(f"{block}.norm3", y))
        value, gate = wide.chunk(2, dim=-1)
        y = self.linear(f"{block}.ff.net.2", value * F.gelu(gate)) + y
        y = y.transpose(1, 2).reshape(batch, channels, height, width).contiguous()
        return self.conv(f"{name}.proj_out", y) + x

    def attention(self, name: str, x: Tensor, context: Tensor) -> Tensor:
        heads = x.shape[-1] // self.head_dim

        def split(y: Tensor) -> Tensor:
            y = y.view(*y.shape[:2], heads, self.head_dim).transpose(1, 2)
            return y.reshape(-1, *y.shape[2:])

        q = split(self.linear(f"{name}.to_q", x))
        k = split(self.linear(f"{name}.to_k", context))
        v = split(self.linear(f"{name}.to_v", context))
        scores = torch.einsum("bid,bjd->bij", q, k) * self.head_dim**-0.5
        mixed = torch.einsum("bij,bjd->bid", scores.softmax(-1), v)
        mixed = mixed.view(len(x), heads, -1, self.head_dim).transpose(1, 2)
        return self.linear(f"{name}.to_out.0", mixed.reshape(x.shape))

    def conv(self, name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight = self.state[f"{name}.weight"]
        return F.conv2d(x, weight, self.state[f"{name}.bias"], stride, weight.shape[-1] // 2)

    def linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.state[f"{name}.weight"], self.state.get(f"{name}.bias"))

    def norm(self, name: str, x: Tensor, eps: float = 1e-5) -> Tensor:
        return F.group_norm(x, 32, self.state[f"{name}.weight"], self.state[f"{name}.bias"], eps)

    def layer_norm(self, name: str, x: Tensor) -> Tensor:
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return F.layer_norm(x, weight.shape, weight, bias)

    def count(self, name: str) -> int:
        start = len(name) + 1
        found = {k[start:].split(".")[0] for k in self.state if k.startswith(name + ".")}
        return len(found)


def seconds(work: Callable[[], Tensor], repeats: int) -> tuple[float, float, Tensor]:
    """CPU and wall time, the smallest of the repeats, and the result."""
    cpu, wall = math.inf, math.inf
    for _ in range(repeats):
        begun = time.process_time(), time.perf_counter()
        result = work()
        cpu = min(cpu, time.process_time() - begun[0])
        wall = min(wall, time.perf_counter() - begun[1])
    return cpu, wall, result


def draw_weights(module: nn.Module, seed: int) -> None:
    """Set weights that keep the size of what passes through; biases are 0, gains 1."""
    draw = torch.Generator().manual_seed(seed)
    for name, weight in module.named_parameters():
        if weight.ndim > 1:
            weight.data.normal_(0, weight[0].numel() ** -0.5, generator=draw)
        else:
            weight.data.fill_(0.0 if name.endswith("bias") else 1.0)


def made_up(config: DiffTalkConfig | None = None) -> DiffTalk:
    """A model with drawn weights."""
    with torch.device("meta"):
        model = DiffTalk(config)
    model = model.to_empty(device="cpu").eval()
    draw_weights(model, 0)
    return model


def compare_pass(model: DiffTalk, repeats: int) -> None:
    """One pass of the UNet: published arithmetic, ours."""
    published = Published(model.unet.state_dict())
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(1, 9, 64, 64, generator=draw)
    t, context = torch.tensor([501]), torch.randn(1, 128, generator=draw)
    added = model.unet.encode_context(context)
    ways: dict[str, Callable[[], Tensor]] = {
        "published": lambda: published(x, t, context[:, None]),
        "ours": lambda: model.unet.predict(x, t, added),
    }
    for way in ways.values():
        way()  # the first pass prepares kernels
    cpu = dict.fromkeys(ways, math.inf)
    wall, results = dict(cpu), {}
    for _ in range(repeats):  # in turns, so that a slow spell of the machine meets both
        for name, way in ways.items():
            spent, passed, results[name] = seconds(way, 1)
            cpu[name], wall[name] = min(cpu[name], spent), min(wall[name], passed)
    for name in ways:
        print(f"UNet pass, {name}: {cpu[name]:.2f} s CPU, {wall[name]:.2f} s wall")
    ratios = [side["published"] / side["ours"] for side in (cpu, wall)]
    difference = (results["ours"] - results["published"]).abs().max()
    spread = results["published"].std()
    print(
        f"  {ratios[0]:.2f}x CPU, {ratios[1]:.2f}x wall; differ by {difference:.1e} at most, ",
        end="",
    )
    print(f"of values that spread by {spread:.2f}")


def time_frame(model: DiffTalk, repeats: int) -> None:
    """The other parts of a frame, and what that makes of a frame."""
    draw = torch.Generator().manual_seed(2)
    image = torch.rand(1, 3, 256, 256, generator=draw) * 2 - 1
    latent = torch.randn(1, 3, 64, 64, generator=draw)
    for name, work in (
        ("encoding a picture", lambda: model.encode(image)),
        ("decoding a latent", lambda: model.decode(latent)),
    ):
        work()
        cpu, wall, _ = seconds(work, repeats)
        print(f"{name}: {cpu:.2f} s CPU, {wall:.2f} s wall")


def exact_denoiser(points: Tensor, width: float, schedule: Schedule) -> PredictNoise:
    """The noise as it is expected where data are Gaussians of this width around the points."""
    bars = schedule.alphas_cumprod.double()

    def predict(x: Tensor, t: Tensor) -> Tensor:
        bar = bars[t][:, None]
        flat = x.double().flatten(1)
        spread = bar * width**2 + 1 - bar
        distance = (flat[:, None] - bar.sqrt()[:, None] * points).square().sum(-1)
        share = (-distance / (2 * spread)).softmax(-1)
        centre = share @ points
        clean = centre + width**2 * bar.sqrt() / spread * (flat - bar.sqrt() * centre)
        return ((flat - bar.sqrt() * clean) / (1 - bar).sqrt()).view_as(x).to(x)

    return predict


def face_latents(count: int = 64) -> Tensor:
    """(count, 16 * 16 * 16) latents of grey faces: blocks of 4x4 px as channels, spread 1."""
    from skimage import data

    faces = torch.from_numpy(data.lfw_subset()[:count]).float()  # (count, 25, 25)
    faces = F.interpolate(faces[:, None], (64, 64), mode="bicubic")
    latents = F.pixel_unshuffle(faces, 4).double().flatten(1)
    return (latents - latents.mean()) / latents.std()


def compare_steps() -> None:
    """Samplers at few steps against the published 200."""
    schedule = Schedule.of()
    points = face_latents()
    predict = exact_denoiser(points, 0.1, schedule)
    draw = torch.Generator().manual_seed(3)
    start = torch.randn(48, 16, 16, 16, generator=draw)
    full = sample_ddim(predict, start, schedule, schedule.times(200))
    print("difference to DDIM 200 of latents that spread by 1: median of the root mean square,")
    print("and share of the starts that end at another face")
    ways = [(name, SAMPLERS[name][0], *spacing) for name in SAMPLERS for spacing in SPACINGS]
    for name, sampler, spacing, choose in ways:
        for steps in (50, 20, 15, 10, 6):
            times = choose(schedule, steps)
            error = (sampler(predict, start, schedule, times) - full).square()
            error = error.flatten(1).mean(-1).sqrt()
            other = (error > 0.4).float().mean()
            print(
                f"  {name:4} {spacing:8} {len(times):2d} calls ({200 / len(times):4.1f}x fewer): ",
                end="",
            )
            print(f"{error.median():.3f}, {other:.0%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, help="a DiffTalk checkpoint")
    parser.add_argument("--threads", type=int, help="of torch; torch's own by default")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=("pass", "frame", "steps"))
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread(s)")
    with torch.no_grad():
        if args.only != "steps":
            model = load_difftalk(args.weights) if args.weights else made_up()
            if args.only != "frame":
                compare_pass(model, args.repeats)
            if args.only != "pass":
                time_frame(model, args.repeats)
        if args.only in (None, "steps"):
            compare_steps()


if __name__ == "__main__":
    main()
