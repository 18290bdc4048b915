"""wav2vec2 rows from ComfyUI, from files, and from transformers where it is installed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dreamtalk.errors import AudioError, MissingDependencyError
from dreamtalk.speech.speech import Speech
from dreamtalk.speech.wav2vec import (
    features_from_audio_encoder,
    features_from_rows,
    load_rows,
    num_rows,
    wav2vec_features,
)


def test_rows():
    rows = torch.randn(12, 1024)
    features = features_from_rows(rows)
    assert features.kind == "wav2vec2-xlsr-53"
    assert features.num_frames == 6
    assert torch.equal(features_from_rows(rows.numpy()[None]).rows, rows)
    half = features_from_rows(rows.half()).rows
    assert half.dtype == torch.float32
    for bad in (torch.zeros(3, 768), torch.zeros(0, 1024), torch.full((2, 1024), torch.nan)):
        with pytest.raises(AudioError):
            features_from_rows(bad)


def test_audio_encoder_output():
    samples = 16000 * 2
    rows = torch.randn(1, num_rows(samples), 1024)
    output = {"encoded_audio": rows, "encoded_audio_all_layers": (rows,), "audio_samples": samples}
    assert torch.equal(features_from_audio_encoder(output).rows, rows[0])
    with pytest.raises(AudioError, match="50 a second"):
        features_from_audio_encoder(
            {"encoded_audio": torch.randn(1, 1500, 1024), **{"audio_samples": samples}}
        )
    with pytest.raises(AudioError, match="768"):
        features_from_audio_encoder({"encoded_audio": torch.randn(1, 99, 768)})
    with pytest.raises(AudioError, match="encoded_audio"):
        features_from_audio_encoder({})


def test_row_files(tmp_path):
    rows = np.random.default_rng(0).standard_normal((7, 1024)).astype(np.float32)
    np.save(tmp_path / "a_wav2vec.npy", rows)
    assert load_rows(tmp_path / "a_wav2vec.npy").rows.numpy() == pytest.approx(rows)
    (tmp_path / "b.npy").write_text("no")
    np.save(tmp_path / "c.npy", rows[:, :5])
    for name in ("b.npy", "c.npy", "nowhere.npy"):
        with pytest.raises(AudioError):
            load_rows(tmp_path / name)


def test_row_count_is_that_of_the_convolutions():
    lengths = torch.arange(400, 4000, 37)
    for samples in lengths.tolist():
        rows = samples
        for kernel, stride in zip((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2), strict=True):
            rows = (rows - kernel) // stride + 1
        assert num_rows(samples) == rows


class _Local:
    """As wav2vec2, but a row sees only its own samples."""

    def __call__(self, wave, return_dict):
        rows = wave.unfold(1, 400, 320)[..., :128].repeat(1, 1, 8)
        return type("Output", (), {"last_hidden_state": rows})


@pytest.mark.parametrize("seconds", [0.01, 0.5, 3.0, 7.31])
def test_chunks_give_the_rows_of_one_pass(seconds):
    count = max(1, round(seconds * 16000))
    wave = torch.randn(count, generator=torch.Generator().manual_seed(0))
    seen = []
    one = wav2vec_features(Speech(wave), model=_Local())
    many = wav2vec_features(
        Speech(wave), model=_Local(), chunk_seconds=1.0, context_seconds=0.5,
        progress=lambda *state: seen.append(state),
    )  # fmt: skip
    assert torch.equal(one.rows, many.rows)
    assert seen[-1][0] == seen[-1][1]
    assert len(one.rows) == max(1, num_rows(count))


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingDependencyError, match="wav2vec2"):
        wav2vec_features(Speech(torch.zeros(1600)))


def random_wav2vec(layers: int, ff: int) -> torch.nn.Module:
    """The real architecture with random weights."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        hidden_size=1024, num_hidden_layers=layers, num_attention_heads=16, intermediate_size=ff,
        feat_extract_norm="layer", conv_bias=True, do_stable_layer_norm=True,
    )  # fmt: skip
    return transformers.Wav2Vec2Model(config).eval()


def noise(seconds: int) -> Speech:
    return Speech(torch.randn(16000 * seconds, generator=torch.Generator().manual_seed(1)) * 0.1)


def test_transformers_model_in_chunks():
    model, speech = random_wav2vec(layers=1, ff=64), noise(seconds=6)
    one = wav2vec_features(speech, model=model).rows
    many = wav2vec_features(speech, model=model, chunk_seconds=2.0, context_seconds=1.5).rows
    assert one.shape == many.shape
    assert torch.nn.functional.cosine_similarity(one, many).min() > 0.99


@pytest.mark.slow
def test_pieces_differ_little_from_one_pass():
    """What docs/official.md states: ``pytest -s -m slow tests/test_wav2vec.py`` prints it."""
    model, speech = random_wav2vec(layers=3, ff=4096), noise(seconds=100)
    one = wav2vec_features(speech, model=model, chunk_seconds=100.0).rows
    many = wav2vec_features(speech, model=model).rows
    relative = ((one - many).norm() / one.norm()).item()
    print(f"rows in pieces differ by {100 * relative:.2f} % of one pass's rows (L2)")
    assert 0 < relative < 0.01
