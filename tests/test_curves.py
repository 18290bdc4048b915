"""Soft steps and held ends: the same for numpy and torch, and what their users rely on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dreamtalk.curves.easing import minimum_jerk, smoothstep
from dreamtalk.curves.length import hold_last


def test_a_smooth_step() -> None:
    x = np.linspace(-1, 4, 101)
    step = smoothstep(1.0, 3.0, x)
    assert step[x <= 1].max() == 0
    assert step[x >= 3].min() == 1
    assert (np.diff(step) >= 0).all()
    assert smoothstep(1.0, 3.0, np.array(2.0)) == pytest.approx(0.5)
    np.testing.assert_allclose(smoothstep(3.0, 1.0, x), 1 - step, atol=1e-12)  # downwards
    torch.testing.assert_close(smoothstep(1.0, 3.0, torch.from_numpy(x)), torch.from_numpy(step))
    assert smoothstep(0, 1, x.astype(np.float32)).dtype == np.float32


def test_minimum_jerk_starts_and_ends_at_rest() -> None:
    phase = np.linspace(0, 1, 1001)
    way = minimum_jerk(phase)
    assert (way[0], way[-1]) == (0, 1)
    speed = np.gradient(way, phase)
    assert abs(speed[[0, -1]]).max() < 1e-4
    assert speed.max() == pytest.approx(1.875, abs=1e-3)


def test_the_last_value_holds() -> None:
    values = torch.arange(6.0).reshape(3, 2)
    assert hold_last(values, 5)[2:].tolist() == [[4, 5]] * 3
    assert torch.equal(hold_last(values, 2), values[:2])
    assert hold_last(values[:, 0], 4).tolist() == [0, 2, 4, 4]
