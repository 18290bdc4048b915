"""What the style predictor does with speech nobody acted, over time, and how fast.

    python benchmarks/style_listening.py --emodb EMODB [--calm RECORDING ...] [--work W]
        [--out FILE] [--images docs/images]

Calm recordings: how neutral they come out. EmoDB's left-out actors: seeds, joints from calm to
angry, ten minutes of one mood. Portraits: the same voice with other faces.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dreamtalk.face.image import save_image
from dreamtalk.files.atomic import atomic_write
from dreamtalk.model import DreamTalkModel, load_model, speech_features
from dreamtalk.model.heard_plot import COLOURS, plot_heard
from dreamtalk.model.listening import Heard, predict_style
from dreamtalk.model.style_predictor import (
    LoadedPredictor,
    hear,
    load_style_predictor,
    predict_code,
)
from dreamtalk.motion.spaces import FACE
from dreamtalk.speech.loading import load_speech
from dreamtalk.speech.speech import SAMPLE_RATE, Speech
from dreamtalk.style import EMOTIONS, Style
from dreamtalk.training.corpus.emodb import HELD_OUT, Acted, read_emodb

SHOWING = [
    i for i, name in enumerate(FACE.channels)
    if name.startswith(("brow", "cheek", "noseWing", "mouthCorner", "lidUpper", "mouthWidth"))
]  # fmt: skip
"""Channels that tell emotions."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--emodb", type=Path, required=True)
    parser.add_argument("--calm", type=Path, nargs="*", default=[])
    parser.add_argument("--predictor", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--images", type=Path)
    args = parser.parse_args()
    model = load_model("starter")
    loaded = load_style_predictor(model, args.predictor)
    clips = read_emodb(args.emodb)
    lines = calm_table(model, loaded, args.calm) if args.calm else []
    lines += faces_table(model, loaded, clips)
    lines += joints(model, loaded, clips, args.images)
    lines += steadiness(model, loaded, clips)
    lines += latency(model, loaded)
    if args.images:
        save_image(plot_seeds(model, loaded, clips), args.images / "style-seeds.png")
    text = "\n".join(lines) + "\n"
    print(text)
    if args.out:
        with atomic_write(args.out) as part:
            part.write_text(text)


def shown(model: DreamTalkModel, code: Tensor, said: object) -> Tensor:
    """What a style shows on average: the channels that tell emotions, % IOD."""
    motion = model.sample(said, Style(code, model.fingerprint), steps=6)
    return 100 * motion.expression[:, SHOWING].mean(0)


def calm_table(model: DreamTalkModel, loaded: LoadedPredictor, recordings: list[Path]) -> list[str]:
    """How neutral each recording is heard, and how far its face is from the neutral preset's."""
    said = speech_features(load_speech(recordings[0], duration=4.0), model)
    rest = shown(model, model.preset("neutral").code, said)
    scale = {
        e: float((shown(model, model.preset(e).code, said) - rest).square().mean().sqrt())
        for e in EMOTIONS if e != "neutral"
    }  # fmt: skip
    lines = [
        "Speech that nobody acted. Neutral: its probability. Shown: how far the style's face is "
        "from the neutral preset's (root mean square over brows, lids, cheeks, corners, width, "
        f"% IOD), mean of two seeds; the presets show {min(scale.values()):.1f} "
        f"({min(scale, key=scale.get)}) to {max(scale.values()):.1f} "
        f"({max(scale, key=scale.get)}). Changes: of the style over time.", "",
        "| recording | s | heard | neutral | shown | changes |", "| --- " * 6 + "|",
    ]  # fmt: skip
    neutral, sizes, most = [], [], []
    for path in recordings:
        speech = load_speech(path, duration=30.0)
        features = speech_features(speech, model)
        tracked, heard = predict_style(loaded, features, speech, over_time=True)
        codes = [predict_style(loaded, features, speech, seed=s)[0].code for s in range(2)]
        far = [float((shown(model, c, said) - rest).square().mean().sqrt()) for c in codes]
        neutral.append(float(heard.probabilities[0]))
        sizes.append(np.mean(far))
        most.append(heard.emotion)
        lines.append(
            f"| {path.stem} | {speech.duration:.0f} | {_two(heard)} | {neutral[-1]:.0%} | "
            f"{sizes[-1]:.1f} | {tracked.name.count(':') - 2} |"
        )
    lines += [
        "",
        f"{most.count('neutral')} of {len(most)} are heard as neutral; neutral on "
        f"average {np.mean(neutral):.0%}; shown on average {np.mean(sizes):.1f}.",
        "",
    ]
    return lines


def _two(heard: Heard) -> str:
    return ", ".join(heard.words().split(", ")[:2])


def of_actor(clips: list[Acted], actor: str, letter: str) -> list[np.ndarray]:
    """Waveforms of an actor in an emotion."""
    return [c.waveform for c in clips if c.actor == actor and c.letter == letter]


def lasting(waveforms: list[np.ndarray], seconds: float, seed: int) -> np.ndarray:
    """Clips in random order with pauses until they last so long."""
    draw, pieces, total = random.Random(seed), [], 0.0
    while total < seconds:
        for waveform in draw.sample(waveforms, len(waveforms)):
            pause = np.zeros(int(draw.uniform(0.1, 0.6) * SAMPLE_RATE), np.float32)
            pieces += [pause, waveform]
            total += (len(pause) + len(waveform)) / SAMPLE_RATE
    return np.concatenate(pieces)[: int(seconds * SAMPLE_RATE)]


def speech_of(waveform: np.ndarray) -> Speech:
    """Of samples."""
    return Speech(torch.from_numpy(np.ascontiguousarray(waveform, np.float32)))


def faces_table(model: DreamTalkModel, loaded: LoadedPredictor, clips: list[Acted]) -> list[str]:
    """How far codes are apart: other seeds, other faces, other voices, other emotions."""
    std, tokens = loaded.code_std, {}
    for actor in HELD_OUT:
        for letter in "NW":
            speech = speech_of(lasting(of_actor(clips, actor, letter), 10, 0))
            tokens[actor, letter] = loaded.tokens(speech_features(speech, model), speech)
    told = {key: int(hear(loaded, t[None])[0].argmax()) for key, t in tokens.items()}
    width = loaded.network.config.shape_dim
    faces = torch.randn(8, width, generator=torch.Generator().manual_seed(0))
    man, woman = HELD_OUT

    def apart(a: Tensor, b: Tensor) -> float:
        return float(((a - b) / std).square().mean().sqrt())

    def code(actor: str, letter: str, face: Tensor | None, seed: int) -> Tensor:
        return predict_code(loaded, tokens[actor, letter], face, seed, emotion=told[actor, letter])

    rows = {
        "same voice, same face, other seed":
            [apart(code(a, "W", faces[0], i), code(a, "W", faces[0], i + 9))
             for a in HELD_OUT for i in range(8)],
        "same voice, other face, same seed":
            [apart(code(a, "W", faces[i], i), code(a, "W", faces[i - 1], i))
             for a in HELD_OUT for i in range(8)],
        "other voice in the same emotion, same face and seed":
            [apart(code(man, "W", faces[i], i), code(woman, "W", faces[i], i)) for i in range(8)],
        "same voice in another emotion, same face and seed":
            [apart(code(a, "W", faces[i], i), code(a, "N", faces[i], i))
             for a in HELD_OUT for i in range(8)],
    }  # fmt: skip
    lines = ["How far codes are apart (root mean square, in deviations of the codes; left-out "
             "actors of EmoDB, 10 s, eight made-up faces):", "", "| what differs | apart |",
             "| --- | --- |"]  # fmt: skip
    return [*lines, *(f"| {k} | {np.mean(v):.2f} |" for k, v in rows.items()), ""]


def joints(
    model: DreamTalkModel, loaded: LoadedPredictor, clips: list[Acted], images: Path | None
) -> list[str]:
    """Ten calm seconds, then ten angry ones of the same actor: when does the style turn?"""
    found, clean = [], 0
    for trial in range(12):
        actor = HELD_OUT[trial % 2]
        calm = lasting(of_actor(clips, actor, "N"), 10, trial)
        angry = lasting(of_actor(clips, actor, "W"), 10, trial)
        speech = speech_of(np.concatenate([calm, angry]))
        style, heard = predict_style(loaded, speech_features(speech, model), speech, over_time=True)
        marks = [m.split(":") for m in style.name.removeprefix("auto: ").split()]
        turns = [float(t) for t, name in marks if name == "angry" and float(t) > 0]
        if turns:
            found.append(min((abs(t - 10), t - 10) for t in turns)[1])
        clean += [name for _, name in marks] == ["neutral", "angry"]
        if trial == 0 and images is not None:
            save_image(plot_heard(heard, speech, 1000), images / "style-heard.png")
    within = sum(abs(t) <= 1 for t in found)
    return [
        f"Calm, then angry (12 joints of the left-out actors): {within} turn to anger within a "
        f"second of the joint; offsets in s: {', '.join(f'{t:+.1f}' for t in found)}. "
        f"{clean} have these two styles and no other.", "",
    ]  # fmt: skip


def steadiness(model: DreamTalkModel, loaded: LoadedPredictor, clips: list[Acted]) -> list[str]:
    """Ten minutes of one mood: how often does the style change?"""
    told = []
    for actor, letter, name in (("03", "N", "neutral"), ("16", "W", "angry"), ("16", "T", "sad")):
        speech = speech_of(lasting(of_actor(clips, actor, letter), 600, 1))
        style, _ = predict_style(loaded, speech_features(speech, model), speech, over_time=True)
        marks = style.name.removeprefix("auto: ").split()
        told.append(f"{actor} {name}: {len(marks) - 1}")
    return [f"Changes of style in ten minutes of one mood: {'; '.join(told)}.", ""]


def latency(model: DreamTalkModel, loaded: LoadedPredictor) -> list[str]:
    """10 s of speech on one core."""
    torch.set_num_threads(1)
    noise = np.random.default_rng(0).standard_normal(10 * SAMPLE_RATE) * 0.1
    speech = speech_of(noise * np.repeat(np.random.default_rng(1).random(100), 1600))
    spent: dict[str, list[float]] = {"features": [], "style": [], "style over time": []}
    for _ in range(6):
        begin = time.perf_counter()
        features = speech_features(speech, model)
        first = time.perf_counter()
        predict_style(loaded, features, speech)
        second = time.perf_counter()
        predict_style(loaded, features, speech, over_time=True)
        for name, value in zip(
            spent, (first - begin, second - first, time.perf_counter() - second), strict=True
        ):
            spent[name].append(value)
    told = ", ".join(f"{name} {min(values):.2f} s" for name, values in spent.items())
    return [f"10 s of speech on one core, best of six, librosa loaded: {told}.", ""]


def plot_seeds(model: DreamTalkModel, loaded: LoadedPredictor, clips: list[Acted]) -> Tensor:
    """64 seeds of three moods between the presets: two directions that tell these apart best."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    moods = {"neutral": "N", "angry": "W", "sad": "T", "happy": "F"}
    clouds = {}
    for name, letter in moods.items():
        speech = speech_of(lasting(of_actor(clips, HELD_OUT[1], letter), 8, 0))
        tokens = loaded.tokens(speech_features(speech, model), speech)
        clouds[name] = torch.stack(
            [predict_code(loaded, tokens, None, seed, draws=1) for seed in range(64)]
        )
    presets = torch.stack([model.presets[e] for e in EMOTIONS])
    centre = presets.mean(0)
    axes = (
        torch.linalg.svd((presets - centre) / loaded.code_std).Vh[:2].T / loaded.code_std[:, None]
    )
    figure = Figure(figsize=(7.2, 5.2), dpi=100, facecolor="#ffffff")
    FigureCanvasAgg(figure)
    plot = figure.subplots()
    for name, codes in clouds.items():
        places = ((codes - centre) @ axes).numpy()
        plot.scatter(places[:, 0], places[:, 1], s=14, color=COLOURS[name], label=f"{name} speech")
    for emotion, place in zip(EMOTIONS, ((presets - centre) @ axes).numpy(), strict=True):
        plot.plot(*place, marker="x", color="#20242c", markersize=7)
        plot.annotate(emotion, place, xytext=(5, 4), textcoords="offset points", fontsize=9)
    plot.legend(frameon=False, fontsize=9)
    plot.set_xticks([])
    plot.set_yticks([])
    plot.set_title("64 seeds of four recordings, and the presets (x)", fontsize=11, loc="left")
    figure.tight_layout()
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    return torch.from_numpy(pixels.astype(np.float32) / 255.0)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
