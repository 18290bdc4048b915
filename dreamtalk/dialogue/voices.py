"""What each face says, and when: a speech of its own, as long as the whole conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..motion.prosody import Prosody, analyse
from ..speech.speech import SAMPLE_RATE, Speech

FADE = 0.02
"""s in which one voice gives way to another."""
LONGEST_PAUSE = 1.2
"""s without speech after which a face listens, until it speaks again."""
_SHORTEST = 0.05  # s; less is no turn


@dataclass(frozen=True)
class FaceVoice:
    """What one face says.

    Attributes:
        speech: as long as the conversation, 0 where the face has no turn.
        turns: (K, 2) s, start and end of every stretch of speech: from its first sound to its
            last, without the silence around it.
        prosody: cues of delivery, at the times of the conversation.
    """

    speech: Speech
    turns: np.ndarray
    prosody: Prosody


def voice_of(speech: Speech, turns: np.ndarray) -> FaceVoice:
    """A voice from what is said in its turns.

    Every turn is measured by itself: who speaks softly is heard beside somebody loud, too.

    Args:
        speech: 0 outside of the turns.
        turns: (K, 2) s, with the silence around what is said or without.
    """
    heard = [_heard(speech, start, end) for start, end in turns if end - start > _SHORTEST]
    activity = np.zeros(max(1, round(speech.duration * 100)))
    for start, cues in heard:
        first = round(start * 100)
        part = cues.activity[: max(0, len(activity) - first)]
        activity[first : first + len(part)] = np.maximum(activity[first : first + len(part)], part)
    phrases = np.concatenate([np.zeros((0, 2)), *(at + cues.phrases for at, cues in heard)])
    return FaceVoice(
        speech,
        _stretches(phrases),
        Prosody(
            speech.duration,
            activity,
            phrases,
            np.concatenate([np.zeros(0), *(at + cues.accents for at, cues in heard)]),
            np.concatenate([np.zeros(0), *(cues.weights for _, cues in heard)]),
        ),
    )


def _heard(speech: Speech, start: float, end: float) -> tuple[float, Prosody]:
    """When a turn begins, and its cues from there on."""
    first, last = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)
    return start, analyse(Speech(speech.waveform[first:last]), end - start)


def _stretches(phrases: np.ndarray) -> np.ndarray:
    """Phrases (P, 2), with pauses of at most :data:`LONGEST_PAUSE` joined, (K, 2)."""
    joined: list[list[float]] = []
    for start, end in phrases:
        if joined and start - joined[-1][1] <= LONGEST_PAUSE:
            joined[-1][1] = max(joined[-1][1], float(end))
        else:
            joined.append([float(start), float(end)])
    return np.array(joined, dtype=np.float64).reshape(-1, 2)


def cut_out(speech: Speech, turns: np.ndarray, cuts: np.ndarray | None = None) -> Speech:
    """The speech in some turns, silence elsewhere.

    A fade lies around every end of a turn, half before and half after, and two that meet add up to
    1: what is cut into parts at one time is the recording again when they are added up. There is
    none where the recording itself begins or ends.

    Args:
        turns: (K, 2) s, in order, apart from each other.
        cuts: (M,) s at which other faces' turns begin or end: all fades are short enough to reach
            from no cut to another.

    Returns:
        As long as the speech.
    """
    samples = speech.waveform.numel()
    own = np.asarray(turns, dtype=np.float64).reshape(-1)
    edges = _places(own, samples)
    gain = torch.zeros(samples)
    for start, end in edges.reshape(-1, 2):
        gain[start:end] = 1.0
    known = own if cuts is None else np.concatenate([own, cuts])
    places = np.unique(np.concatenate([[0, samples], _places(known, samples)]))
    half = min(round(FADE * SAMPLE_RATE), int(np.diff(places).min(initial=samples))) // 2
    rise = (torch.arange(2 * half) + 0.5) / max(1, 2 * half)
    for edge in edges[(edges > 0) & (edges < samples)] if half else ():
        around = gain[edge - half : edge + half]
        around.copy_(torch.lerp(around[:1].clone(), around[-1:].clone(), rise))
    return Speech(speech.waveform.detach().cpu().float() * gain)


def _places(times: np.ndarray, samples: int) -> np.ndarray:
    """s -> samples within the recording."""
    return np.round(times * SAMPLE_RATE).astype(np.int64).clip(0, samples)


def describe_turns(voices: Sequence[FaceVoice]) -> str:
    """Who speaks from when to when, in words."""
    lines = []
    for face, voice in enumerate(voices, 1):
        spoken = ", ".join(f"{start:.1f}-{end:.1f} s" for start, end in voice.turns)
        lines.append(f"face {face}: {spoken or 'listens'}")
    return "; ".join(lines)
