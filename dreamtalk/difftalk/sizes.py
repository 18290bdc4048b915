"""Sizes of the networks, read from the shapes of their weights."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from .config import FirstStageConfig, UNetConfig


def first_stage_sizes(state: Mapping[str, Tensor]) -> FirstStageConfig | None:
    """The sizes of a VQ autoencoder with these weights; None if it is none."""
    if not {"encoder.conv_in.weight", "quantize.embedding.weight"} <= state.keys():
        return None
    base = len(state["encoder.conv_in.weight"])
    codes, channels = state["quantize.embedding.weight"].shape
    levels = _count(state, "encoder.down.{}.block.0.conv2.weight")
    widths = [len(state[f"encoder.down.{i}.block.0.conv2.weight"]) for i in range(levels)]
    return FirstStageConfig(
        channels=base,
        multipliers=tuple(width // base for width in widths),
        blocks=_count(state, "encoder.down.0.block.{}.conv2.weight"),
        latent_channels=channels,
        codes=codes,
        attention_levels=tuple(
            i for i in range(levels) if f"encoder.down.{i}.attn.0.q.weight" in state
        ),
    )


def unet_sizes(state: Mapping[str, Tensor]) -> UNetConfig | None:
    """The sizes of a UNet with these weights, its heads of the published width; None if it is
    none."""
    if not {"time_embed.0.weight", "input_blocks.0.0.weight"} <= state.keys():
        return None
    base = state["time_embed.0.weight"].shape[1]
    multipliers, attention, blocks = [], [], 0
    for index in range(1, _count(state, "input_blocks.{}.0.", start=1)):
        block = f"input_blocks.{index}"
        convolution = state.get(f"{block}.0.out_layers.3.weight")
        if convolution is None:  # one that halves: the next is a level of its own
            blocks = 0
            continue
        if blocks == 0:
            multipliers.append(len(convolution) // base)
            if f"{block}.1.norm.weight" in state:
                attention.append(len(multipliers) - 1)
        blocks += 1
    return UNetConfig(base, tuple(multipliers), blocks, tuple(attention))


def _count(state: Mapping[str, Tensor], key: str, start: int = 0) -> int:
    """The first number for which no key starts so."""
    while any(name.startswith(key.format(start)) for name in state):
        start += 1
    return start
