"""The lip expert, its training and the sampler's lip-sync guidance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dreamtalk.errors import DreamTalkError
from dreamtalk.model import DreamTalkModel, load_model
from dreamtalk.networks.denoiser import Denoiser, DenoiserConfig
from dreamtalk.networks.lip_expert import LipExpert, LipExpertConfig
from dreamtalk.networks.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from dreamtalk.speech.speech import Features
from dreamtalk.training.corpus.recordings import make_recording
from dreamtalk.training.data.motions import MotionData
from dreamtalk.training.rules.compose import rule_motion
from dreamtalk.training.stages.lip_expert import (
    expert_batch,
    expert_loss,
    new_expert,
    shift_accuracy,
)
from dreamtalk.training.stages.loops import LoopSettings, train

CONFIG = DenoiserConfig(
    feature_dim=60, expression_dim=31, lower=tuple(range(13)), d_model=32, heads=2, layers=1, ff=32,
    window=2, max_style_length=48, dropout=0.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def model() -> DreamTalkModel:
    torch.manual_seed(0)
    expert = LipExpert(LipExpertConfig(feature_dim=60, style_dim=32, width=16, embedding=16))
    presets = {"neutral": torch.randn(32)}
    return DreamTalkModel(Denoiser(CONFIG), "face", "starter", presets=presets, lip_expert=expert)


def test_shapes(model: DreamTalkModel) -> None:
    assert model.lip_expert is not None
    rows, lips, style = torch.randn(2, 40, 60), torch.randn(2, 20, 13), torch.randn(2, 32)
    assert model.lip_expert.logits(rows, lips, style).shape == (2, 12)
    assert (model.lip_expert.log_sync(rows, lips, style) <= 0).all()
    assert model.lip_expert.logits(rows[:, :4], lips[:, :2], style).shape == (2, 1)


def test_guidance_raises_the_experts_score(model: DreamTalkModel) -> None:
    torch.manual_seed(1)
    features, style = Features(torch.randn(80, 60), "starter"), model.preset("neutral")
    assert model.lip_expert is not None

    def score(sync: float) -> float:
        assert model.lip_expert is not None
        lips = model.sample(features, style, sync=sync).expression[None, :, :13]
        with torch.no_grad():
            return float(
                model.lip_expert.log_sync(features.rows[None], lips, style.code[None]).mean()
            )

    plain, some, more = score(0.0), score(1.0), score(4.0)
    assert plain < some < more


def test_guidance_needs_an_expert(model: DreamTalkModel) -> None:
    bare = DreamTalkModel(Denoiser(CONFIG), "face", "starter", presets=model.presets)
    features = Features(torch.randn(8, 60), "starter")
    with pytest.raises(DreamTalkError, match="no lip expert"):
        bare.sample(features, bare.preset("neutral"), sync=1.0)
    assert (
        len(
            model.sample(Features(torch.randn(1, 60), "starter"), model.preset("neutral"), sync=1.0)
        )
        == 1
    )


def test_the_expert_travels_with_the_weights(model: DreamTalkModel, tmp_path: Path) -> None:
    model.save(tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors")
    features = Features(torch.randn(30, 60), "starter")
    first, second = (
        m.sample(features, m.preset("neutral"), sync=2.0).expression for m in (model, again)
    )
    assert torch.equal(first, second)


def test_the_expert_learns_to_tell_shifts(tmp_path: Path) -> None:
    torch.manual_seed(0)
    recordings = [make_recording(0, i, ("formant",), "train", seconds=5.0) for i in range(3)]
    encoder = SpeechEncoder(SpeechEncoderConfig(width=24, dilations=(1,), hidden=10)).eval()
    denoiser = Denoiser(CONFIG).eval()
    data = MotionData(recordings, encoder, copies=1, window=2, clip=48, unsure=False)
    # rows that tell the articulation outright: what a trained encoder's do
    for i, recording in enumerate(recordings):
        frames = len(data.rows[i][0]) // 2
        lips = rule_motion(recording.segments, None, frames=frames)[:, :13] / 0.05
        rows = np.zeros((2 * frames, 60), np.float16)
        rows[0::2, :13] = rows[1::2, :13] = lips
        data.rows[i] = [rows]
    expert = new_expert(data.std, feature_dim=60, style_dim=32, width=32)

    def loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        return expert_loss(expert, expert_batch(data, denoiser, step, 32))

    train(expert, loss, LoopSettings(steps=90, learning_rate=4e-3, warmup=5), tmp_path)
    found = shift_accuracy(expert, lambda k: expert_batch(data, denoiser, 999, 96, k), range(6, 11))
    assert sum(found.values()) / len(found) > 0.6
