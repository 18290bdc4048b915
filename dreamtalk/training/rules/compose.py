"""Tracks, speaking style and emotion -> motion in the ``face`` space."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from ...motion.spaces import FACE
from ...speech.speech import FPS, SAMPLE_RATE
from ...style import EMOTIONS
from ..corpus.phones import VOWELS, Segment
from ..corpus.utterance import Samples
from .coarticulation import Articulation, articulate
from .expressions import EXPRESSIONS, emotion_offsets, named_offsets

Array = npt.NDArray[np.float64]

_HABITS = np.stack([
    named_offsets({"mouthWidth": 3.5, "mouthInnerWidth": 3.5}),
    named_offsets({"mouthCorner_Y": 3.0, "cheek_Y": 0.6}),
    named_offsets({"lipUpperY": 2.2, "lipUpperInnerY": 2.2, "noseWing_Y": 0.6}),
    named_offsets({"lipLowerY": 3.0}),
    named_offsets({"lipLowerY": -1.5, "chinY": -3.5}),
    named_offsets({"lipUpperZ": 1.5, "lipLowerZ": 2.5}),
    named_offsets({"mouthCornerLeftY": 1.2, "mouthCornerRightY": -1.2, "lipX": 0.8}),
    named_offsets({"lidUpper_Y": 1.4}),
    named_offsets({"lidLower_Y": 0.8, "cheek_Y": 0.6}),
    named_offsets({"browInner_Y": 2.0, "browOuter_Y": 1.6}),
    named_offsets({"browInner_Y": 1.0, "browOuter_Y": -1.0, "browFurrow_X": 0.3}),
])  # fmt: skip
"""What people add to an emotion of their own, one deviation each: tracked acted emotion differs
that much from the averages, sad faces with wide mouths or raised brows among them."""
OPENING, WIDENING = 1.28, 1.08
"""The viseme table's scale against real talkers (aperture median 10 %, deviation 5.5 %)."""
LEAD = 0.015
"""Seconds by which filmed lips run ahead of the phones as they are heard."""
LOUDNESS_EXPONENT = 0.2
"""How much wider louder phones open; fitted to filmed talkers."""


@dataclass(frozen=True)
class SpeakingStyle:
    """How somebody speaks, for as long as a recording lasts.

    Attributes:
        emotion, intensity: which, and how strongly (0 neutral, 1 strong).
        articulation: factor on how far the lips open.
        jaw: factor on the jaw's share in opening.
        spread: factor on widening and rounding.
        upper_lip: factor on the upper lip's share in opening.
        skew: sideways pull of the mouth, IOD per IOD of aperture.
        smile: resting corners, IOD.
        brows: brow emphasis on stressed vowels, IOD.
        restless: slow variation of the emotion, relative.
        variant: seed of how this person's version of the emotion differs, channel by channel;
            0 for the average.
    """

    emotion: str = "neutral"
    intensity: float = 1.0
    articulation: float = 1.0
    jaw: float = 1.0
    spread: float = 1.0
    upper_lip: float = 1.0
    skew: float = 0.0
    smile: float = 0.0
    brows: float = 0.012
    restless: float = 0.12
    variant: int = 0


def random_style(rng: random.Random, emotion: str | None = None) -> SpeakingStyle:
    """A style drawn around the population's."""
    emotion = emotion or rng.choice(EMOTIONS)

    def factor(spread: float) -> float:
        return float(np.exp(np.clip(rng.gauss(0, spread), -2 * spread, 2 * spread)))

    return SpeakingStyle(
        emotion=emotion,
        intensity=rng.uniform(0.4, 1.3),
        articulation=factor(0.2),
        jaw=factor(0.2),
        spread=factor(0.15),
        upper_lip=factor(0.2),
        skew=rng.gauss(0, 0.02),
        smile=rng.gauss(0, 0.006),
        brows=abs(rng.gauss(0, 0.014)),
        variant=rng.randrange(1, 1 << 31),
    )


@dataclass(frozen=True)
class GesturalScore:
    """What of a recording's motion does not depend on the style (the "gestural score" of
    articulatory phonology, Browman and Goldstein 1992): computed once, acted many times.

    Attributes:
        tracks: articulation at the frame times.
        stress: (T,) bumps on prominent vowels, 0..1.
        fps: frames per second.
    """

    tracks: Articulation
    stress: Array
    fps: float


