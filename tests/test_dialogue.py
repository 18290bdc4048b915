"""Several people, one recording: who says what, and how the others listen."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from dreamtalk.dialogue.attention import REACH, direction, draw_looks, look_curves
from dreamtalk.dialogue.faces import animate_faces, attention_of
from dreamtalk.dialogue.listening import draw_nods, speaking_share, with_rest
from dreamtalk.dialogue.split import (
    REACH as MARK_REACH,
)
from dreamtalk.dialogue.split import (
    Recording,
    mixed,
    settled,
    split_track,
    who_says_what,
)
from dreamtalk.dialogue.styles import FaceStyle, parse_face_styles
from dreamtalk.dialogue.turns import (
    SpeakerMark,
    faces_called,
    parse_speaker_track,
    turns_of,
)
from dreamtalk.dialogue.voices import FADE, FaceVoice, cut_out, describe_turns, voice_of
from dreamtalk.errors import AudioError, DreamTalkError
from dreamtalk.face.analysis import analyze_portrait
from dreamtalk.face.portrait import Portrait
from dreamtalk.model import load_model
from dreamtalk.motion import Motion, space
from dreamtalk.motion.natural import add_natural_motion
from dreamtalk.pipeline import Sampling, animate
from dreamtalk.render.mesh import MeshRenderer
from dreamtalk.speech.speech import SAMPLE_RATE, Speech


def vowel(seconds: float, pitch: float = 120.0) -> np.ndarray:
    """(N,): a long "a", four syllables a second, without pauses."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    wave = np.zeros_like(time)
    for harmonic in range(1, 30):
        gain = sum(1 / (1 + ((harmonic * pitch - f) / 90) ** 2) for f in (750, 1200, 2500))
        wave += gain * np.sin(2 * np.pi * harmonic * pitch * time) / harmonic**0.5
    return 0.4 * (0.75 + 0.25 * np.sin(8 * np.pi * time)) * wave / np.abs(wave).max()


def talk_of(*stretches: tuple[float, float], seconds: float, seed: int = 0) -> Speech:
    """Somebody talks in the stretches; a little room noise elsewhere."""
    wave = np.random.default_rng(seed).normal(size=round(seconds * SAMPLE_RATE)) * 1e-4
    voice = vowel(seconds, 120.0 + 40 * seed)
    for start, end in stretches:
        part = slice(round(start * SAMPLE_RATE), round(end * SAMPLE_RATE))
        wave[part] += voice[part]
    return Speech(torch.from_numpy(wave.astype(np.float32)))


@pytest.fixture(scope="module")
def pair(portrait_image: torch.Tensor) -> list[Portrait]:
    """The astronaut and her mirror image in one picture, from the left."""
    picture = torch.cat([portrait_image, portrait_image.flip(1)], 1)
    return [analyze_portrait(picture, name) for name in ("1", "2")]


# ------------------------------------------------------------------------------------------ marks


def test_a_track_is_read() -> None:
    assert parse_speaker_track("9:Both, 0:left\n1:04.2:1+3; 7:2") == (
        SpeakerMark(0.0, ("left",)), SpeakerMark(7.0, ("2",)), SpeakerMark(9.0, ("both",)),
        SpeakerMark(64.2, ("1", "3")),
    )  # fmt: skip
    labels = "0.0\t4.1\tleft\n4,2\t9\tright\n"
    assert [str(mark) for mark in parse_speaker_track(labels)] == ["0:left", "4.2:right"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("left", "'left': write time:name"),
        ("0:lefty", "'lefty' names no face"),
        ("0:left 2:0", "'0' names no face"),
        ("0:left 0:right", "'left' and 'right' both begin at 0 s"),
        ("0:left+", "'0:left\\+'"),
        ("0:left@2", "'0:left@2'"),
        (None, "not None"),
    ],
)
def test_what_is_no_track(text: str, said: str) -> None:
    with pytest.raises(DreamTalkError, match=said):
        parse_speaker_track(text)


