"""How well the style predictor predicts: tables for docs/figures/style-predictor.md.

    python benchmarks/style_predictor.py --corpus C --emodb EMODB --work W [--out TABLES.md]

C has a test split of acted speech, W the predictors of ``dreamtalk train style-predictor`` and of
its variants. Needs scikit-learn. What needs other recordings is in benchmarks/style_listening.py.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor

from dreamtalk.files.atomic import atomic_write
from dreamtalk.model import DreamTalkModel, load_model, speech_features
from dreamtalk.model.style_predictor import (
    LoadedPredictor,
    hear,
    load_style_predictor,
    predict_code,
)
from dreamtalk.speech.speech import Features, Speech
from dreamtalk.speech.tokens import speech_tokens
from dreamtalk.style import EMOTIONS, Style
from dreamtalk.training.corpus.emodb import HELD_OUT, LETTERS, Acted, joined_speech, read_emodb
from dreamtalk.training.corpus.recordings import Recording, read_corpus
from dreamtalk.training.data.heard import corpus_sounds
from dreamtalk.training.data.heard import hear as hear_sounds
from dreamtalk.training.data.style_codes import StyleCodes, make_codes
from dreamtalk.training.measure.emotions import EmotionClassifier
from dreamtalk.training.stages.style_predictor import VARIANTS, shape_dim, spread_over

PIECE = 24
"""Tokens of each stretch of test speech: 12 s."""


@dataclass(frozen=True)
class Case:
    """A stretch of held-out speech, a held-out person and the code that is right."""

    tokens: Tensor
    emotion: int
    person: int
    take: int
    portrait: Tensor
    leaked: Tensor


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--emodb", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--cases", type=int, default=64)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    model = load_model("starter")
    predictors = {
        name: load_style_predictor(model, path)
        for name in VARIANTS
        if (path := _weights(args.work, name)).exists()
    }
    lines = synthetic_table(model, predictors, args.corpus, args.cases)
    lines += ["", *emodb_tables(model, predictors["full"], args.emodb)]
    text = "\n".join(lines) + "\n"
    print(text)
    if args.out:
        with atomic_write(args.out) as part:
            part.write_text(text)


def _weights(work: Path, variant: str) -> Path:
    folder = "style-predictor" + ("" if variant == "full" else f"-{variant}")
    return work / folder / "style_predictor.safetensors"


# ------------------------------------------------------------------------- held-out made-up people


def synthetic_table(
    model: DreamTalkModel, predictors: dict[str, LoadedPredictor], corpus: Path, count: int
) -> list[str]:
    """The paper's table, on voices, texts and people that no training has."""
    recordings = [r for r in read_corpus(corpus, "test") if r.emotion]
    codes = make_codes(model, spread_over(recordings, 24), 60, 77, shape_dim())
    cases = make_cases(model, codes, recordings, count)
    judge = EmotionClassifier(spread_over(list(read_corpus(corpus)), 24))
    said = speech_features(Speech(torch.from_numpy(recordings[0].waveform[: 4 * 16000])), model)
    truth = [torch.from_numpy(codes.codes[c.person, c.emotion, c.take]) for c in cases]
    shown = [motion_of(model, said, code) for code in truth]
    std = torch.from_numpy(codes.std)
    lines = [
        f"{count} stretches of 12 s of held-out acted voices, 60 held-out people; code distance: "
        "root mean square in deviations of the codes; motion distance: of the channels, % IOD; "
        "style accuracy: of a classifier trained on rule motion.", "",
        "| predictor | code distance | motion distance | style accuracy |",
        "| --- | --- | --- | --- |",
    ]  # fmt: skip
    row = score(cases, truth, truth, shown, shown, judge, std)
    lines.append(f"| the true code | {row} |")
    for name, loaded in predictors.items():
        for draws in (8, 1) if loaded.network.config.diffuses else (1,):
            found = [predicted(loaded, case, name, draws) for case in cases]
            made = [motion_of(model, said, code) for code in found]
            row = score(cases, truth, found, shown, made, judge, std)
            how = f", {'one draw' if draws == 1 else f'the middle of {draws} draws'}"
            label = VARIANTS[name] + (how if loaded.network.config.diffuses else "")
            lines.append(f"| {label} | {row} |")
    full = predictors["full"]
    for label, variant in (
        ("as it is used: draws of the emotion that was heard", "full"),
        ("the same, no portrait given", "nobody"),
    ):
        found = [predicted(full, case, variant, 8, heard=True) for case in cases]
        made = [motion_of(model, said, code) for code in found]
        row = score(cases, truth, found, shown, made, judge, std)
        lines.append(f"| {label} | {row} |")
    return lines


