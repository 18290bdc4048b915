"""How much of a face's expression comes through one still picture of it.

    python benchmarks/picture_style.py CLIPS

CLIPS holds videos of acted emotion, PERSON_..._EMOTION_....mp4, one of each person neutral. The
picture is the middle frame of each. Prints how well the motion in its style has the mean expression
of the whole clip (correlation over the channels, and size), with a resting picture (the middle of
the neutral clip) and without.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

from dreamtalk.errors import DreamTalkError
from dreamtalk.face.analysis import analyze_portrait
from dreamtalk.model import load_model, speech_features
from dreamtalk.model.picture_style import picture_expression, picture_style
from dreamtalk.motion.spaces import FACE
from dreamtalk.speech.loading import load_speech
from dreamtalk.style import EMOTIONS

SAMPLE = Path(__file__).resolve().parents[1] / "samples" / "speech.wav"
SEEN = 9
"""Frames of a clip that are looked at."""
CHANNELS = [i for i, name in enumerate(FACE.channels) if not name.startswith("gaze")]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    args = parser.parse_args()
    people: dict[str, dict[str, list[Tensor]]] = {}
    for path in sorted(args.clips.rglob("*.mp4")):
        parts = path.stem.split("_")
        emotion = next((e for e in EMOTIONS if e in parts), None)
        if emotion is not None:
            people.setdefault(parts[0], {})[emotion] = faces(path)
    model = load_model("starter")
    said = speech_features(load_speech(SAMPLE, duration=4.0), model)

    def spoken(landmarks: Tensor, resting: Tensor | None) -> Tensor:
        style = picture_style(model, landmarks, resting)
        return model.sample(said, style, steps=6).expression.mean(0)[CHANNELS]

    for name, rested in (("with a resting picture", True), ("without", False)):
        found = []
        for clips in people.values():
            if "neutral" not in clips:
                continue
            rest = middle(clips["neutral"])
            plain = spoken(rest, rest if rested else None)
            usual = shown(clips["neutral"])
            for emotion, seen in clips.items():
                if emotion != "neutral":
                    truth = (shown(seen) - usual)[CHANNELS]
                    made = spoken(middle(seen), rest if rested else None) - plain
                    r = float(torch.corrcoef(torch.stack([truth, made]))[0, 1])
                    found.append((r, float(truth @ made / (truth @ truth))))
        r, size = np.mean(found, axis=0)
        print(f"{len(found)} pictures {name}: correlation {r:.2f}, size {size:.2f}")


def faces(path: Path) -> list[Tensor]:
    """Landmarks of some frames, the middle one in the middle."""
    with av.open(str(path)) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    found = []
    for i in np.linspace(0, len(frames) - 1, SEEN):
        try:
            picture = torch.from_numpy(frames[int(i)]).float() / 255
            found.append(analyze_portrait(picture).landmarks)
        except DreamTalkError:
            continue
    return found


def middle(landmarks: list[Tensor]) -> Tensor:
    """The picture that is taken."""
    return landmarks[len(landmarks) // 2]


def shown(landmarks: list[Tensor]) -> Tensor:
    """What the frames show on average, speaking left out: (31,)."""
    return torch.stack([picture_expression(marks) for marks in landmarks]).mean(0)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
