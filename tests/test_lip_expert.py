"""The lip expert, its training and the sampler's lip-sync guidance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dreamtalk.diffusion.sync import sync_guided
from dreamtalk.errors import DreamTalkError
from dreamtalk.model import DreamTalkModel, load_model, save_model, speech_features
from dreamtalk.networks.denoiser import Denoiser, DenoiserConfig
from dreamtalk.networks.lip_expert import LipExpert, LipExpertConfig
from dreamtalk.networks.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from dreamtalk.speech.speech import Features, Speech
from dreamtalk.training.corpus.recordings import make_recording
from dreamtalk.training.corpus.voices.formant import synthesize
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


@pytest.fixture(scope="module")
def starter() -> DreamTalkModel:
    """The shipped weights, whose expert was trained."""
    return load_model()


@pytest.fixture(scope="module")
def spoken(starter: DreamTalkModel) -> Features:
    phones = ["sil", *["AA", "M", "AA", "B", "IY", "P", "AE", "UW"] * 4, "sil"]
    return speech_features(Speech(torch.from_numpy(synthesize(phones, rate=1.2)[0]) * 0.3), starter)


def lips_of(starter: DreamTalkModel, features: Features, sync: float = 0.0) -> torch.Tensor:
    """(1, N, 13) standardized, as the expert takes them."""
    motion = starter.sample(features, starter.preset("neutral"), sync=sync).expression
    return ((motion - starter.motion_mean) / starter.motion_std)[None, :, :13]


@torch.no_grad()
def score(starter: DreamTalkModel, features: Features, lips: torch.Tensor, late: int = 0) -> float:
    """Mean log P_sync of lips that are so many frames late."""
    assert starter.lip_expert is not None
    rows, code = features.rows[None, : 2 * lips.shape[1]], starter.presets["neutral"]
    return float(starter.lip_expert.log_sync(rows, lips.roll(late, 1), code[None]).mean())


def test_the_shipped_expert_hears_what_is_late(starter: DreamTalkModel, spoken: Features) -> None:
    lips = lips_of(starter, spoken)
    late = [score(starter, spoken, lips, frames) for frames in (-8, -5, 5, 8)]
    assert score(starter, spoken, lips) > max(late) + 0.5


def test_guidance_raises_the_shipped_experts_score(
    starter: DreamTalkModel, spoken: Features
) -> None:
    plain, guided = (lips_of(starter, spoken, sync) for sync in (0.0, 1.0))
    # nearly all is in sync already: what is missing to 0 gets less by a twentieth at least
    assert score(starter, spoken, guided) > 0.95 * score(starter, spoken, plain)
    assert (guided - plain).square().mean().sqrt() < 0.15  # what is in sync stays nearly as it is


def test_guidance_draws_late_lips_to_the_speech(starter: DreamTalkModel, spoken: Features) -> None:
    """Against the lips that belong to the speech; an expert that knows nothing can't do it."""
    right, code = lips_of(starter, spoken), starter.presets["neutral"]
    rows = spoken.rows[None, : 2 * right.shape[1]]
    late = right.roll(4, 1)

    def likeness(lips: torch.Tensor) -> float:
        return float(torch.corrcoef(torch.stack([lips[0, :, 0], right[0, :, 0]]))[0, 1])

    def gain(expert: LipExpert) -> float:
        lips = late
        for _ in range(4):  # the steps of a sampler
            steered = sync_guided(lambda x, t: x, expert, rows, code, 4.0)
            lips = steered(lips, torch.tensor([1]))
        return likeness(lips) - likeness(late)

    assert starter.lip_expert is not None
    torch.manual_seed(0)
    untrained = LipExpert(starter.lip_expert.config, starter.lip_expert.vertices)
    assert gain(starter.lip_expert) > gain(untrained) + 0.25


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
    save_model(model, tmp_path / "m.safetensors")
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
