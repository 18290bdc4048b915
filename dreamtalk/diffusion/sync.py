"""Lip-sync guidance: every prediction of the clean motion is pushed to where the lip expert sees
sync.

DreamTalk uses its expert as a loss in training; here it also steers the sampler, like a classifier
that guides a diffusion model (Dhariwal and Nichol 2021, section 4), but on the predicted x_0.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from ..networks.lip_expert import LipExpert
from .samplers import Denoise

_STEP = 0.1
"""Root mean square, in standard deviations, that the lips of a frame move at scale 1 at most."""
_FRACTIONS = (0.0, 0.1, 0.25, 0.5, 1.0)
"""Of the step, tried at once; where the lips are in sync already, a whole one would overshoot."""


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
    fractions = torch.tensor(_FRACTIONS)[:, None, None]
    many = len(_FRACTIONS)

    def guided(x: Tensor, t: Tensor) -> Tensor:
        clean = denoise(x, t)
        with torch.inference_mode(False), torch.enable_grad():
            start = clean[..., :lips].detach().float().clone()
            moved = start.clone().requires_grad_(True)
            score = judge.log_sync(heard, moved, style[None]).sum()
            (slope,) = torch.autograd.grad(score, moved)
        size = slope.square().mean(-1, keepdim=True).sqrt()
        # steep slopes are cut to the largest step, gentle ones keep their size
        step = scale * _STEP * slope / size.clamp(min=_STEP)
        with torch.no_grad():
            tries = start + fractions.to(step) * step
            scores = judge.log_sync(heard.expand(many, -1, -1), tries, style.expand(many, -1))
        best = tries[scores.mean(1).argmax()][None]
        return torch.cat([best.to(clean.dtype), clean[..., lips:]], dim=-1)

    return guided