def test_names_mean_faces() -> None:
    assert faces_called("left", 3) == (0,)
    assert faces_called("middle", 3) == (1,)
    assert faces_called("right", 3) == (2,)
    assert faces_called("2", 3) == (1,)
    assert faces_called("all", 3) == (0, 1, 2)
    assert faces_called("both", 2) == (0, 1)
    assert faces_called("nobody", 2) == faces_called("none", 1) == ()
    for name, faces in (("right", 1), ("middle", 2), ("both", 3), ("3", 2), ("middle", 4)):
        with pytest.raises(DreamTalkError, match=f"'{name}' can't speak: {faces} face"):
            faces_called(name, faces)


def test_turns_follow_marks() -> None:
    marks = parse_speaker_track("1:left 3:both 4:right 6:none 20:left")
    (left, right), cuts = turns_of(marks, 2, 8.0)
    assert left.tolist() == [[0.0, 4.0]], "before the first mark, and on through 'both'"
    assert right.tolist() == [[3.0, 6.0]]
    assert cuts.tolist() == [3.0, 4.0, 6.0]


def test_styles_of_faces() -> None:
    assert parse_face_styles("all=sad@0.5, right=happy", 2) == (
        FaceStyle("sad", 0.5), FaceStyle("happy"),
    )  # fmt: skip
    assert parse_face_styles("2=auto", 2) == (None, FaceStyle("auto"))
    assert parse_face_styles("", 2) == (None, None)
    for text, said in (
        ("left", "write face=emotion"),
        ("left=merry", "'merry' is no emotion"),
        ("3=sad", "'3' can't speak"),
        ("left=sad@9", "can't be 9"),
    ):
        with pytest.raises(DreamTalkError, match=said):
            parse_face_styles(text, 2)


# -------------------------------------------------------------------------------------- splitting


def test_parts_are_the_recording_again() -> None:
    generator = torch.Generator().manual_seed(0)
    speech = Speech(torch.rand(5 * SAMPLE_RATE, generator=generator) * 2 - 1)
    turns, cuts = turns_of(parse_speaker_track("0:1 1.5:2 1.503:3 2:2 4:1"), 3, 5.0)
    parts = [cut_out(speech, own, cuts).waveform for own in turns]
    torch.testing.assert_close(sum(parts), speech.waveform, atol=1e-6, rtol=0)
    half = round(FADE * SAMPLE_RATE / 2)
    for part, own in zip(parts, turns, strict=True):
        inside = torch.zeros(len(part), dtype=torch.bool)
        for start, end in own:
            inside[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)] = True
        faded = torch.zeros_like(inside)
        for cut in cuts:
            at = round(cut * SAMPLE_RATE)
            faded[at - half : at + half] = True
        assert torch.equal(part[inside & ~faded], speech.waveform[inside & ~faded]), "to the bit"
        assert not part[~inside & ~faded].any()
    assert float(sum(parts)[:half].abs().min()) > 0, "no fade at the beginning"


def test_who_goes_on_is_not_faded() -> None:
    speech = Speech(torch.ones(4 * SAMPLE_RATE))
    (left, right), cuts = turns_of(parse_speaker_track("0:left 2:both"), 2, 4.0)
    assert torch.equal(cut_out(speech, left, cuts).waveform, speech.waveform)
    late = cut_out(speech, right, cuts).waveform
    assert not late[: round(1.98 * SAMPLE_RATE)].any()
    assert bool((late[round(2.02 * SAMPLE_RATE) :] == 1).all())


def test_marks_go_to_the_next_pause() -> None:
    speech = talk_of((0.0, 2.0), (2.6, 5.0), seconds=5.0)
    marks = settled(speech, parse_speaker_track("0:left 1.9:right 2.3:left 3.9:right"))
    assert marks[0].time == 0.0
    assert 1.95 < marks[1].time < 2.3, "out of the last word"
    assert marks[2].time == pytest.approx(2.3, abs=0.02), "in a pause already"
    assert marks[3].time == 3.9, "no pause is near"
    assert all(a.time < b.time for a, b in itertools.pairwise(marks))
    far = settled(speech, [SpeakerMark(2.65 + MARK_REACH, ("left",))])
    assert far[0].time == 2.65 + MARK_REACH


