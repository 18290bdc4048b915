"""The averaged copy of the UNet's weights that official checkpoints carry.

Training kept an exponential moving average of the weights under ``model_ema.``, where a weight's
name is its key after ``model.`` without the dots. Sampling uses the averaged weights.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

_TRAINED = "model."
_AVERAGED = "model_ema."
_DECAY = 0.9999


def averaged_name(key: str) -> str:
    """The key of a weight's average: ``model.a.b.weight`` -> ``model_ema.abweight``."""
    return _AVERAGED + key.removeprefix(_TRAINED).replace(".", "")


def use_averaged(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with averages in place of the weights they belong to, and without ``model_ema``.

    Weights without an average stay.
    """
    return {
        key: state.get(averaged_name(key), value) if key.startswith(_TRAINED) else value
        for key, value in state.items()
        if not key.startswith(_AVERAGED)
    }


def with_averages(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with the UNet's weights as their own averages, as official files have them."""
    whole: dict[str, Tensor] = {}
    trained = {k: v for k, v in state.items() if k.startswith(_TRAINED)}
    for key, value in state.items():
        whole[key] = value
        if key in trained and key == next(reversed(trained)):
            whole[_AVERAGED + "decay"] = torch.tensor(_DECAY)
            whole[_AVERAGED + "num_updates"] = torch.tensor(0, dtype=torch.int32)
            whole |= {averaged_name(k): v for k, v in trained.items()}
    return whole
