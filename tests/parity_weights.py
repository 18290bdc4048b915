"""Weights that are a function of their names, so that no official file is needed.

The reference numbers under ``data/parity`` were made with the public research code and weights
filled by this rule.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

DATA = Path(__file__).parent / "data" / "parity"
DENOISER_PREFIX = "diff_net."


def fill(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The parameter called ``name`` (its full key in the official file)."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    values = np.random.Generator(np.random.PCG64(seed)).standard_normal(shape).astype(np.float32)
    fan_in = int(np.prod(shape[1:]))
    if name.endswith("bias"):
        return np.float32(0.1) * values
    if fan_in == 1:
        return np.float32(1) + np.float32(0.1) * values
    return values * np.float32(1 / np.sqrt(fan_in))


def fill_module(module: nn.Module, prefix: str = "") -> dict[str, Tensor]:
    """Fill every parameter by its name; returns the whole state dict with prefixed keys."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(torch.from_numpy(fill(prefix + name, tuple(parameter.shape))))
    module.eval()
    return {prefix + name: value for name, value in module.state_dict().items()}


def numbers(name: str) -> dict[str, Tensor]:
    """The reference arrays of one file."""
    with np.load(DATA / f"{name}.npz") as data:
        return {key: torch.from_numpy(data[key]) for key in data.files}


def manifest(name: str) -> Mapping[str, list[int]]:
    """Key -> shape of an official state dict."""
    return json.loads((DATA / f"{name}_keys.json").read_text())


def checks(name: str) -> Mapping[str, dict]:
    """First three values, last value and sum of some of the generated tensors."""
    return json.loads((DATA / f"{name}_checks.json").read_text())


def write_official_files(folder: Path) -> None:
    """Made-up weights in the published containers, under the published names."""
    from dreamtalk.diffusion.schedule import VarianceSchedule
    from dreamtalk.networks.denoiser import Denoiser

    state = fill_module(Denoiser(), DENOISER_PREFIX)
    tables = VarianceSchedule().state_dict()
    state |= {f"{DENOISER_PREFIX}var_sched.{k}": v for k, v in tables.items()}
    torch.save({"model_state_dict": state}, folder / "denoising_network.pth")
    weights = {k: torch.from_numpy(fill(k, tuple(v))) for k, v in manifest("pirenderer").items()}
    raw = {f"module.{k}": v for k, v in weights.items()}
    content = {"net_G_ema": weights, "net_G": raw, "current_epoch": 1, "current_iteration": 1}
    torch.save(content, folder / "renderer.pt")


if __name__ == "__main__":
    import sys

    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    write_official_files(target)
