"""How well listeners listen and speakers speak, in a picture of several people.

    python benchmarks/dialogue.py [--portrait GROUP --audio SPEECH --speakers TRACK --styles TEXT]
                                  [--seeds 6] [--seen 1]

Lips are measured twice: in the motions of several seeds, and by the face landmarker in the frames
that the mesh renderer makes of them (``--seen``: of so many seeds, every third frame). The closures
of p, b and m, as the starter hears them, are counted in the speakers' turns and in the same time of
a motion of the whole recording that is spoken by one person. The tables are those of
docs/dialogue.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dreamtalk.dialogue.attention import direction, draw_looks
from dreamtalk.dialogue.faces import animate_faces, face_features, face_seed
from dreamtalk.dialogue.listening import draw_nods, speaking_share
from dreamtalk.dialogue.split import split_track
from dreamtalk.dialogue.styles import parse_face_styles
from dreamtalk.dialogue.turns import parse_speaker_track
from dreamtalk.dialogue.voices import FaceVoice
from dreamtalk.face.analysis import analyze_portrait, find_faces
from dreamtalk.face.basis import FaceBasis
from dreamtalk.face.channels import CLOSED_APERTURE, measure_channels
from dreamtalk.face.image import load_image, to_uint8
from dreamtalk.face.landmarker import FaceLandmarker
from dreamtalk.face.portrait import Portrait
from dreamtalk.model import DreamTalkModel, load_model, speech_features
from dreamtalk.motion import Motion
from dreamtalk.motion.spaces import FACE, LIP_CHANNELS
from dreamtalk.networks.speech_encoder import heard_bilabials
from dreamtalk.pipeline import Sampling, animate
from dreamtalk.render.mesh import MeshRenderer
from dreamtalk.speech import load_speech
from dreamtalk.speech.speech import Speech
from dreamtalk.style import Style

ROOT = Path(__file__).resolve().parent.parent

APERTURE = FACE.index["lipAperture"]
LIPS = [FACE.index[name] for name in LIP_CHANNELS]


@dataclass
class Measured:
    """What was measured, values of all faces and seeds together; apertures in % IOD."""

    speaking: list[float] = field(default_factory=list)
    listening: list[float] = field(default_factory=list)
    seen_speaking: list[float] = field(default_factory=list)
    seen_listening: list[float] = field(default_factory=list)
    seen_rest: list[float] = field(default_factory=list)
    head_speaking: list[float] = field(default_factory=list)
    head_listening: list[float] = field(default_factory=list)
    at_speaker: list[float] = field(default_factory=list)
    at_listener: list[float] = field(default_factory=list)
    towards: list[float] = field(default_factory=list)
    closed: list[bool] = field(default_factory=list)
    closed_alone: list[bool] = field(default_factory=list)
    difference: float = 0.0
    nods: int = 0
    pauses: int = 0
    all_nods: int = 0
    minutes: float = 0.0


def seen_apertures(frames: Iterator[np.ndarray]) -> list[float]:
    """Lip apertures, % IOD, that the landmarker sees in pictures (H, W, 3) of one face."""
    basis, landmarker, found = FaceBasis.load(), FaceLandmarker(), []
    for picture in frames:
        faces = find_faces(picture, landmarker)
        if faces:
            points, _ = basis.align(faces[0][None])
            found.append(100 * float(measure_channels(points)[0, APERTURE]))
    return found


def frames_of(portrait: Portrait, motion: Motion, chosen: np.ndarray) -> Iterator[np.ndarray]:
    """Some frames of a portrait's motion, cut to the surroundings of its face."""
    index = torch.from_numpy(chosen)
    part = motion.with_(expression=motion.expression[index], head=motion.head[index])
    marks = portrait.landmarks[:, :2].numpy()
    low, high = marks.min(0), marks.max(0)
    margin = 0.6 * (high - low).max()
    left, top = np.maximum(0, low - margin).astype(int)
    right, bottom = (high + margin).astype(int)
    for chunk in MeshRenderer(portrait).frames(part):
        yield from (frame.numpy()[top:bottom, left:right] for frame in chunk)