def test_a_mark_in_the_last_word_keeps_its_turn() -> None:
    """The end of a recording that is cut off in a word is no pause: a turn there would be none."""
    speech = talk_of((0.0, 2.0), (2.6, 4.0), seconds=4.0)
    marks = settled(speech, parse_speaker_track("0:left 3.8:right"))
    assert marks[1].time == pytest.approx(3.8, abs=0.1)
    turns, _ = turns_of(marks, 2, speech.duration)
    assert len(turns[1]) == 1


def test_a_voice_knows_its_turns() -> None:
    speech = talk_of((0.2, 2.0), (2.5, 3.0), (5.0, 6.0), seconds=7.0)
    left, right = split_track(speech, parse_speaker_track("0:left 4:right"), 2)
    np.testing.assert_allclose(left.turns, [[0.2, 3.0]], atol=0.15)
    np.testing.assert_allclose(right.turns, [[5.0, 6.0]], atol=0.15)
    assert len(left.prosody.phrases) == 2
    assert left.prosody.activity_at(np.array([5.5])) == 0
    assert right.prosody.activity_at(np.array([5.5])) == pytest.approx(1)
    assert describe_turns([left]).startswith("face 1: 0.")


def test_a_soft_speaker_is_heard_beside_a_loud_one() -> None:
    loud, soft = talk_of((0, 3), seconds=6.0), talk_of((3.3, 6), seconds=6.0)
    both = Speech(loud.waveform + 0.02 * soft.waveform)
    voices = split_track(both, parse_speaker_track("0:left 3.15:right"), 2)
    assert voices[1].turns[0, 1] - voices[1].turns[0, 0] > 2.4


def stereo(crosstalk: float, gain: float = 1.0) -> torch.Tensor:
    """(2, N): left speaks at 0-2 s and 4-6 s, right at 2.4-3.6 s and 5-7 s."""
    left = talk_of((0, 2), (4, 6), seconds=7.0).waveform
    right = talk_of((2.4, 3.6), (5, 7), seconds=7.0, seed=1).waveform
    return torch.stack([left + crosstalk * right, gain * (right + crosstalk * left)])


@pytest.mark.parametrize(("crosstalk", "gain"), [(0.0, 1.0), (0.25, 1.0), (0.15, 0.6)])
def test_stereo_channels_are_people(crosstalk: float, gain: float) -> None:
    recording = Recording(stereo(crosstalk, gain), SAMPLE_RATE)
    left, middle, right = who_says_what([recording], " Stereo", 3)
    np.testing.assert_allclose(left.turns, [[0, 2], [4, 6]], atol=0.3)
    np.testing.assert_allclose(right.turns, [[2.4, 3.6], [5, 7]], atol=0.3)
    assert not len(middle.turns)
    own = slice(round(2.6 * SAMPLE_RATE), round(3.4 * SAMPLE_RATE))
    assert not left.speech.waveform[own].any(), "crosstalk is nobody's speech"
    assert right.speech.waveform[own].any()


def test_a_channel_with_nothing_but_crosstalk_is_silent() -> None:
    left = talk_of((0, 3), seconds=4.0).waveform
    noise = talk_of(seconds=4.0, seed=3).waveform
    voices = who_says_what([Recording(torch.stack([left, 0.2 * left + noise]), SAMPLE_RATE)],
                           "stereo", 2)  # fmt: skip
    assert len(voices[0].turns) == 1
    assert not len(voices[1].turns)


