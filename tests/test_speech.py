"""Recordings, loudness, spectra and windows."""

from __future__ import annotations

import logging
import struct
import wave
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from dreamtalk.errors import AudioError
from dreamtalk.speech import (
    SAMPLE_RATE,
    Features,
    Speech,
    load_speech,
    log_mel,
    normalize_loudness,
    speech_from_waveform,
)


def tone(seconds: float, rate: int, frequency: float = 440.0) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)


def encode(path: Path, samples: np.ndarray, rate: int, codec: str, **options: str) -> Path:
    """Write (C, N) samples with one of FFmpeg's encoders."""
    layout = "mono" if samples.shape[0] == 1 else "stereo"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.layout = layout
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples, dtype=np.float32), format="fltp", layout=layout
        )
        frame.sample_rate = rate
        resampler = av.AudioResampler(
            format=stream.codec_context.format or "s16", layout=layout, rate=rate
        )
        for part in resampler.resample(frame) + resampler.resample(None):
            container.mux(stream.encode(part))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("name", "codec", "rate", "channels"),
    [
        ("a.wav", "pcm_s16le", 8000, 1),
        ("a.wav", "pcm_f32le", 44100, 2),
        ("a.flac", "flac", 48000, 2),
        ("a.mp3", "libmp3lame", 44100, 2),
        ("a.m4a", "aac", 44100, 1),
        ("a.ogg", "libopus", 48000, 2),
        ("a.opus", "libopus", 48000, 1),
        ("a.mp4", "aac", 48000, 2),
        ("a.mkv", "aac", 32000, 2),
    ],
)
def test_formats(tmp_path: Path, name: str, codec: str, rate: int, channels: int) -> None:
    samples = np.stack([tone(1.0, rate)] * channels)
    path = encode(tmp_path / name, samples, rate, codec)
    speech = load_speech(path, normalize=False)
    assert speech.waveform.dtype == torch.float32
    assert speech.duration == pytest.approx(1.0, abs=0.08)
    middle = speech.waveform[4000:12000]
    spectrum = torch.fft.rfft(middle * torch.hann_window(len(middle))).abs()
    assert spectrum.argmax() * SAMPLE_RATE / len(middle) == pytest.approx(440, abs=4)
    assert float(middle.square().mean().sqrt()) == pytest.approx(0.3 / 2**0.5, rel=0.1)


def test_start_and_duration(tmp_path: Path) -> None:
    samples = np.concatenate([np.zeros(16000), tone(1.0, 16000), np.zeros(16000)])[None]
    path = encode(tmp_path / "a.wav", samples, 16000, "pcm_s16le")
    part = load_speech(path, start=1.0, duration=0.5, normalize=False)
    assert part.waveform.numel() == 8000
    assert float(part.waveform.abs().mean()) > 0.1
    with pytest.raises(AudioError, match="no sound from 5 s on"):
        load_speech(path, start=5.0)
    with pytest.raises(AudioError, match="start can't be -1"):
        load_speech(path, start=-1.0)