def closures(rows: torch.Tensor) -> list[tuple[int, int]]:
    """First and last frame of every stretch in which p, b or m is surely heard."""
    sure = (heard_bilabials(rows) > 0.9).int().numpy()
    edges = np.flatnonzero(np.diff(np.r_[0, sure, 0]))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def measure_face(
    result: Measured,
    face: int,
    portraits: list[Portrait],
    voices: tuple[FaceVoice, ...],
    motion: Motion,
    alone: Motion,
    rows: torch.Tensor,
    seed: int,
    look: bool,
) -> None:
    """Add what one face does."""
    times = np.arange(len(motion)) / motion.fps
    turns = [voice.turns for voice in voices]
    share = speaking_share(turns[face], times)
    speaks, listens = share == 1, share == 0
    aperture = 100 * motion.channel("lipAperture").numpy()
    result.speaking += aperture[speaks].tolist()
    result.listening += aperture[listens].tolist()
    speed = np.rad2deg(np.linalg.norm(np.gradient(motion.head[:, :3].numpy(), axis=0), axis=1))
    result.head_speaking += (speed[speaks] * motion.fps).tolist()
    result.head_listening += (speed[listens] * motion.fps).tolist()

    theirs = np.zeros(len(times), bool)
    for other, own in enumerate(turns):
        for start, end in own if other != face else ():
            theirs |= (times >= start) & (times < end)
    seed_of_face = face_seed(seed, face)
    rng = np.random.default_rng([int(seed_of_face) % 2**63, 7]).spawn(3)
    looks = draw_looks(face, turns, motion.duration, rng[0])
    starts = np.array([time for time, _ in looks])
    now = np.array([seen is not None for _, seen in looks])[
        np.searchsorted(starts, times, side="right") - 1
    ]
    result.at_speaker += now[listens & theirs].astype(float).tolist()
    result.at_listener += now[speaks].astype(float).tolist()
    way = direction(portraits[face], portraits[1 - face])[0]
    gaze = motion.channel("gazeLeftX").numpy() + 0.13 * np.sin(motion.head[:, 1].numpy())
    result.towards += (gaze[listens & theirs & now] * way > 0).astype(float).tolist()
    pitch, _ = draw_nods(face, voices, times, rng[2])
    heard = [
        end for other, v in enumerate(voices) if other != face for end in v.prosody.phrase_ends
    ]
    result.pauses += len(heard)
    down = np.r_[False, pitch > np.deg2rad(0.5)].astype(int)
    result.all_nods += int((np.diff(down) == 1).sum())
    result.minutes += float((listens & theirs).sum()) / motion.fps / 60
    for end in heard:
        around = (times > end) & (times < end + 0.8)
        result.nods += bool(around.any() and pitch[around].max() > np.deg2rad(0.5))

    inside = np.flatnonzero(speaks)
    result.difference = max(
        result.difference,
        float((motion.expression[inside][:, LIPS] - alone.expression[inside][:, LIPS]).abs().max()),
    )
    for first, last in closures(rows):
        if speaks[first:last].all():
            for kept, curve in (
                (result.closed, motion.channel("lipAperture")),
                (result.closed_alone, alone.channel("lipAperture")),
            ):
                part = curve[max(0, first - 1) : last + 1]
                kept.append(bool(part.min() < CLOSED_APERTURE))
    if look:
        every = np.arange(0, len(times), 3)
        for kept, mask in ((result.seen_speaking, speaks), (result.seen_listening, listens)):
            chosen = every[mask[every]]
            if len(chosen):
                kept += seen_apertures(frames_of(portraits[face], motion, chosen))
        rest = motion.with_(
            expression=torch.zeros_like(motion.expression), head=torch.zeros_like(motion.head)
        )
        result.seen_rest += seen_apertures(frames_of(portraits[face], rest, np.arange(1)))


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--portrait", default=ROOT / "samples" / "two_people.jpg")
    parser.add_argument("--audio", default=ROOT / "samples" / "speech.wav")
    parser.add_argument("--speakers", default="0:left 6.9:right")
    parser.add_argument("--styles", default="left=happy")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--seen", type=int, default=1)
    args = parser.parse_args()

    picture, model = load_image(args.portrait), load_model()
    count = len(find_faces(to_uint8(picture), FaceLandmarker()))
    portraits = [analyze_portrait(picture, str(i + 1)) for i in range(count)]
    speech = load_speech(args.audio)
    voices = split_track(speech, parse_speaker_track(args.speakers), count)
    chosen = parse_face_styles(args.styles, count)
    styles = [model.preset(said.emotion if said else "neutral") for said in chosen]
    result = run(model, portraits, speech, voices, styles, args.seeds, args.seen)
    report(result)