def test_a_recording_for_each_person() -> None:
    first = Recording(talk_of((0, 2), seconds=2.0).waveform[None], SAMPLE_RATE)
    second = Recording(talk_of((0, 1.5), seconds=1.5).waveform[None].repeat(2, 1), 32_000, 2.5)
    left, right, third = who_says_what([first, second], None, 3)
    assert left.speech.duration == right.speech.duration == third.speech.duration == 3.25
    np.testing.assert_allclose(left.turns, [[0, 2]], atol=0.2)
    np.testing.assert_allclose(right.turns, [[2.5, 3.25]], atol=0.2)
    waveform, rate = mixed([first, second])
    assert rate == SAMPLE_RATE
    assert waveform.shape == (2, round(3.25 * SAMPLE_RATE))
    torch.testing.assert_close(waveform[0, : 2 * SAMPLE_RATE], first.waveform[0])
    assert float(waveform[:, round(2.6 * SAMPLE_RATE) :].abs().max()) > 0.1


def test_recordings_that_tell_nothing() -> None:
    mono = Recording(talk_of((0, 1), seconds=1.0).waveform[None], SAMPLE_RATE)
    for recordings, speakers, faces, said in (
        ([mono], None, 2, "who speaks when"),
        ([mono], "stereo", 2, "two channels, this one has 1"),
        ([Recording(mono.waveform.repeat(2, 1), SAMPLE_RATE)], "stereo", 2, "are the same"),
        ([mono, mono], "0:left", 2, "each is one face's"),
        ([mono, mono, mono], None, 2, "3 voices and 2 faces"),
        ([], None, 2, "no recording"),
        ([mono], "0:3", 2, "'3' can't speak"),
    ):
        with pytest.raises(DreamTalkError, match=said):
            who_says_what(recordings, speakers, faces)
    with pytest.raises(AudioError, match="start can't be -1"):
        Recording(mono.waveform, SAMPLE_RATE, -1.0)


# -------------------------------------------------------------------------------------- listening


def voices_of(*turns: list[tuple[float, float]], seconds: float) -> list[FaceVoice]:
    made = []
    for seed, own in enumerate(turns):
        speech = talk_of(*own, seconds=seconds, seed=seed)
        made.append(voice_of(cut_out(speech, np.array(own).reshape(-1, 2)), np.array(own)))
    return made


def test_rest_outside_of_turns() -> None:
    torch.manual_seed(0)
    for name in ("face", "arkit", "bfm"):
        sampled = Motion(torch.rand(200, len(space(name))), torch.zeros(200, 6), 25.0, name)
        turns = np.array([[2.0, 4.0]])
        rested = with_rest(sampled, turns)
        share = speaking_share(turns, np.arange(200) / 25)
        assert torch.equal(rested.expression[share == 1], sampled.expression[share == 1])
        quiet = rested.expression[share == 0]
        assert float(quiet.mean()) < 0.3, "milder"
        assert float(quiet[:35].diff(dim=0).abs().max()) < 0.02, "no lips that half speak"
        assert float(rested.expression.diff(dim=0).abs().max()) < 1.0
        for channel, _ in rested.motion_space.lips.weights if rested.motion_space.lips else ():
            assert not quiet[:, rested.motion_space.index[channel]].any()
    whole = with_rest(sampled, np.array([[-1.0, 9.0]]))
    assert whole is sampled


def test_listeners_nod_at_pauses() -> None:
    parts = [(0.2, 2.5), (3.1, 5.0), (5.6, 8.0), (8.7, 11.0), (12.0, 14.0)]
    voices = voices_of(parts, [], seconds=16.0)
    times = np.arange(400) / 25
    ends = voices[0].prosody.phrase_ends
    assert len(ends) == 5
    at_pause = elsewhere = 0
    for seed in range(20):
        pitch, brows = draw_nods(1, voices, times, np.random.default_rng(seed))
        assert (pitch >= 0).all(), "down"
        assert pitch.max() < np.deg2rad(9)
        assert ((brows > 0) <= (pitch > 0)).all()
        starts = times[1:][np.diff((pitch > np.deg2rad(0.4)).astype(int)) == 1]
        near = [bool(((s - ends > 0) & (s - ends < 1.7)).any()) for s in starts]
        at_pause += sum(near)
        elsewhere += len(near) - sum(near)
        assert not draw_nods(0, voices, times, np.random.default_rng(seed))[0].any()
    assert at_pause > 30, "of 100 pauses"
    assert elsewhere < at_pause


