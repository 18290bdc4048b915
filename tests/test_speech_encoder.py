"""The starter's speech encoder: shapes, chunking, any length."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dreamtalk.networks.speech_encoder import SpeechEncoder, SpeechEncoderConfig, num_rows
from dreamtalk.speech.logmel import log_mel
from dreamtalk.training.corpus.formant import synthesize


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


def test_config_round_trip() -> None:
    config = SpeechEncoderConfig(width=40, dilations=(1, 3))
    assert SpeechEncoderConfig.from_dict(config.to_dict()) == config
    with pytest.raises(ValueError, match="unknown"):
        SpeechEncoderConfig.from_dict({"colour": 1})
