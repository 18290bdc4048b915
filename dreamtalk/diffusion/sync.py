"""Lip-sync guidance: every prediction of the clean motion is pushed to where the lip expert sees
sync.

DreamTalk uses its expert as a loss in training; here it also steers the sampler, like a classifier
that guides a diffusion model (Dhariwal and Nichol 2021, section 4), but on the predicted x_0.

An expert is curved: where lips are nearly in sync, a step of 0.1 deviations overshoots, and a line
search then takes next to none of it whatever the scale. Hence several small steps.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from ..networks.lip_expert import LipExpert
from .samplers import Denoise

_STEP = 0.02
"""Root mean square, in standard deviations, that the lips of a frame move in a step at most."""
_STEPS = 4
"""At scale 1."""


def sync_guided(
    denoise: Denoise, expert: LipExpert, rows: Tensor, code: Tensor, scale: float
) -> Denoise:
    """A denoise function whose lips follow the gradient of log P_sync.

    Args:
        denoise: predicts x_0 (1, N, C); the lip channels come first.
        expert: trained on the same motion statistics and style codes.
        rows: (1, 2N, D) feature rows of these frames.
        code: (d,) style code.
        scale: 0 changes nothing.

    Returns:
        ``denoise(x_t (1, N, C), t (1,)) -> x_0 (1, N, C)``
    """
    if scale == 0:
        return denoise
    lips = expert.config.lip_channels
    with torch.inference_mode(False):
        # Callers may work under inference mode, and may have loaded the weights so (ComfyUI does
        # both): copies made out of it can be differentiated through.
        judge, heard, style = copy.deepcopy(expert), rows.detach().clone(), code.detach().clone()
    steps = max(1, round(_STEPS * scale))
    length = _STEP * _STEPS * scale / steps

    def guided(x: Tensor, t: Tensor) -> Tensor:
        clean = denoise(x, t)
        with torch.inference_mode(False), torch.enable_grad():
            moved = clean[..., :lips].detach().float().clone()
            for _ in range(steps):
                moved.requires_grad_(True)
                score = judge.log_sync(heard, moved, style[None]).sum()
                (slope,) = torch.autograd.grad(score, moved)
                size = slope.square().mean(-1, keepdim=True).sqrt()
                # frames that are worse than most go the whole step, those in sync less
                usual = size.median().clamp(min=1e-6)
                moved = moved.detach() + length * slope / size.clamp(min=float(usual))
        return torch.cat([moved.to(clean.dtype), clean[..., lips:]], dim=-1)

    return guided