def run(
    model: DreamTalkModel,
    portraits: list[Portrait],
    speech: Speech,
    voices: tuple[FaceVoice, ...],
    styles: list[Style],
    seeds: int,
    seen: int,
) -> Measured:
    """All seeds and faces."""
    result = Measured()
    features, whole = face_features(voices, model), speech_features(speech, model)
    for seed in range(seeds):
        sampling = Sampling(seed=seed)
        faces = animate_faces(portraits, voices, model, styles, sampling, features=features)
        for face, (_, motion) in enumerate(faces):
            own = {**vars(sampling), "seed": face_seed(seed, face)}
            alone = animate(speech, model, styles[face], **own, liveliness=0, features=whole)
            measure_face(
                result, face, portraits, voices, motion, alone, whole.rows, seed, seed < seen
            )
    return result


def report(result: Measured) -> None:
    """Print the tables."""

    def row(name: str, values: list[float]) -> str:
        low, middle, high = np.percentile(values, [10, 50, 90])
        return f"| {name} | {low:.1f} | {middle:.1f} | {high:.1f} | {max(values):.1f} |"

    print("| lip aperture, % IOD | 10th percentile | median | 90th | largest |")
    print("| --- | --- | --- | --- | --- |")
    print(row("in the motion: in one's turn", result.speaking))
    print(row("in the motion: while another speaks", result.listening))
    if result.seen_speaking:
        print(row("seen in the frames: in one's turn", result.seen_speaking))
        print(row("seen in the frames: while another speaks", result.seen_listening))
        print(row("seen in the frames: at rest", result.seen_rest))
    print()
    print("| | |")
    print("| --- | --- |")
    shut, alone = np.mean(result.closed), np.mean(result.closed_alone)
    count = len(result.closed)
    print(f"| p, b, m closed, in the turn of a dialogue | {shut:.2f} (n = {count}) |")
    print(f"| p, b, m closed, the same moments of one person's motion | {alone:.2f} |")
    print(f"| largest difference of a lip channel between the two, IOD | {result.difference:.4f} |")
    print(f"| listeners' look is at the speaker | {np.mean(result.at_speaker):.2f} of the time |")
    print(f"| speakers' look is at a listener | {np.mean(result.at_listener):.2f} of the time |")
    print(f"| gaze is on the speaker's side while it is at them | {np.mean(result.towards):.2f} |")
    print(f"| the speaker's pauses with a nod | {result.nods} of {result.pauses} |")
    rate = result.all_nods / result.minutes
    print(f"| nods a minute of listening, each down and up counted | {rate:.1f} |")
    print(f"| head speed, speaking, median | {np.median(result.head_speaking):.1f} degrees/s |")
    print(f"| head speed, listening, median | {np.median(result.head_listening):.1f} degrees/s |")


if __name__ == "__main__":
    main()