def test_files_that_hold_no_speech(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="there is no audio file"):
        load_speech(tmp_path / "missing.wav")
    text = tmp_path / "notes.wav"
    text.write_text("these are words, but nobody speaks them\n" * 50)
    with pytest.raises(AudioError, match=r"notes\.wav"):
        load_speech(text)
    (tmp_path / "empty.mp3").write_bytes(b"")
    with pytest.raises(AudioError, match=r"empty\.mp3"):
        load_speech(tmp_path / "empty.mp3")
    with wave.open(str(tmp_path / "nothing.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
    with pytest.raises(AudioError, match=r"nothing\.wav"):
        load_speech(tmp_path / "nothing.wav")


def test_a_truncated_mp3_gives_what_is_there(tmp_path: Path, caplog) -> None:
    path = encode(tmp_path / "whole.mp3", tone(4.0, 44100)[None], 44100, "libmp3lame")
    data = path.read_bytes()
    cut = tmp_path / "cut.mp3"
    cut.write_bytes(data[: len(data) // 2 + 37])
    with caplog.at_level(logging.WARNING, logger="dreamtalk"):
        speech = load_speech(cut)
    assert speech.duration == pytest.approx(2.0, abs=0.2)


def test_nan_is_refused(tmp_path: Path) -> None:
    samples = tone(0.5, 16000)
    samples[100] = np.nan
    with pytest.raises(AudioError, match="NaN"):
        speech_from_waveform(torch.tensor(samples), 16000)
    path = encode(tmp_path / "nan.wav", samples[None], 16000, "pcm_f32le")
    with pytest.raises(AudioError, match="NaN"):
        load_speech(path)


@pytest.mark.parametrize("shape", [(0,), (2, 0), (2, 3, 100), (1, 1, 1, 5)])
def test_shapes_that_are_no_waveform(shape: tuple[int, ...]) -> None:
    with pytest.raises(AudioError):
        speech_from_waveform(torch.zeros(shape), 16000)


def test_resampling_keeps_length_and_pitch() -> None:
    speech = speech_from_waveform(torch.tensor(tone(2.0, 44100))[None, None], 44100, False)
    assert speech.duration == pytest.approx(2.0, abs=1e-3)
    spectrum = torch.fft.rfft(speech.waveform).abs()
    assert spectrum.argmax() / speech.duration == pytest.approx(440, abs=1)


def test_loudness_is_the_same_for_loud_and_quiet() -> None:
    loud = torch.tensor(tone(1.0, 16000)).float()
    paused = torch.cat([loud * 0.05, torch.zeros(48000)])
    a, b = normalize_loudness(Speech(loud)), normalize_loudness(Speech(paused))
    assert torch.allclose(a.waveform, b.waveform[:16000], rtol=0.05, atol=1e-3)


def test_silence_stays_silent() -> None:
    silent = normalize_loudness(Speech(torch.zeros(16000)))
    assert silent.waveform.abs().max() == 0
    hiss = Speech(torch.randn(16000, generator=torch.Generator().manual_seed(0)) * 1e-5)
    assert torch.equal(normalize_loudness(hiss).waveform, hiss.waveform)


def test_log_mel_of_parts_equals_the_whole() -> None:
    waveform = torch.randn(16000, generator=torch.Generator().manual_seed(0))
    whole = log_mel(waveform)
    assert whole.shape == (100, 64)
    part = log_mel(waveform[27 * 160 : 63 * 160], context=3)
    assert torch.allclose(part, whole[30:60], atol=1e-5)
    assert log_mel(torch.zeros(1)).shape == (1, 64)
    with pytest.raises(AudioError):
        log_mel(torch.zeros(0))


def test_log_mel_sees_a_tone_where_it_is() -> None:
    loudest = [
        int(log_mel(torch.tensor(tone(0.5, 16000, f)).float()).mean(dim=0).argmax())
        for f in (200, 800, 3000)
    ]
    assert loudest == sorted(loudest)
    assert len(set(loudest)) == 3


def test_log_mel_filters_can_be_made_under_inference_mode_and_trained_with() -> None:
    from dreamtalk.speech.logmel import _filters

    _filters.cache_clear()
    with torch.inference_mode():
        log_mel(torch.zeros(1000))
    waveform = torch.randn(1000, requires_grad=True)
    log_mel(waveform).sum().backward()
    assert waveform.grad is not None


def test_windows_are_zero_outside() -> None:
    rows = torch.arange(1, 22.0)[:, None].expand(-1, 3)
    features = Features(rows, "starter")
    assert features.num_frames == 10
    windows = features.windows()
    assert windows.shape == (10, 11, 3)
    assert windows[0, :, 0].tolist() == [0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6]
    assert windows[9, :, 0].tolist() == [14, 15, 16, 17, 18, 19, 20, 21, 0, 0, 0]
    assert torch.equal(features.windows(start=3, stop=5), windows[3:5])


def test_very_short_speech_has_a_frame() -> None:
    assert Speech(torch.zeros(10)).num_frames() == 1
    assert Features(torch.zeros(1, 4), "starter").windows().shape == (1, 11, 4)


def test_sound_is_cut_at_both_ends() -> None:
    from dreamtalk.speech.decoding import cut_sound

    blocks = [np.arange(start, start + 5, dtype=np.float32)[None] for start in range(0, 20, 5)]
    for first, count in ((0, 3), (2, 3), (3, 9), (7, 5), (18, 9), (4, 0)):
        parts = [block[0] for block in cut_sound(iter(blocks), first, count)]
        joined = np.concatenate([np.zeros(0), *parts])
        assert joined.tolist() == list(range(first, min(20, first + count)))


@pytest.mark.parametrize("rate", [1, 2_146_435_072])
def test_sample_rates_that_no_sound_has(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "s.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(8000))
    data = path.read_bytes()
    path.write_bytes(data[:24] + struct.pack("<I", rate) + data[28:])
    for work in (lambda: load_speech(path), lambda: speech_from_waveform(torch.rand(4000), rate)):
        with pytest.raises(AudioError, match=r"sample rate of .* Hz; sound has 100 to 1000000 Hz"):
            work()