def test_who_is_about_to_speak_does_not_nod() -> None:
    voices = voices_of([(0.2, 3.0)], [(3.4, 6.0)], seconds=6.5)
    times = np.arange(160) / 25
    for seed in range(20):
        pitch, _ = draw_nods(1, voices, times, np.random.default_rng(seed))
        assert not pitch[times > 2.9].any()


def test_faces_see_each_other(pair: list[Portrait]) -> None:
    right, left = direction(pair[0], pair[1]), direction(pair[1], pair[0])
    assert right[0] > np.deg2rad(10), "the right of the picture is the subject's left"
    assert left[0] < -np.deg2rad(10)
    assert np.abs([right, left]).max() < REACH
    assert abs(right[1]) < np.deg2rad(2)
    assert not direction(pair[0], pair[0]).any()


def test_looks_go_to_the_speaker() -> None:
    turns = [np.array([[0.0, 6.0], [12.0, 20.0]]), np.array([[6.3, 11.8]]), np.zeros((0, 2))]
    times = np.arange(0, 20, 0.1)
    speaker = np.where((times > 6.6) & (times < 11.8), 1, 0)
    seen, spoken = [], []
    for seed in range(30):
        looks = draw_looks(2, turns, 20.0, np.random.default_rng(seed))
        starts = [time for time, _ in looks]
        assert starts == sorted(starts)
        at = np.array([-1 if who is None else who for _, who in looks])
        now = at[np.searchsorted(starts, times, side="right") - 1]
        assert set(now) <= {-1, 0, 1}, "nobody looks at themselves"
        seen.append((now == speaker)[times > 1].mean())
        own = draw_looks(0, turns, 20.0, np.random.default_rng(seed))
        place = np.searchsorted([time for time, _ in own], times, side="right") - 1
        spoken.append(np.mean([own[i][1] is not None for i in place[times > 12.5]]))
    assert 0.6 < np.mean(seen) < 0.9
    assert np.mean(spoken) < 0.5, "speakers look at the viewer more than at a listener"


def test_eyes_go_first_and_the_head_follows() -> None:
    times = np.arange(100) / 25
    way = np.array([0.3, 0.05])
    gaze, head = look_curves([(0.0, None), (1.0, 0)], [way], times, np.random.default_rng(0))
    assert not gaze[:25].any()
    np.testing.assert_allclose(gaze[-1], way)
    assert gaze[29, 0] == pytest.approx(0.3, abs=0.01), "within a saccade"
    assert head[29, 0] < 0.5 * head[-1, 0]
    assert 0 < head[-1, 0] < gaze[-1, 0]


def test_gaze_and_head_turn_to_the_speaker(pair: list[Portrait]) -> None:
    voices = voices_of([(0.2, 9.5)], [], seconds=10.0)
    still = Motion(torch.zeros(250, len(space("face"))), torch.zeros(250, 6), 25.0, "face")
    attention = attention_of(1, pair, voices, still, seed=0)
    alone = {"blinks": 0.0, "breathing": 0.0}
    moved = add_natural_motion(still, voices[1].prosody, 0, attention=attention, **alone)
    looking = attention.gaze[:, 0] < -0.1
    assert looking.mean() > 0.4
    settled_look = looking & (np.abs(np.gradient(attention.head[:, 1])) < 1e-3)
    assert float(moved.channel("gazeLeftX")[settled_look].mean()) < -0.01
    assert float(moved.head[settled_look, 1].mean()) < -np.deg2rad(4)
    assert float(moved.channel("gazeLeftX").abs().max()) < 0.13 * np.sin(np.deg2rad(21))


# -------------------------------------------------------------------------------- the whole thing


@pytest.fixture(scope="module")
def conversation(pair: list[Portrait]) -> tuple[list[FaceVoice], list[Motion]]:
    """Left speaks at first, right from 2.2 s on; with the starter."""
    speech = talk_of((0.2, 2.0), (2.5, 4.3), seconds=4.8)
    voices = list(split_track(speech, parse_speaker_track("0:left 2.2:right"), 2))
    model = load_model()
    styles = [model.preset("happy"), model.preset("surprised")]
    faces = animate_faces(pair, voices, model, styles, Sampling(steps=5, seed=3))
    assert [portrait for portrait, _ in faces] == pair
    return voices, [motion for _, motion in faces]