def gestural_score(
    segments: tuple[Segment, ...],
    waveform: Samples | None,
    frames: int | None = None,
    fps: float = FPS,
) -> GesturalScore:
    """Prepare phones for acting.

    Args:
        segments: phones in time order.
        waveform: (N,) at 16 kHz, for loudness and stress; None: all alike.
        frames: how many; as long as the segments by default. Frame i shows time i / fps.
    """
    if frames is None:
        frames = max(1, round(segments[-1].end * fps))
    times = np.arange(frames) / fps + LEAD
    loudness = phone_loudness(segments, waveform)
    gains = np.clip(loudness, 0.4, 2.2) ** LOUDNESS_EXPONENT
    return GesturalScore(
        articulate(segments, times, gains), stress_curve(segments, loudness, times), fps
    )


def rule_motion(
    segments: tuple[Segment, ...],
    waveform: Samples | None,
    style: SpeakingStyle | None = None,
    seed: int = 0,
    frames: int | None = None,
    fps: float = FPS,
) -> npt.NDArray[np.float32]:
    """:func:`gestural_score` and :func:`styled_motion` in one: (T, 31) offsets in IOD."""
    return styled_motion(gestural_score(segments, waveform, frames, fps), style, seed)


def styled_motion(
    score: GesturalScore, style: SpeakingStyle | None = None, seed: int = 0
) -> npt.NDArray[np.float32]:
    """The motion of a score in a style.

    Args:
        style: neutral by default.
        seed: of the slow variation.

    Returns:
        (T, 31) offsets from neutral in IOD.
    """
    style = style or SpeakingStyle()
    expression = EXPRESSIONS[style.emotion]
    strength = 0.0 if style.emotion == "neutral" else style.intensity
    tracks, frames = score.tracks, len(score.stress)

    # louder acting opens wider; the lips may stay apart, but never in a closure
    opening = OPENING * style.articulation * (1 + strength * (expression.articulation - 1))
    # very wide openings saturate, as jaws do
    aperture = 0.36 * np.tanh(tracks.aperture * opening / 0.36)
    speaking = np.clip(tracks.aperture / 0.03, 0, 1)
    aperture = aperture + strength * expression.parted / 100 * speaking
    jaw = 0.85 * tracks.jaw * opening * style.jaw
    width = WIDENING * tracks.width * style.spread * (1 + strength * (expression.width - 1))
    forward = tracks.protrusion * style.spread
    upper = style.upper_lip

    motion = np.zeros((frames, len(FACE)))

    def add(channel: str, values: Array | float) -> None:
        motion[:, FACE.index[channel]] += values

    # how the points of the lips follow the four tracks: regressions on real talkers, rounded
    add("lipAperture", aperture)
    add("mouthWidth", width)
    add("mouthInnerWidth", 1.1 * width)
    add("lipUpperY", (0.30 * aperture - 0.30 * jaw) * upper + 0.1 * width - 0.006 * tracks.closure)
    add(
        "lipUpperInnerY",
        (0.42 * aperture - 0.40 * jaw) * upper + 0.12 * width - 0.004 * tracks.closure,
    )
    add(
        "lipLowerY",
        -0.5 * aperture - 0.4 * jaw + 0.2 * width + 0.008 * tracks.closure + 0.022 * tracks.tuck,
    )
    add("lipUpperZ", 0.8 * forward - 0.004 * tracks.closure)
    add(
        "lipLowerZ",
        forward - 0.30 * aperture + 0.1 * jaw - 0.008 * tracks.closure - 0.030 * tracks.tuck,
    )
    add("chinY", -jaw)
    for side, sign in (("Left", 1), ("Right", -1)):
        add(f"mouthCorner{side}Y", -0.1 * aperture + 0.25 * width - 0.3 * jaw + style.smile)
        add(f"mouthCorner{side}Y", sign * 0.5 * style.skew * aperture)
        add(f"cheek{side}Y", 0.06 * width - 0.06 * jaw)
        add(f"noseWing{side}Y", 0.03 * aperture)
    add("lipX", style.skew * aperture)
    add("jawX", 0.5 * style.skew * aperture)

    emphasis = score.stress * style.brows
    for name in ("browInnerLeftY", "browInnerRightY", "browOuterLeftY", "browOuterRightY"):
        add(name, emphasis)
    add("lidUpperLeftY", 0.15 * emphasis)
    add("lidUpperRightY", 0.15 * emphasis)

    level = emotion_course(score) + style.restless * slow_noise(frames, score.fps, seed)
    motion += level[:, None] * emotion_shape(style) * strength
    return motion.astype(np.float32)