def make_cases(
    model: DreamTalkModel, codes: StyleCodes, recordings: list[Recording], count: int
) -> list[Case]:
    """Speech and people at random; every emotion as often."""
    rng, draw = np.random.default_rng(5), random.Random(5)
    heard = list(hear_sounds(corpus_sounds(recordings, 5), model.speech_encoder, "test", 5))
    by_emotion = {e: [h for h in heard if h.emotion == e] for e in EMOTIONS}
    cases = []
    for i in range(count):
        emotion = i % len(EMOTIONS)
        one = draw.choice(by_emotion[EMOTIONS[emotion]])
        start = draw.randrange(max(1, len(one.tokens) - PIECE))
        person = draw.randrange(len(codes.speakers))
        take = codes.take(person, emotion, one.intensity)
        speaker, other = codes.speakers[person], draw.randrange(len(EMOTIONS))
        cases.append(Case(
            torch.from_numpy(one.tokens[start : start + PIECE].astype(np.float32)), emotion,
            person, take, torch.from_numpy(speaker.portrait(rng)),
            torch.from_numpy(speaker.portrait(rng, codes.expressions[person, other, take])),
        ))  # fmt: skip
    return cases


def predicted(
    loaded: LoadedPredictor, case: Case, variant: str, draws: int, heard: bool = False
) -> Tensor:
    """The code that a predictor finds for a case."""
    tokens = (case.tokens - loaded.token_mean) / loaded.token_std
    shape = {"no-speaker": None, "nobody": None, "leaked": case.leaked}.get(variant, case.portrait)
    emotion = int(hear(loaded, tokens[None])[0].argmax()) if heard else None
    return predict_code(loaded, tokens, shape, seed=case.person, draws=draws, emotion=emotion)


def motion_of(model: DreamTalkModel, said: Features, code: Tensor) -> np.ndarray:
    """What the face does in a style: (T, 31)."""
    return model.sample(said, Style(code, model.fingerprint), steps=5).expression.numpy()


def score(
    cases: Sequence[Case],
    truth: Sequence[Tensor],
    found: Sequence[Tensor],
    shown: Sequence[np.ndarray],
    made: Sequence[np.ndarray],
    judge: EmotionClassifier,
    std: Tensor,
) -> str:
    """The three columns."""
    code = torch.stack([
        ((a - b) / std).square().mean().sqrt() for a, b in zip(truth, found, strict=True)
    ]).mean()  # fmt: skip
    motion = np.mean([np.sqrt(((a - b) ** 2).mean()) for a, b in zip(shown, made, strict=True)])
    right = np.mean(
        [judge.classify(m[:100]) == c.emotion for m, c in zip(made, cases, strict=True)]
    )
    return f"{float(code):.2f} | {100 * motion:.2f} | {right:.0%}"


# ------------------------------------------------------------------------------------ real voices


