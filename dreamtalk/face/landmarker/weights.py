"""The three networks with the weights that ship, loaded once for each device."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from safetensors import safe_open

from ...errors import CheckpointError
from .blendshapes import BlendshapeMixer
from .detector import BlazeFace
from .mesh import FaceMesh

ASSET = Path(__file__).resolve().parents[2] / "assets" / "face_landmarker.safetensors"
FORMAT = "dreamtalk-face-landmarker-1"


@dataclass(frozen=True)
class Networks:
    """In evaluation mode, on one device in one precision."""

    detector: BlazeFace
    mesh: FaceMesh
    blendshapes: BlendshapeMixer
    device: torch.device
    dtype: torch.dtype


def load_networks(device: torch.device, dtype: torch.dtype) -> Networks:
    """The networks, shared by all who ask for the same device and precision.

    Raises:
        CheckpointError: if the file that ships with this package is damaged.
    """
    return _load(str(device), dtype)


@cache
def _load(device: str, dtype: torch.dtype) -> Networks:
    with torch.device("meta"):
        nets = {"detector": BlazeFace(), "mesh": FaceMesh(), "blendshapes": BlendshapeMixer()}
    try:
        with safe_open(ASSET, framework="pt") as file:
            found = (file.metadata() or {}).get("format")
            if found != FORMAT:
                raise CheckpointError(f"'{ASSET}' is a file of format '{found}', not '{FORMAT}'")
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise CheckpointError(
            f"the face landmarker's weights '{ASSET}' can't be read ({error}): install again"
        ) from error
    for name, net in nets.items():
        state = {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(name)}
        net.load_state_dict(state, assign=True)
        net.requires_grad_(False).eval().to(device, dtype, memory_format=torch.channels_last)
    return Networks(**nets, device=torch.device(device), dtype=dtype)