def emotion_course(score: GesturalScore) -> Array:
    """How an emotion rises and falls with the speech: onset with the voice, apex on stressed
    vowels, some release in pauses. (T,), 1 on average while speaking.
    """
    talking = (score.tracks.aperture > 0.02).astype(float)
    slow = gaussian_filter1d(talking, 0.3 * score.fps, mode="nearest")
    stress = gaussian_filter1d(score.stress, 0.12 * score.fps, mode="nearest")
    course: Array = 0.80 + 0.17 * np.clip(1.5 * slow, 0, 1) + 0.15 * stress
    return course


def emotion_shape(style: SpeakingStyle) -> Array:
    """The channel offsets of the style's emotion at intensity 1, as this person shows it: (31,)."""
    shape = emotion_offsets(style.emotion)
    if style.variant == 0:
        return shape
    rng = np.random.Generator(np.random.PCG64(style.variant))
    own = shape * np.exp(rng.normal(-0.1, 0.45, len(shape))) + rng.normal(0, 0.007, len(shape))
    own = own + rng.standard_normal(len(_HABITS)) @ _HABITS
    # closed lips stay closed whoever it is
    own[FACE.index["lipAperture"]] = shape[FACE.index["lipAperture"]]
    return own


def phone_loudness(segments: tuple[Segment, ...], waveform: Samples | None) -> Array:
    """Root mean square of each phone over the median of the vowels, (K,); 1 without a waveform."""
    if waveform is None:
        return np.ones(len(segments))
    power = np.concatenate([[0.0], np.cumsum(waveform.astype(np.float64) ** 2)])
    edges = [
        (
            min(int(s.start * SAMPLE_RATE), len(waveform)),
            min(int(s.end * SAMPLE_RATE), len(waveform)),
        )
        for s in segments
    ]
    rms = np.array([np.sqrt((power[b] - power[a]) / max(b - a, 1)) for a, b in edges])
    vowels = rms[[s.phone in VOWELS for s in segments]]
    reference = float(np.median(vowels)) if len(vowels) else 0.0
    if reference <= 1e-6:
        return np.ones(len(segments))
    # consonants are quiet by nature: only vowels carry loudness, their neighbours follow
    level = np.array(
        [r / reference if s.phone in VOWELS else np.nan for r, s in zip(rms, segments, strict=True)]
    )
    known = np.flatnonzero(~np.isnan(level))
    filled: Array = np.interp(np.arange(len(level)), known, level[known])
    return filled


def stress_curve(segments: tuple[Segment, ...], loudness: Array, times: Array) -> Array:
    """Bumps on prominent vowels (long and loud), at least 0.7 s apart: (T,) in 0..1."""
    prominence = [
        (min(s.end - s.start, 0.25) * g, (s.start + s.end) / 2)
        for s, g in zip(segments, loudness, strict=True)
        if s.phone in VOWELS
    ]
    if not prominence:
        return np.zeros(len(times))
    bar = float(np.quantile([p for p, _ in prominence], 0.8))
    curve = np.zeros(len(times))
    taken: list[float] = []
    for strength, at in sorted(prominence, reverse=True):
        if strength < bar:
            break
        if all(abs(at - other) > 0.7 for other in taken):
            taken.append(at)
            curve = np.maximum(curve, np.exp(-0.5 * ((times - at) / 0.12) ** 2))
    return curve


def slow_noise(frames: int, fps: float, seed: int) -> Array:
    """Smooth noise of about unit variance with a correlation time of about 0.6 s."""
    rng = np.random.Generator(np.random.PCG64(seed))
    pad = int(4 * fps)
    white = rng.standard_normal(frames + 2 * pad)
    smooth = gaussian_filter1d(white, 0.6 * fps)
    scale = np.sqrt(2 * np.sqrt(np.pi) * 0.6 * fps)
    result: Array = smooth[pad : pad + frames] * scale
    return result
