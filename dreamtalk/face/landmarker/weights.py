"""The three networks with the weights that ship, loaded once for each device."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from ...errors import CheckpointError
from ...files.tensors import read_safetensors
from .blendshapes import BlendshapeMixer
from .cpu import keep_freed_memory, speed_up
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


@cache
def load_networks(device: torch.device, dtype: torch.dtype = torch.float32) -> Networks:
    """The networks, shared by all who ask for the same device and precision.

    In half precision the last layers, which put positions out, and the blendshape network, which is
    tiny, stay in full precision: a landmark at px 200 of 256 in halves is off by 1/16 px.

    Raises:
        CheckpointError: if the file that ships with this package is damaged.
    """
    with torch.device("meta"):
        detector, mesh, blendshapes = BlazeFace(), FaceMesh(), BlendshapeMixer()
    tensors = _read()
    if device.type == "cpu":
        keep_freed_memory()
    for name, net in (("detector", detector), ("mesh", mesh), ("blendshapes", blendshapes)):
        own = {
            key.removeprefix(f"{name}."): t for key, t in tensors.items() if key.startswith(name)
        }
        net.load_state_dict(own, assign=True)
        net.requires_grad_(False).eval().to(device, torch.float32)
    for net in (detector, mesh):
        net.to(dtype)
        for head in net.heads():
            head.float()
        if device.type in ("cpu", "cuda"):
            net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if device.type == "cpu" and dtype == torch.float32:
            speed_up(net)
    return Networks(detector, mesh, blendshapes)


def _read() -> dict[str, Tensor]:
    try:
        metadata, state = read_safetensors(ASSET)
        found = json.loads(metadata.get("about", "{}")).get("format")
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"the weights of the face landmarker '{ASSET}' can't be read ({error}): install this "
            "package again"
        ) from error
    if found != FORMAT:
        raise CheckpointError(f"'{ASSET}' has the format '{found}', not '{FORMAT}'")
    return state
