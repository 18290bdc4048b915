"""Stage 2: DreamTalk's denoiser learns the rule motion from feature rows and a style clip."""

from __future__ import annotations

import torch
from torch import Tensor

from ...diffusion.schedule import VarianceSchedule
from ...motion.spaces import FACE, LIP_CHANNELS
from ...networks.denoiser import Denoiser
from ...networks.lip_expert import LipExpert
from ...style import EMOTIONS
from ..data.motions import MotionBatch, MotionData, mouth_weights

NULL_SHARE_NEUTRAL = 0.45
"""Share of neutral takes that get the null style: about 6 % of all (DreamTalk takes 10 %, of any
style)."""
_CLOSED = 0.03
CLOSED_WEIGHT = 2.5
"""Weight of the aperture where the lips should be shut; more would shut them too often."""


def denoiser_loss(
    model: Denoiser,
    schedule: VarianceSchedule,
    batch: MotionBatch,
    data: MotionData,
    expert: LipExpert | None = None,
    sync_weight: float = 0.0,
) -> tuple[Tensor, dict[str, float]]:
    """Weighted squared error of the predicted clean motion, plus a velocity term and L_sync.

    Only neutral takes lose their style clip, so that the null style is a neutral face and guidance
    goes from neutral (0) over the style as it is (1) to exaggeration. All frames of an item share
    t, and for half of the items the noise too: that is how smooth noise looks to the sampler.
    """
    b, _, _ = batch.motion.shape
    t = torch.randint(1, schedule.num_steps + 1, (b,))
    shared = torch.rand(b, 1, 1) < 0.5
    noise = torch.where(
        shared, torch.randn(b, 1, batch.motion.shape[2]), torch.randn_like(batch.motion)
    )
    x_t = schedule.add_noise(batch.motion, t, noise)
    clip, padding = drop_style(batch)
    code = model.encode_style(clip, padding)
    predicted = model.predict(x_t, t, model.encode_content(batch.windows), code)

    weights = mouth_weights(data.std)
    error = (predicted - batch.motion).square()
    aperture = FACE.index["lipAperture"]
    opened = batch.motion[..., aperture] * data.std[aperture] + data.mean[aperture]
    # a lip that is open where it should be shut is seen at once
    emphasis = torch.ones_like(error)
    emphasis[..., aperture] = torch.where(opened < _CLOSED, CLOSED_WEIGHT, 1.0)
    main = (error * emphasis * weights).mean() / weights.mean()
    velocity = ((predicted.diff(dim=1) - batch.motion.diff(dim=1)).square() * weights).mean()
    velocity = velocity / weights.mean()
    figures = {
        "error": error.mean().item(),
        "aperture": error[..., aperture].mean().item(),
        "velocity": velocity.item(),
    }
    total = main + 0.5 * velocity
    if expert is not None and sync_weight > 0:
        sync = -expert.log_sync(
            batch.rows, predicted[..., : len(LIP_CHANNELS)], code.detach()
        ).mean()
        figures["sync"] = sync.item()
        total = total + sync_weight * sync
    return total, figures


def drop_style(batch: MotionBatch) -> tuple[Tensor, Tensor]:
    """Replace some clips by the null style: zeros, all of them attended to."""
    neutral = batch.emotion == EMOTIONS.index("neutral")
    share = torch.where(neutral, NULL_SHARE_NEUTRAL, 0.0)
    null = torch.rand(len(share)) < share
    clip = torch.where(null[:, None, None], torch.zeros(()), batch.clip)
    return clip, batch.padding & ~null[:, None]
