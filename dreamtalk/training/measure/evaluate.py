"""``dreamtalk train evaluate``: every figure of the model card in one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ...errors import DreamTalkError
from ...model import DreamTalkModel
from ...progress import Progress, silent
from ..corpus.recordings import Recording, read_corpus
from ..data.motions import MotionData
from ..stages.lip_expert import expert_batch, shift_accuracy
from .clips import classify_clips, evaluate_clips, evaluate_style_transfer, read_clips, read_people
from .conditions import CONDITIONS
from .emotions import Confusion, EmotionClassifier, evaluate_presets
from .figures import Figures, evaluate_speech

PROMPTS = "asterisk"
"""Engine of recorded prompts."""
STRONG_INTENSITY = 1.6
"""Intensity that styles of clips are measured at as well: people act less than the rule."""
EXPERT_RECORDINGS = 32
"""Recordings that the lip expert is asked about."""


@dataclass
class Evaluation:
    """What was measured.

    Attributes:
        lines: name, number of recordings and figures.
        emotions: name -> how the classifier did.
        style_transfer: name -> correlation and size of the expression that motion in the style of a
            clip has of the clip's.
        shifts: accuracy of the lip expert for each shift in frames.
    """

    lines: list[tuple[str, int, Figures]] = field(default_factory=list)
    emotions: dict[str, Confusion] = field(default_factory=dict)
    style_transfer: dict[str, tuple[float, float]] = field(default_factory=dict)
    shifts: dict[int, float] = field(default_factory=dict)


def evaluate(
    model: DreamTalkModel,
    corpus: Path,
    recordings: int = 16,
    steps: int = 10,
    conditions: bool = False,
    sync: float = 0.0,
    clips: Path | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Measure a model on the test split.

    Args:
        model: a starter.
        corpus: with a test split; recorded prompts in it are told by their voice.
        recordings: a line, at most.
        steps: of the sampler.
        conditions: also noise, a child's voice, whispering, singing and so on.
        sync: scale of lip-sync guidance.
        clips: folder of tracked clips of acted emotion; see :func:`read_clips`.

    Raises:
        DreamTalkError: if there is no test split.
    """
    everything = list(read_corpus(corpus, "test"))
    recorded = [r for r in everything if r.voice.startswith(PROMPTS)]
    voices = [r for r in everything if not r.voice.startswith(PROMPTS)]
    english = [r for r in voices if _is_english(r)]
    others = [r for r in voices if not _is_english(r)]
    evaluation = Evaluation()

    def measure(name: str, chosen: Sequence[Recording], degraded: bool = False) -> None:
        chosen = chosen[:recordings]
        if chosen:
            found = evaluate_speech(model, chosen, steps, degraded, sync, progress)
            evaluation.lines.append((name, len(chosen), found))

    measure("held-out synthetic voices", voices)
    measure("  rooms, noise, codecs", voices, True)
    measure("  English", english)
    measure("  other languages", others)
    measure("recorded prompts, a speaker not heard", recorded)
    measure("  prompts with rooms, noise, codecs", recorded, True)
    if conditions:
        for name, change in CONDITIONS.items():
            measure(name, _changed(voices[:recordings], change))
    classifier = EmotionClassifier(voices[:12] or everything[:12])
    sources = (voices or everything)[:6]
    evaluation.emotions["presets"] = evaluate_presets(model, classifier, sources, steps=steps)
    if clips is not None:
        _add_clips(evaluation, model, classifier, clips, sources, steps)
    if model.lip_expert is not None:
        every = max(1, len(everything) // EXPERT_RECORDINGS)
        evaluation.shifts = expert_shifts(model, everything[::every])
    return evaluation


def _add_clips(
    evaluation: Evaluation,
    model: DreamTalkModel,
    classifier: EmotionClassifier,
    clips: Path,
    sources: Sequence[Recording],
    steps: int,
) -> None:
    """What styles of tracked clips make of recordings, and the clips themselves."""
    people = read_people(clips)
    rested = [clip for own in people.values() for clip in own]
    plain = read_clips(clips, from_rest=False)
    evaluation.emotions["the clips themselves"] = classify_clips(classifier, rested)
    for title, found, intensity in (
        ("styles of clips", rested, 1.0),
        (f"styles of clips at intensity {STRONG_INTENSITY:g}", rested, STRONG_INTENSITY),
        ("styles of clips from the mean face", plain, 1.0),
    ):
        evaluation.emotions[title] = evaluate_clips(
            model, classifier, found, sources[:3], steps, intensity
        )
    for intensity in (1.0, STRONG_INTENSITY):
        title = f"styles of clips at intensity {intensity:g}"
        evaluation.style_transfer[title] = evaluate_style_transfer(
            model, people, sources[:2], steps, intensity
        )


def expert_shifts(model: DreamTalkModel, recordings: list[Recording]) -> dict[int, float]:
    """Accuracy of a model's lip expert on recordings that it has not heard.

    Raises:
        DreamTalkError: if the model has none.
    """
    expert = model.lip_expert
    if expert is None:
        raise DreamTalkError("the checkpoint has no lip expert")
    data = MotionData(
        recordings,
        model.speech_encoder,
        seed=5,
        copies=1,
        window=model.config.window,
        clip=model.config.max_style_length,
        unsure=False,
    )
    data.mean, data.std = model.motion_mean.cpu(), model.motion_std.cpu()
    torch.manual_seed(0)
    return shift_accuracy(expert, lambda k: expert_batch(data, model.denoiser, 10**6, 512, k))


def _is_english(recording: Recording) -> bool:
    engine, _, name = recording.voice.partition("/")
    return engine != "espeak" or name.startswith("en")


def _changed(
    recordings: Sequence[Recording], change: Callable[[Recording], Recording]
) -> list[Recording]:
    return [change(r) for r in recordings]
