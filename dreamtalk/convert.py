"""``convert``: official weights files into ours."""

from __future__ import annotations

from pathlib import Path

import torch

from .checkpoints import DENOISER, PIRENDERER, read_checkpoint, save_checkpoint
from .errors import CheckpointError
from .model import load_model

DTYPES: dict[str, torch.dtype] = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}


def convert(src: str | Path, dst: str | Path, dtype: str = "fp32") -> str:
    """Write a weights file as safetensors with a config, which loads faster and can't carry code.

    Styles made with the original fit the converted file. Weights that never reach the output (in
    PIRenderer's residual blocks) are left out.

    Args:
        src: an official file, or one of ours.
        dst: ends in ``.safetensors``.
        dtype: of the weights in the file: ``"fp32"``, ``"fp16"`` or ``"bf16"``.

    Returns:
        What the file is, for people.

    Raises:
        CheckpointError: if ``src`` is unusable, ``dst`` has another suffix, or there is no such
            dtype.
        ModelNotFoundError: if there is no ``src``.
        OutputError: if ``dst`` can't be written.
    """
    if dtype not in DTYPES:
        raise CheckpointError(f"no dtype '{dtype}': there are {', '.join(DTYPES)}")
    if Path(dst).suffix != ".safetensors":
        raise CheckpointError(f"'{dst}' should end in .safetensors")
    checkpoint = read_checkpoint(src)
    if checkpoint.kind == DENOISER:
        model = load_model(src)
        model.save(dst, DTYPES[dtype], **checkpoint.config)
        return f"DreamTalk denoising network, space '{model.space}', {dtype}"
    if checkpoint.kind == PIRENDERER:
        from .render.pirenderer import load_pirenderer

        state = load_pirenderer(src).state_dict()
        save_checkpoint(dst, PIRENDERER, state, checkpoint.config, DTYPES[dtype])
        return f"PIRenderer face generator, {dtype}"
    save_checkpoint(dst, checkpoint.kind, checkpoint.state, checkpoint.config, DTYPES[dtype])
    return f"{checkpoint.kind}, {dtype}"