def emodb_tables(model: DreamTalkModel, loaded: LoadedPredictor, folder: Path) -> list[str]:
    """Two actors whom nothing has heard, beside a plain classifier on the same features."""
    clips = read_emodb(folder)
    tokens = [tokens_of(model, clip.waveform) for clip in clips]
    labels = np.array([EMOTIONS.index(LETTERS[clip.letter]) for clip in clips])
    out = np.array([clip.actor in HELD_OUT for clip in clips])
    summary = np.stack([torch.cat([t.mean(0), t.std(0, correction=0)]).numpy() for t in tokens])
    plain = make_pipeline(StandardScaler(), SVC(class_weight="balanced"))
    plain.fit(summary[~out], labels[~out])
    lines = [
        f"EmoDB, actors {' and '.join(HELD_OUT)} ({out.sum()} clips of at most 2 s), boredom "
        "counted as neutral.", "",
    ]  # fmt: skip
    chosen = [i for i in range(len(clips)) if out[i]]
    standard = [(tokens[i] - loaded.token_mean) / loaded.token_std for i in chosen]
    told = [int(hear(loaded, t[None])[0].argmax()) for t in standard]
    drawn = code_reader(model)
    read = [
        drawn(predict_code(loaded, t, None, seed=i, emotion=e))
        for i, (t, e) in enumerate(zip(standard, told, strict=True))
    ]
    want = labels[out].tolist()
    for title, answers in (
        ("what the predictor hears", told),
        ("what its codes show", read),
        ("a support vector machine on the same features", plain.predict(summary[out]).tolist()),
    ):
        lines += [*confusion(title, want, answers), ""]
    joined, wanted = joined_cases(model, loaded, clips)
    told = [int(hear(loaded, t[None])[0].argmax()) for t in joined]
    lines += confusion("what it hears in three to five joined clips", wanted, told)
    return lines


def tokens_of(model: DreamTalkModel, waveform: np.ndarray) -> Tensor:
    """Tokens of a waveform, not standardized."""
    speech = Speech(torch.from_numpy(np.ascontiguousarray(waveform)))
    return speech_tokens(speech_features(speech, model), speech)


def joined_cases(
    model: DreamTalkModel, loaded: LoadedPredictor, clips: Sequence[Acted], each: int = 6
) -> tuple[list[Tensor], list[int]]:
    """Longer speech of the left-out actors in one emotion each."""
    draw, found, labels = random.Random(3), [], []
    for actor in HELD_OUT:
        for letter, emotion in LETTERS.items():
            own = [c for c in clips if c.actor == actor and c.letter == letter]
            for _ in range(each):
                if len(own) >= 3:
                    speech = joined_speech(draw.sample(own, min(5, len(own))), draw, most=5)
                    tokens = tokens_of(model, speech)
                    found.append((tokens - loaded.token_mean) / loaded.token_std)
                    labels.append(EMOTIONS.index(emotion))
    return found, labels


def code_reader(model: DreamTalkModel):
    """Which emotion a code shows: linear discriminants on codes of made-up people."""
    from dreamtalk.training.corpus.recordings import make_recording

    recordings = [make_recording(9, i, ("formant",), "train", 8.0) for i in range(6)]
    codes = make_codes(model, recordings, 60, 78, shape_dim())
    flat = codes.codes.reshape(-1, codes.codes.shape[-1])
    labels = np.tile(np.repeat(np.arange(len(EMOTIONS)), codes.codes.shape[2]), 60)
    reader = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.2).fit(flat, labels)
    return lambda code: int(reader.predict(code.numpy()[None])[0])


def confusion(title: str, want: Sequence[int], told: Sequence[int]) -> list[str]:
    """A confusion table with its accuracy and the mean of the rows'."""
    matrix = np.zeros((len(EMOTIONS), len(EMOTIONS)), int)
    for a, b in zip(want, told, strict=True):
        matrix[a, b] += 1
    rows = [i for i in range(len(EMOTIONS)) if matrix[i].sum()]
    recall = np.mean([matrix[i, i] / matrix[i].sum() for i in rows])
    lines = [
        f"**{title}**: {np.trace(matrix) / matrix.sum():.0%} right, {recall:.0%} on average over "
        "the emotions", "", f"| acted | {' | '.join(EMOTIONS)} |", "| --- " * 9 + "|",
    ]  # fmt: skip
    for i in rows:
        lines.append(f"| {EMOTIONS[i]} | {' | '.join(str(n or '') for n in matrix[i])} |")
    return lines


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
