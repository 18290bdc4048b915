"""How well rigs show a motion: scores of a tracker against scores for rigs, on our own head.

    python benchmarks/rig.py [--audio SPEECH]

The starter speaks the recording with some emotions; what both kinds of scores do to the landmarks
of the plain head is measured in the ``face`` space and compared with the motion. Prints Markdown.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from dreamtalk.face.basis import FaceBasis
from dreamtalk.face.channels import FACE_CHANNELS, measure_channels
from dreamtalk.face.head_mesh import resting_face
from dreamtalk.face.head_shapes import landmark_offsets
from dreamtalk.model import load_model, speech_features
from dreamtalk.motion.bridges import convert
from dreamtalk.motion.natural import add_natural_motion
from dreamtalk.motion.rig import rig_scores
from dreamtalk.motion.spaces import ARKIT, ARKIT_CHANNELS
from dreamtalk.speech.loading import load_speech

SAMPLE = Path(__file__).resolve().parents[1] / "samples" / "speech.wav"
EMOTIONS = ("neutral", "happy", "angry", "surprised")
GAP, LID = FACE_CHANNELS.index("lipAperture"), FACE_CHANNELS.index("lidUpperLeftY")
CLOSED, BLINK = 0.02, -0.09  # IOD: frames in which the lips are closed, an eye is shut


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audio", type=Path, default=SAMPLE)
    args = parser.parse_args()
    speech, model = load_speech(args.audio), load_model()
    features = speech_features(speech, model)
    rest, moved = resting_face(FaceBasis.load()), landmark_offsets(ARKIT_CHANNELS)
    print("| emotion | scores | gap, rms | closed lips: gap, % IOD | shut eye: lid | its score |")
    print("| --- | --- | --- | --- | --- | --- |")
    for emotion in EMOTIONS:
        motion = add_natural_motion(model.sample(features, model.preset(emotion)), speech)
        wanted = motion.expression.numpy()
        closed, shut = wanted[:, GAP] < CLOSED, wanted[:, LID] < BLINK
        for name, scores in (
            ("tracker's", convert(motion, "arkit")),
            ("rig's", rig_scores(motion)),
        ):
            points = rest + np.einsum("ts,slc->tlc", scores.expression.numpy(), moved)
            shown = measure_channels(points) - measure_channels(rest)
            error = 100 * np.sqrt(((shown - wanted)[:, GAP] ** 2).mean())
            blink = scores.expression[shut, ARKIT.index["eyeBlinkLeft"]].mean()
            print(
                f"| {emotion} | {name} | {error:.1f} | {100 * shown[closed, GAP].mean():.1f} "
                f"| {100 * shown[shut, LID].mean():.1f} | {blink:.2f} |"
            )


if __name__ == "__main__":
    main()