def test_listeners_lips_are_closed(conversation: tuple[list[FaceVoice], list[Motion]]) -> None:
    voices, motions = conversation
    for voice, other, motion in zip(voices, voices[::-1], motions, strict=True):
        times = np.arange(len(motion)) / motion.fps
        share = speaking_share(voice.turns, times)
        aperture = motion.channel("lipAperture").numpy()
        assert aperture[share == 0].max() < 0.005
        assert aperture[share == 1].max() > 0.08
        start, end = other.turns[0]
        theirs = (times > start + 0.6) & (times < end - 0.4)
        assert aperture[theirs].max() < 0.005, "while the other speaks"
        assert motion.head[theirs].std(0).max() > 1e-3, "alive"


def test_lips_are_closed_in_the_picture(
    pair: list[Portrait], conversation: tuple[list[FaceVoice], list[Motion]]
) -> None:
    """The right one listens at 1.2 s and speaks at the widest of its aperture."""
    from dreamtalk.face.basis import FaceBasis
    from dreamtalk.face.channels import FACE_CHANNELS, measure_channels
    from dreamtalk.face.landmarker import FaceLandmarker

    motion = conversation[1][1]
    widest = int(motion.channel("lipAperture").argmax())
    index = torch.tensor([30, widest])
    part = motion.with_(expression=motion.expression[index], head=motion.head[index])
    frames = torch.cat(list(MeshRenderer(pair[1]).frames(part))).numpy()
    middle = frames.shape[2] // 2
    seen = []
    for frame in frames:
        marks = FaceLandmarker().detect(np.ascontiguousarray(frame[:, middle:]))[0]
        points, _ = FaceBasis.load().align(marks[None])
        seen.append(float(measure_channels(points)[0, FACE_CHANNELS.index("lipAperture")]))
    assert seen[0] < 0.02, "at rest"
    assert seen[1] > 0.06


def test_speakers_speak_as_if_alone(pair: list[Portrait]) -> None:
    speech = talk_of((0.2, 2.0), (2.4, 3.8), seconds=4.0)
    model = load_model()
    style = model.preset("neutral")
    voices = split_track(speech, parse_speaker_track("0:left"), 2)
    sampling = Sampling(steps=5, seed=1)
    faces = animate_faces(pair, voices, model, [style, style], sampling)
    alone = animate(speech, model, style, steps=5, seed=1, liveliness=0)
    share = speaking_share(voices[0].turns, np.arange(100) / 25)
    lips = [space("face").index[name] for name in space("face").regions["mouth"]]
    spoken = faces[0][1].expression[share == 1][:, lips]
    torch.testing.assert_close(spoken, alone.expression[share == 1][:, lips], atol=2e-3, rtol=0)


def test_seeds(pair: list[Portrait]) -> None:
    model = load_model()
    voices = voices_of([(0.2, 1.5)], [(1.8, 2.8)], seconds=3.0)
    styles = [model.preset("neutral")] * 2

    def made(seed: int) -> list[Motion]:
        faces = animate_faces(pair, voices, model, styles, Sampling(steps=2, seed=seed))
        return [motion for _, motion in faces]

    first, again, other = made(5), made(5), made(2**64 - 1)
    for a, b, c in zip(first, again, other, strict=True):
        assert torch.equal(a.expression, b.expression)
        assert torch.equal(a.head, b.head)
        assert not torch.equal(a.head, c.head)
    assert not torch.equal(first[0].head, first[1].head)
    with pytest.raises(DreamTalkError, match="2 faces, 1 voices"):
        animate_faces(pair, voices[:1], model, styles)
    bare = animate_faces(pair, voices, model, styles, Sampling(steps=2), liveliness=0.0)
    assert not bare[1][1].head.any()
