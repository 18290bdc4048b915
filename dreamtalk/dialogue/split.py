"""One speech per face, from one recording or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.signal import resample_poly
from torch import Tensor

from ..errors import AudioError, DreamTalkError
from ..motion.prosody import analyse
from ..options import checked
from ..speech.loading import normalize_loudness, speech_from_waveform
from ..speech.speech import SAMPLE_RATE, Speech
from .stereo import split_stereo
from .turns import SpeakerMark, parse_speaker_track, turns_of
from .voices import FaceVoice, cut_out, voice_of

STEREO = "stereo"
"""In the place of a speaker track: each channel is somebody."""
REACH = 0.3
"""s that a mark is moved at most to lie in a pause."""
_WITHIN = 0.1  # s inside a pause: word ends are softer than what counts as speech
_HIGHEST = 384_000


@dataclass(frozen=True)
class Recording:
    """A recording in a conversation.

    Attributes:
        waveform: (C, N) float32 in -1..1.
        rate: Hz.
        at: s after the beginning of the conversation.
    """

    waveform: Tensor
    rate: int
    at: float = 0.0

    def __post_init__(self) -> None:
        checked(AudioError, start=self.at)
        if self.waveform.ndim != 2 or 0 in self.waveform.shape:
            raise AudioError(f"a recording is (C, N) samples, not {tuple(self.waveform.shape)}")
        if not 0 < self.rate <= _HIGHEST:
            raise AudioError(f"{self.rate} Hz is not a sample rate")


def who_says_what(
    recordings: Sequence[Recording], speakers: str | None, faces: int
) -> tuple[FaceVoice, ...]:
    """The voice of every face of a picture.

    Args:
        recordings: one that all speak in, or one for each face from the left.
        speakers: of one recording: a speaker track (see :func:`parse_speaker_track`), or
            ``"stereo"``: the left channel is the leftmost face, the right one the rightmost.
        faces: how many there are; those without a voice listen.

    Returns:
        One a face, from the left, all as long as the conversation.

    Raises:
        DreamTalkError: if nobody says who speaks, or there are fewer faces than voices.
    """
    if not recordings:
        raise AudioError("there is no recording to speak")
    track = (speakers or "").strip()
    if len(recordings) > 1 or recordings[0].at:
        if track:
            raise DreamTalkError(
                f"speakers ('{track[:40]}') are told in one recording: with {len(recordings)} of "
                "them, each is one face's, from the left"
            )
        return _from_recordings(recordings, faces)
    only = recordings[0]
    if not track:
        raise DreamTalkError(
            "who speaks when? Write for example 0:left 4.2:right 9:both, or stereo for one "
            "person on each channel"
        )
    if track.lower() == STEREO:
        _check_count(2, faces)
        left, right = split_stereo(only.waveform, only.rate)
        silent = voice_of(Speech(torch.zeros_like(left.speech.waveform)), np.zeros((0, 2)))
        return (left, *[silent] * (faces - 2), right)
    speech = speech_from_waveform(only.waveform, only.rate)
    return split_track(speech, parse_speaker_track(track), faces)


def split_track(speech: Speech, marks: Sequence[SpeakerMark], faces: int) -> tuple[FaceVoice, ...]:
    """One voice per face, told by marks.

    A mark that falls into a word is moved to the nearest pause, by :data:`REACH` at most.
    """
    turns, cuts = turns_of(settled(speech, marks), faces, speech.duration)
    return tuple(voice_of(cut_out(speech, own, cuts), own) for own in turns)


def settled(speech: Speech, marks: Sequence[SpeakerMark]) -> list[SpeakerMark]:
    """Marks, in the order of time, moved into the pauses next to them."""
    phrases = analyse(speech, speech.duration).phrases
    pauses = np.concatenate([[0.0], phrases.reshape(-1), [speech.duration]]).reshape(-1, 2)
    # a word that is cut off at an end has no pause there: whoever is moved to it loses the turn
    pauses = pauses[pauses[:, 0] < pauses[:, 1]]
    if not len(pauses):
        return list(marks)
    inside = np.minimum(_WITHIN, (pauses[:, 1] - pauses[:, 0]) / 2)
    low, high = pauses[:, 0] + inside, pauses[:, 1] - inside
    moved: list[SpeakerMark] = []
    for mark in marks:
        best = np.clip(mark.time, low, high)
        nearest = float(best[np.abs(best - mark.time).argmin()])
        near = abs(nearest - mark.time) <= REACH and 0 < mark.time < speech.duration
        time = nearest if near else mark.time
        if moved and time <= moved[-1].time:  # two marks in one pause keep their distance
            time = max(mark.time, moved[-1].time + 1 / SAMPLE_RATE)
        moved.append(SpeakerMark(time, mark.names))
    return moved


def _from_recordings(recordings: Sequence[Recording], faces: int) -> tuple[FaceVoice, ...]:
    _check_count(len(recordings), faces)
    speeches = [normalize_loudness(_speech_of(recording)) for recording in recordings]
    starts = [round(recording.at * SAMPLE_RATE) for recording in recordings]
    ends = [at + s.waveform.numel() for at, s in zip(starts, speeches, strict=True)]
    silence = Speech(torch.zeros(max(ends)))
    voices = []
    for at, end, speech in zip(starts, ends, speeches, strict=True):
        waveform = silence.waveform.clone()
        waveform[at:end] = speech.waveform
        own = np.array([[at, end]]) / SAMPLE_RATE
        voices.append(voice_of(Speech(waveform), own))
    missing = faces - len(voices)
    return (*voices, *[voice_of(silence, np.zeros((0, 2)))] * missing)


def _speech_of(recording: Recording) -> Speech:
    return speech_from_waveform(recording.waveform, recording.rate, normalize=False)


def _check_count(voices: int, faces: int) -> None:
    if faces < voices:
        raise DreamTalkError(
            f"there are {voices} voices and {faces} face{'s' * (faces != 1)}: take a picture "
            "that shows everybody, or name more faces"
        )


def mixed(recordings: Sequence[Recording]) -> tuple[Tensor, int]:
    """All recordings together, as they are heard.

    Returns:
        (C, N) float32 with one or two channels, turned down if it would clip, and its rate: that
        of the first one.
    """
    first = recordings[0]
    if len(recordings) == 1 and not first.at:
        return first.waveform, first.rate
    channels = 2 if any(len(r.waveform) == 2 for r in recordings) else 1
    parts = []
    for recording in recordings:
        even = _at_rate(recording.waveform, recording.rate, first.rate)
        spread = even if len(even) == channels else even.mean(0, keepdim=True)
        parts.append((round(recording.at * first.rate), spread.expand(channels, -1)))
    mix = torch.zeros(channels, max(at + part.shape[1] for at, part in parts))
    for at, part in parts:
        mix[:, at : at + part.shape[1]] += part
    return mix / max(1.0, float(mix.abs().max())), first.rate


def _at_rate(waveform: Tensor, rate: int, wanted: int) -> Tensor:
    if rate == wanted:
        return waveform
    common = int(np.gcd(rate, wanted))
    made = resample_poly(waveform.numpy(), wanted // common, rate // common, axis=1)
    return torch.from_numpy(np.ascontiguousarray(made, dtype=np.float32))
