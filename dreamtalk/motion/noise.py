"""Band-limited noise with a given spectrum, the same at any frame rate and for any length."""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, sosfilt

Band = tuple[float, float, float]
"""Lower edge (Hz), upper edge (Hz), share of the power."""

_RATE = 50.0  # internal samples a second, so that the output's frame rate doesn't matter
_WARM_UP = 30.0  # s that the filters need to forget that they started


def spawn(rng: np.random.Generator, count: int) -> list[np.random.Generator]:
    """Independent generators, so that one consumer's appetite doesn't change another's dice."""
    return [np.random.default_rng(int(key)) for key in rng.integers(2**63, size=count)]


def band_noise(rng: np.random.Generator, times: np.ndarray, bands: list[Band]) -> np.ndarray:
    """Gaussian noise whose power lies in bands.

    Args:
        rng: where the dice come from; each band takes a generator of its own from it, so a longer
            signal begins like a shorter one.
        times: (n,) s, rising, from 0.
        bands: edges and shares; the shares are normalised.

    Returns:
        (len(bands), n): the bands one by one; their sum has a standard deviation of 1.
    """
    count = round((_WARM_UP + (float(times[-1]) if len(times) else 0.0)) * _RATE) + 2
    total = sum(share for _, _, share in bands)
    grid = np.arange(count) / _RATE - _WARM_UP
    curves = []
    for (low, high, share), child in zip(bands, spawn(rng, len(bands)), strict=True):
        filter_, gain = _filter(low, high)
        signal = sosfilt(filter_, child.normal(size=count)) / gain
        curves.append(np.sqrt(share / total) * np.interp(times, grid, signal))
    return np.stack(curves)


class NoiseStream:
    """The curves of :func:`band_noise`, one frame after the other, for as long as it takes.

    Args:
        rng: where the dice come from: the same rng gives the same curves.
        fps: frames a second; has to divide 50.
        bands: edges and shares.
    """

    _AHEAD = 64  # frames that are made together

    def __init__(self, rng: np.random.Generator, fps: float, bands: list[Band]) -> None:
        self._step = round(_RATE / fps)
        if abs(self._step * fps - _RATE) > 1e-6:
            raise ValueError(f"{fps} frames a second don't divide {_RATE:g}")
        total = sum(share for _, _, share in bands)
        self._bands = []
        for (low, high, share), child in zip(bands, spawn(rng, len(bands)), strict=True):
            filter_, gain = _filter(low, high)
            state = np.zeros((len(filter_), 2))
            warm = child.normal(size=round(_WARM_UP * _RATE))
            _, state = sosfilt(filter_, warm, zi=state)
            self._bands.append([child, filter_, np.sqrt(share / total) / gain, state])
        self._made = np.zeros((len(bands), 0))

    def next(self) -> np.ndarray:
        """The next frame of the bands, one by one: (len(bands),)."""
        if self._made.shape[1] == 0:
            self._made = np.stack([self._more(band) for band in self._bands])
        values, self._made = self._made[:, 0], self._made[:, 1:]
        return values

    def _more(self, band: list) -> np.ndarray:
        child, filter_, scale, state = band
        signal, band[3] = sosfilt(filter_, child.normal(size=self._step * self._AHEAD), zi=state)
        return np.asarray(scale * signal[:: self._step])


def _filter(low: float, high: float) -> tuple[np.ndarray, float]:
    """A band's filter, and how much of white noise's deviation passes it."""
    filter_ = butter(2, [low, high], btype="bandpass", fs=_RATE, output="sos")
    impulse = np.zeros(round(_WARM_UP * _RATE))
    impulse[0] = 1.0
    return filter_, float(np.sqrt((sosfilt(filter_, impulse) ** 2).sum()))
