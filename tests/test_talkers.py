"""Filmed talkers as a yardstick, rules fitted to them, and closing guidance, on made-up talkers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dreamtalk.diffusion.closing import LipClosing, close_lips
from dreamtalk.errors import DreamTalkError
from dreamtalk.model import load_model
from dreamtalk.motion.motion import Motion
from dreamtalk.motion.spaces import FACE, OPENING_SHAPE
from dreamtalk.networks.speech_encoder import BILABIALS as BILABIAL_COLUMNS
from dreamtalk.networks.speech_encoder import heard_closures
from dreamtalk.training.corpus.phones import BILABIALS, PHONES, Segment
from dreamtalk.training.corpus.voices.formant import synthesize
from dreamtalk.training.measure.figures import closure_rate, features_of
from dreamtalk.training.measure.talkers import (
    Talker,
    compare_talker,
    loudness_motion,
    mean_figures,
    read_talkers,
)
from dreamtalk.training.rules.calibrate import (
    Spoken,
    fit_table,
    hand_table,
    heard_phones,
    left_out,
    prior_table,
    rescaled,
    tracks_of,
)
from dreamtalk.training.rules.compose import rule_motion
from dreamtalk.training.rules.visemes import HAND, PAUSE, VISEMES, viseme_sequence

APERTURE, WIDTH = FACE.index["lipAperture"], FACE.index["mouthWidth"]
SAID = ["sil", *["AA", "M", "IY", "W", "AE", "S", "UW", "B", "EY", "L", "OW", "P"] * 3, "sil"]


@pytest.fixture(scope="module")
def talker() -> Talker:
    waveform, segments = synthesize(SAID, rate=1.3)
    motion = rule_motion(segments, waveform)
    return Talker("made-up", "nobody", "filmed", waveform, motion, segments)


def test_figures_know_what_is_wrong(talker: Talker) -> None:
    same = compare_talker(talker.motion, talker)
    assert same.aperture == pytest.approx(1)
    assert same.closure == pytest.approx(1)
    assert abs(same.lag) < 0.1
    assert compare_talker(np.roll(talker.motion, 2, 0), talker).lag == pytest.approx(2, abs=0.3)
    half = compare_talker(0.5 * talker.motion, talker)
    assert half.amplitude == pytest.approx(0.5)
    assert half.width_hp == pytest.approx(1)
    loud = compare_talker(loudness_motion(talker), talker)
    assert loud.aperture < 0.9
    assert np.isnan(loud.width)
    assert mean_figures([same, loud]).width == pytest.approx(1)


def test_leads_are_taken_out(talker: Talker, tmp_path: Path) -> None:
    pytest.importorskip("pocketsphinx")
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "clip.wav"), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=16_000, layout="mono")
        samples = (np.clip(talker.waveform, -1, 1) * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 16_000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    cache = tmp_path / "cache"
    cache.mkdir()
    with pytest.raises(DreamTalkError, match=r"clips\.csv"):
        read_talkers(tmp_path, cache)
    early = torch.from_numpy(np.roll(talker.motion, -2, 0))
    Motion(early, torch.zeros(len(early), 6)).save(cache / "clip.npz")
    (cache / "clips.csv").write_text("clip,speaker,kind,lag,text\nclip,me,filmed,-0.08,\n")
    (cache / "clip.txt").write_text("hello\n")
    (found,) = read_talkers(tmp_path, cache)
    figures = compare_talker(talker.motion, found)
    assert figures.aperture > 0.99
    assert abs(figures.lag) < 0.2


def spoken_by(seed: int, table: dict[str, np.ndarray]) -> Spoken:
    rng = np.random.Generator(np.random.PCG64(seed))
    phones = ["sil", *(str(p) for p in rng.choice([p for p in PHONES if p != "sil"], 90)), "sil"]
    segments = tuple(Segment(p, 0.09 * i, 0.09 * (i + 1)) for i, p in enumerate(phones))
    frames = int(segments[-1].end * 25)
    waveform = rng.normal(0, 0.05, int(segments[-1].end * 16_000)).astype(np.float32)
    clip = Spoken(str(seed), 1.0, segments, waveform, np.zeros((frames, len(FACE)), np.float32))
    return replace(clip, motion=tracks_of(table, clip))


def test_the_fit_finds_what_people_do() -> None:
    true = prior_table()
    names = list(HAND)
    true["aperture"] = true["aperture"].copy()
    true["aperture"][names.index("S")] += 0.06
    true["aperture"][names.index("AA")] -= 0.08
    clips = [spoken_by(seed, true) for seed in range(6)]
    start, fitted = prior_table()["aperture"], fit_table(clips)["aperture"]
    change = fitted - start
    assert change[names.index("S")] > 0.02
    assert change[names.index("AA")] < -0.02
    others = [abs(c) for n, c in zip(names, change, strict=True) if n not in ("S", "AA")]
    assert np.median(others) < 0.01
    assert all(np.corrcoef(tracks_of(t, c)[:, APERTURE], c.motion[:, APERTURE])[0, 1] > 0.97
               for t, c in zip(left_out(clips), clips, strict=True))  # fmt: skip
    sizes = [
        np.std(np.concatenate([tracks_of(t, c)[:, WIDTH] for c in clips]))
        for t in (hand_table(), rescaled(fit_table(clips), clips))
    ]
    assert sizes[1] == pytest.approx(1.2 * sizes[0], rel=0.05)


def test_phones_are_read_off_posteriors() -> None:
    rows = torch.full((30, 96), -1.0)
    for first, last, phone in ((0, 10, "AA"), (10, 20, "M"), (20, 30, "IY")):
        rows[first:last, PHONES.index(phone)] = -0.02
    rows[14, PHONES.index("M")], rows[14, PHONES.index("N")] = -0.1, -0.05  # a slip of one row
    assert [(s.phone, s.start, s.end) for s in heard_phones(rows)] == [
        ("AA", 0.0, 0.2), ("M", 0.2, 0.4), ("IY", 0.4, pytest.approx(0.6)),
    ]  # fmt: skip


def test_rounding_nearly_shuts_the_lips_and_short_pauses_do_not() -> None:
    def lowest(phone: str, length: float) -> float:
        said = ("sil", "AE", phone, "AE", "sil")
        edges = np.cumsum([0, 0.3, 0.15, length, 0.15, 0.3])
        parts = tuple(
            Segment(p, float(a), float(b))
            for p, a, b in zip(said, edges[:-1], edges[1:], strict=True)
        )
        return float(rule_motion(parts, None)[12:-12, APERTURE].min())

    assert lowest("W", 0.12) < 0.6 * lowest("S", 0.12)
    assert lowest("sil", PAUSE - 0.1) > 0.05
    assert lowest("sil", PAUSE + 0.4) < 0.01
    units = viseme_sequence((Segment("sil", 0, 0.1), Segment("AA", 0.1, 0.2)))
    assert units[0][0] is VISEMES["sil"]  # what comes before the speech is no pause in it


def test_the_encoder_names_its_bilabials() -> None:
    assert sorted(PHONES[i] for i in BILABIAL_COLUMNS) == sorted(BILABIALS)


def test_closing_shuts_what_is_open_where_it_is_sure() -> None:
    clean = torch.zeros(4, 31)
    clean[:, APERTURE] = torch.tensor([1.0, 1.0, 1.0, -3.0])
    shape = torch.tensor([OPENING_SHAPE.get(c, 0.0) for c in FACE.channels])
    closing = LipClosing(torch.tensor([0.0, 0.5, 1.0, 1.0]), APERTURE, -1.0, shape)
    once = close_lips(clean, closing, 1.0)
    assert once[:, APERTURE].tolist() == [1.0, 0.0, -1.0, -3.0]
    assert once[2, FACE.index["lipLowerY"]] == pytest.approx(1.0)  # the lower lip comes up
    assert torch.equal(once[:, 13:], clean[:, 13:])
    assert close_lips(clean, closing, 2.0)[1, APERTURE] == pytest.approx(-0.5)
    assert torch.equal(close_lips(clean, closing, 0.0), clean)


def test_guidance_closes_the_starters_lips_at_high_intensity(talker: Talker) -> None:
    starter = load_model()
    starter.calibration = replace(starter.calibration, closing=0.0)  # what always holds
    features = features_of(starter, talker.waveform)
    assert heard_closures(features.rows).shape == (features.num_frames,)
    style = starter.preset("surprised", 2.5)
    closing = [s for s in talker.segments if s.phone in BILABIALS]
    plain, guided = (starter.sample(features, style, sync=scale).expression for scale in (0.0, 1.0))
    shut = [closure_rate(m[:, APERTURE].numpy(), closing) for m in (plain, guided)]
    assert shut[1] > shut[0]
    assert (guided - plain)[:, 13:].abs().max() < 0.02  # eyes and brows stay as they were
