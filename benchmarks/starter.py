"""What guidance does to the starter: lip-sync guidance and the intensity of emotions.

python benchmarks/starter.py --corpus C [--checkpoint starter] [--recordings 4]

C is a corpus with a test split (``dreamtalk train corpus --corpus C --split test``).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from dreamtalk.model import DreamTalkModel, load_model
from dreamtalk.motion.spaces import LIP_CHANNELS
from dreamtalk.speech.speech import Features
from dreamtalk.style import EMOTIONS
from dreamtalk.training.corpus.recordings import Recording, read_corpus
from dreamtalk.training.evaluation import evaluate_speech, features_of
from dreamtalk.training.rules.expressions import offsets

LIPS = len(LIP_CHANNELS)


def emotion_strength(expression: torch.Tensor, emotion: str) -> float:
    """How much of the rule's shape of an emotion the mean upper face shows."""
    shape = torch.from_numpy(offsets(emotion)).float()[LIPS:]
    return float(expression.mean(0)[LIPS:] @ shape / (shape @ shape))


@torch.no_grad()
def mean_sync(model: DreamTalkModel, features: Features, sync: float) -> float:
    """The lip expert's mean P_sync over all emotions."""
    assert model.lip_expert is not None
    found = []
    for emotion in EMOTIONS:
        style = model.preset(emotion)
        motion = model.sample(features, style, sync=sync).expression
        lips = ((motion - model.motion_mean) / model.motion_std)[None, :, :LIPS]
        rows = features.rows[None, : 2 * len(motion)]
        found.append(model.lip_expert.log_sync(rows, lips, style.code[None]).exp().mean())
    return float(torch.stack(found).mean())


def report(model: DreamTalkModel, recordings: list[Recording]) -> None:
    features = features_of(model, recordings[0].waveform[: 8 * 16_000])
    print("lip-sync guidance: P_sync, aperture r, width r, closure (chance), 8-12 Hz")
    for sync in (0.0, 0.5, 1.0, 2.0, 4.0):
        f = evaluate_speech(model, recordings, sync=sync)
        score = mean_sync(model, features, sync)
        print(
            f"{sync:4.1f}  {score:.3f}  {f.aperture:.3f}  {f.width:.3f}  "
            f"{f.closure:.2f} ({f.chance:.2f})  {f.jitter:.2f}"
        )
    print("intensity: share of the rule's upper face, per emotion")
    for intensity in (0.0, 0.5, 1.0, 1.5, 2.0):
        shares = [
            emotion_strength(model.sample(features, model.preset(e, intensity)).expression, e)
            for e in EMOTIONS[1:]
        ]
        print(f"{intensity:4.1f}  " + "  ".join(f"{s:5.2f}" for s in shares))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--checkpoint", default="starter")
    parser.add_argument("--recordings", type=int, default=4)
    args = parser.parse_args()
    torch.set_num_threads(1)
    recordings = list(read_corpus(args.corpus, "test"))[: args.recordings]
    report(load_model(args.checkpoint), recordings)


if __name__ == "__main__":
    main()
