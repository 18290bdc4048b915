"""The starter's speech encoder: shapes, chunking, any length."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dreamtalk.networks.speech_encoder import (
    LEVEL,
    SpeechEncoder,
    SpeechEncoderConfig,
    level_gain,
    num_rows,
)
from dreamtalk.speech.logmel import BANDS, log_mel, warp_matrix
from dreamtalk.training.corpus.voices.formant import synthesize


@pytest.fixture(scope="module")
def encoder() -> SpeechEncoder:
    torch.manual_seed(0)
    return SpeechEncoder(SpeechEncoderConfig(width=32)).eval()


@pytest.fixture(scope="module")
def waveform() -> torch.Tensor:
    return torch.from_numpy(synthesize(["sil", "AA", "M", "IY", "S", "OW", "B", "EH"] * 6)[0])


def test_chunks_equal_the_whole(encoder: SpeechEncoder, waveform: torch.Tensor) -> None:
    whole = encoder.encode(waveform, chunk=10_000)
    for chunk in (1, 7, 50, 111):
        assert (encoder.encode(waveform, chunk=chunk) - whole).abs().max() < 1e-4


def test_a_stretch_is_heard_without_the_rows_at_its_ends(encoder: SpeechEncoder) -> None:
    mel = torch.randn(2 * (2 * encoder.context + 5), 64) * 4 - 6
    inside = encoder.hear_inside(mel)
    assert inside.shape == (5, encoder.row_dim)
    whole = encoder.hear(mel)[encoder.context : -encoder.context]
    torch.testing.assert_close(inside, whole, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("samples", [1, 100, 319, 320, 481, 640, 16_000, 16_001])
def test_any_length(encoder: SpeechEncoder, waveform: torch.Tensor, samples: int) -> None:
    rows = encoder.encode(waveform[:samples])
    assert rows.shape == (num_rows(samples), encoder.row_dim)
    assert torch.isfinite(rows).all()


def test_silence_and_clipping(encoder: SpeechEncoder) -> None:
    assert torch.isfinite(encoder.encode(torch.zeros(5000))).all()
    assert torch.isfinite(encoder.encode(torch.ones(5000))).all()


def test_rows_hold_the_posteriors(encoder: SpeechEncoder, waveform: torch.Tensor) -> None:
    mel = log_mel(waveform[: 320 * 40])[None]
    out = encoder(mel)
    phones = encoder.config.phones
    posterior = torch.exp(8 * out.rows[..., :phones])
    assert out.rows.shape[-1] == encoder.row_dim
    assert np.allclose(posterior.sum(-1).detach(), 1, atol=0.05)


def test_progress_may_cancel(encoder: SpeechEncoder, waveform: torch.Tensor) -> None:
    seen: list[tuple[int, int]] = []
    encoder.encode(waveform, chunk=20, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1]

    def cancel(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encoder.encode(waveform, progress=cancel)


@pytest.mark.parametrize("gain", [0.01, 0.3, 3.0])
def test_level_does_not_matter(encoder: SpeechEncoder, waveform: torch.Tensor, gain: float) -> None:
    assert torch.allclose(encoder.encode(gain * waveform), encoder.encode(waveform), atol=1e-3)


def test_level_is_that_of_active_speech(waveform: torch.Tensor) -> None:
    tone = 0.5 * torch.sin(torch.arange(16_000) * 0.2)
    paused = torch.cat([tone, torch.zeros(64_000)])
    assert level_gain(tone) == pytest.approx(level_gain(paused), rel=0.01)
    assert (tone * level_gain(tone)).square().mean().sqrt() == pytest.approx(LEVEL, rel=0.01)
    assert level_gain(torch.zeros(1000)) == 1.0


def test_warped_spectra() -> None:
    assert torch.equal(warp_matrix(1.0), torch.eye(BANDS))
    for factor in (0.88, 1.13):
        assert torch.allclose(warp_matrix(factor).sum(0), torch.ones(BANDS))
    peak = torch.zeros(BANDS)
    peak[40] = 1
    # what was at a frequency is found lower by the factor
    assert (peak @ warp_matrix(1.13)).argmax() < 40 < (peak @ warp_matrix(0.88)).argmax()


def test_several_vocal_tracts_are_averaged(waveform: torch.Tensor) -> None:
    torch.manual_seed(0)
    plain = SpeechEncoder(SpeechEncoderConfig(width=32)).eval()

    def heard(*warps: float) -> torch.Tensor:
        many = SpeechEncoder(SpeechEncoderConfig(width=32, warps=warps)).eval()
        many.load_state_dict(plain.state_dict())
        return many.encode(waveform, chunk=37)

    mean = (heard(0.9) + heard(1.0) + heard(1.1)) / 3
    assert torch.allclose(heard(0.9, 1.0, 1.1), mean, atol=1e-4)
    assert torch.allclose(heard(1.0), plain.encode(waveform), atol=1e-4)


def test_config_round_trip() -> None:
    config = SpeechEncoderConfig(width=40, dilations=(1, 3), warps=(0.9, 1.0))
    assert SpeechEncoderConfig.from_dict(config.to_dict()) == config
    with pytest.raises(ValueError, match="unknown"):
        SpeechEncoderConfig.from_dict({"colour": 1})
