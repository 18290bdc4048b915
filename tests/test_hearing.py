"""What is measured of a speech encoder's hearing, on made-up voices."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from dreamtalk.model import load_model
from dreamtalk.networks.speech_encoder import SpeechEncoder
from dreamtalk.training.corpus.phones import PHONE_INDEX, PHONES, Segment
from dreamtalk.training.corpus.recordings import Recording
from dreamtalk.training.corpus.voices.formant import synthesize
from dreamtalk.training.measure.hearing import (
    FALSE_ALARMS,
    alarm_limit,
    closing,
    degraded,
    differences,
    ears_of,
    hear_recordings,
    hear_talkers,
    means,
    row_phones,
)
from dreamtalk.training.measure.talkers import Talker
from dreamtalk.training.rules.compose import rule_motion

SAID = ["sil", *["AA", "M", "IY", "W", "AE", "S", "UW", "B", "EY", "L", "OW", "P"] * 2, "sil"]


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    made = [synthesize(SAID, rate=rate) for rate in (0.9, 1.2)]
    return [Recording(waveform, segments, "formant") for waveform, segments in made]


@pytest.fixture(scope="module")
def encoder() -> SpeechEncoder:
    found = load_model("starter").speech_encoder
    assert found is not None
    return found


def test_rows_are_said_in_their_middle() -> None:
    segments = (Segment("AA", 0.0, 0.045), Segment("M", 0.045, 0.1))
    told = [PHONES[i] for i in row_phones(segments, 7)]
    assert told == ["AA", "AA", "M", "M", "M", "sil", "sil"]
    assert not row_phones((), 4).any()


def test_false_alarms_are_as_many_for_every_encoder() -> None:
    rng = np.random.default_rng(0)
    rows = -rng.random((4000, len(PHONES) + 2))
    said = np.where(np.arange(4000) % 10, PHONE_INDEX["AA"], PHONE_INDEX["M"])
    alarms = closing(rows)[said == PHONE_INDEX["AA"]] > alarm_limit([rows], [said])
    assert alarms.mean() == pytest.approx(FALSE_ALARMS, abs=0.002)


def test_worse_hearing_is_seen(recordings: list[Recording], encoder: SpeechEncoder) -> None:
    heard = hear_recordings(ears_of(encoder), recordings)
    assert means(heard).phones > 0.4
    assert means(heard).aperture > 0.5
    assert np.isnan(means(heard).rules_aperture)
    assert differences(heard, heard)["width"] == (0, 0)

    dull = copy.deepcopy(encoder)
    with torch.no_grad():
        dull.stem.weight.mul_(0.3)
    worse = differences(hear_recordings(ears_of(dull), recordings), heard)
    assert worse["phones"][0] < -0.05
    assert worse["aperture"][0] < 0

    noisy = degraded(recordings[0], 1)
    assert noisy.shape == recordings[0].waveform.shape
    assert np.abs(noisy - recordings[0].waveform).max() > 0.01


def test_talkers_are_heard_by_curves_and_rules(
    recordings: list[Recording], encoder: SpeechEncoder
) -> None:
    one = recordings[0]
    motion = rule_motion(one.segments, one.waveform)
    known = Talker("a", "a", "filmed", one.waveform, motion, one.segments)
    unknown = Talker("b", "b", "filmed", one.waveform, motion)
    first, second = hear_talkers(ears_of(encoder), [known, unknown])
    assert first.rules_aperture > 0.4
    assert first.phones > 0.4
    assert np.isnan(second.phones)
    assert second.rules_width == first.rules_width
    assert means([first, second]).phones == first.phones
