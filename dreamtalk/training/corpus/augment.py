"""Augmentation of speech: rooms, noise, codecs, band limits, gain."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import fftconvolve

from ...speech.speech import SAMPLE_RATE
from .utterance import Samples

Array = npt.NDArray[np.floating]
Generator = np.random.Generator


def resample_window(waveform: Samples, start: float, factor: float, count: int) -> Samples:
    """``count`` samples from sample ``start`` on, played ``factor`` times as fast.

    Speed, pitch and formants change together: another vocal tract. Outside the waveform is silence.
    """
    at = start + factor * np.arange(count)
    return np.interp(at, np.arange(len(waveform)), waveform, left=0.0, right=0.0).astype(np.float32)


def augment(waveform: Samples, rng: Generator, babble: Samples | None = None) -> Samples:
    """One random chain of degradations.

    Args:
        waveform: (N,) float32.
        babble: (N,) other speech, to be mixed in as background.

    Returns:
        (N,) float32, aligned with the input; peak at most 1.
    """
    out = waveform.astype(np.float32)
    if rng.random() < 0.45:
        out = room(out, rng)
    if rng.random() < 0.5:
        out = equalize(out, rng)
    level = float(np.sqrt(np.mean(out**2)) + 1e-9)
    if rng.random() < 0.65:
        snr = rng.uniform(3, 35)
        noise = coloured_noise(len(out), rng)
        if babble is not None and rng.random() < 0.25:
            noise, snr = babble, rng.uniform(8, 25)
        scale = level / (float(np.sqrt(np.mean(noise**2))) + 1e-9) * 10 ** (-snr / 20)
        out = out + np.float32(scale) * noise
    if rng.random() < 0.2:
        out = band_limit(out, rng.uniform(60, 350), rng.uniform(2800, 6500))
    peak = float(np.abs(out).max()) + 1e-9
    if rng.random() < 0.1:
        out = mu_law(out / peak) * peak
    if rng.random() < 0.1:
        out = np.clip(out, -0.5 * peak, 0.5 * peak)
    # what the loader's loudness normalization leaves over
    target = 0.1 * 10 ** (rng.uniform(-12, 6) / 20)
    out = out * (target / (float(np.sqrt(np.mean(out**2))) + 1e-6))
    return np.clip(out, -1, 1).astype(np.float32)


def room(waveform: Samples, rng: Generator) -> Samples:
    """A synthetic room: direct sound, then exponentially decaying noise."""
    length = int(rng.uniform(0.08, 0.6) * SAMPLE_RATE)
    time = np.arange(length) / SAMPLE_RATE
    tail = rng.standard_normal(length) * np.exp(-time * 6.9 / (length / SAMPLE_RATE))
    tail[: int(0.002 * SAMPLE_RATE)] = 0
    tail *= rng.uniform(0.1, 0.8) / (np.sqrt(np.sum(tail**2)) + 1e-9)
    tail[0] = 1.0
    out: Samples = fftconvolve(waveform, tail)[: len(waveform)].astype(np.float32)
    return out


def coloured_noise(count: int, rng: Generator) -> Samples:
    """Noise with a random spectral slope from white to brown, sometimes with mains hum."""
    slope = rng.uniform(0, 1.3)
    white = rng.standard_normal(count).astype(np.float32)
    noise = _filter(white, lambda f: (np.maximum(f, 50) / 1000) ** -slope)
    if rng.random() < 0.15:
        mains = rng.choice((50.0, 60.0))
        time = np.arange(count) / SAMPLE_RATE
        hum = sum(np.sin(2 * np.pi * mains * k * time) / k for k in (1, 2, 3, 5))
        noise = noise + (np.std(noise) * np.asarray(hum)).astype(np.float32)
    return noise.astype(np.float32)


def equalize(waveform: Samples, rng: Generator) -> Samples:
    """A smooth random equalizer: slope and two broad bumps, a few dB."""
    slope = rng.uniform(-4, 4)
    bumps = [(rng.uniform(-8, 8), rng.uniform(-3, 3)) for _ in range(2)]

    def gain(frequency: Array) -> Array:
        octave = np.log2(np.maximum(frequency, 60) / 1000)
        decibel = slope * octave
        for height, at in bumps:
            decibel = decibel + height * np.exp(-0.5 * ((octave - at) / 0.7) ** 2)
        out: Array = 10 ** (decibel / 20)
        return out

    return _filter(waveform, gain)


def band_limit(waveform: Samples, low: float, high: float) -> Samples:
    """What a telephone or a small loudspeaker leaves over."""

    def gain(frequency: Array) -> Array:
        out: Array = (
            1 / (1 + (low / np.maximum(frequency, 1)) ** 8) / (1 + (frequency / high) ** 16)
        )
        return out

    return _filter(waveform, gain)


def _filter(waveform: Samples, gain: Callable[[Array], Array]) -> Samples:
    """Zero-phase filter with the given gain over frequency in Hz."""
    size = next_fast_len(len(waveform), real=True)
    spectrum = rfft(waveform, size)
    spectrum *= gain(np.fft.rfftfreq(size, 1 / SAMPLE_RATE)).astype(np.float32)
    out: Samples = irfft(spectrum, size)[: len(waveform)].astype(np.float32)
    return out


def mu_law(waveform: Samples, levels: int = 255) -> Samples:
    """Eight bits with mu-law companding and back (G.711)."""
    squeezed = np.sign(waveform) * np.log1p(levels * np.abs(waveform)) / np.log1p(levels)
    steps = np.round((squeezed + 1) / 2 * levels) / levels * 2 - 1
    out: Samples = (np.sign(steps) * np.expm1(np.abs(steps) * np.log1p(levels)) / levels).astype(
        np.float32
    )
    return out
