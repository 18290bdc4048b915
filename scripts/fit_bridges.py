"""Fit the linear maps between the motion spaces on paired clips.

    python scripts/fit_bridges.py CLIPS --out dreamtalk/assets/bridges.npz

CLIPS is a folder (searched through) of video files, each with a ``.mat`` of the same name beside it
that holds the Deep3DFaceRecon coefficients of the same frames. ``face`` channels and ARKit scores
come from MediaPipe's landmarker on the video, BFM coefficients from the ``.mat``. What was tracked
is kept in ``--cache``, so a second run takes seconds.

``bridge_maps.py`` says how the maps are fitted. Prints leave-one-speaker-out figures, those in
docs/motion.md: r as the mean over clips (``r``), over the clips in which the channel moves
(``moving``: its standard deviation is at least half of the usual one), and over all frames together
(``pooled``); R2 and the ratio of the spreads (``std``) over all frames together. Clip means are
removed. Of lasting expressions, what a clip's mean differs from its speaker's: r over the clips
(``lasting``), ratio of the spreads (``size``). Below each channel, the same of the plain method:
one ridge regression on standardised inputs, trained on the same speakers.
"""

from __future__ import annotations

import argparse
import sys
from itertools import permutations
from pathlib import Path

import av
import numpy as np
from scipy.io import loadmat

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dreamtalk.face.basis import FaceBasis
from dreamtalk.face.landmarker import FaceLandmarker
from dreamtalk.motion.spaces import ARKIT_CHANNELS, SPACES
from scripts.bridge_figures import MORE_PATHS, behind_plain, evaluate, evaluate_plain
from scripts.bridge_maps import LASTING, LIP_RIDGE, PLAIN_RIDGE, RIDGE, RIDGES, Clip, fit_all
from scripts.fit_face_basis import speaker_of


def read_clip(video: Path, cache: Path, landmarker: FaceLandmarker, basis: FaceBasis) -> Clip:
    """Track a video (or take what was tracked before) and read its coefficients."""
    stored = cache / f"{video.stem}.bridge.npz"
    if not stored.exists():
        landmarks, scores = [], []
        with av.open(str(video)) as container:
            for frame in container.decode(video=0):
                faces = landmarker.find(frame.to_ndarray(format="rgb24"))
                missing = (np.full((478, 3), np.nan, np.float32), np.full(52, np.nan, np.float32))
                face = faces[0] if faces else None
                landmarks.append(face.landmarks if face else missing[0])
                scores.append(face.blendshapes if face else missing[1])
        cache.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(stored, landmarks=np.array(landmarks), scores=np.array(scores))
    data = np.load(stored)
    coefficients = loadmat(str(video.with_suffix(".mat")))["coeff"][:, 80:144].astype(np.float64)
    length = min(len(data["landmarks"]), len(coefficients))
    seen = np.isfinite(data["landmarks"][:length]).all(axis=(1, 2))
    face = basis.encode(data["landmarks"][:length][seen])[0] - basis.neutral
    # MediaPipe's order: _neutral, then the names in alphabetical order, without tongueOut
    order = sorted(name for name in ARKIT_CHANNELS if name != "tongueOut")
    arkit = np.zeros((int(seen.sum()), len(ARKIT_CHANNELS)))
    for index, name in enumerate(order):
        arkit[:, ARKIT_CHANNELS.index(name)] = data["scores"][:length][seen][:, index + 1]
    values = {"face": face.double().numpy(), "arkit": arkit, "bfm": coefficients[seen]}
    return Clip(video.stem, speaker_of(video), values)


def text(values: dict[str, float]) -> str:
    """Figures of one line."""
    return "".join(f"  {key} {value:6.3f}" for key, value in values.items())


def main() -> None:
    """Fit all pairs, print the figures, write the asset."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--out", type=Path, default=Path("dreamtalk/assets/bridges.npz"))
    parser.add_argument("--cache", type=Path, default=Path("runs/tracked"))
    arguments = parser.parse_args()
    videos = [v for v in sorted(arguments.clips.rglob("*.mp4")) if v.with_suffix(".mat").exists()]
    if not videos:
        raise SystemExit(f"no paired .mp4 and .mat under '{arguments.clips}'")
    basis = FaceBasis.load()
    landmarker = FaceLandmarker(max_faces=1, blendshapes=True)
    clips = [read_clip(video, arguments.cache, landmarker, basis) for video in videos]
    frames = sum(len(clip.values["face"]) for clip in clips)
    speakers = sorted({clip.speaker for clip in clips})
    print(f"{len(clips)} clips, {frames} frames, {len(speakers)} speakers; leave one speaker out:")
    others = {s: fit_all([c for c in clips if c.speaker != s], {}) for s in speakers}
    figures, plain = {}, {}
    for path in (*permutations(SPACES, 2), *MORE_PATHS):
        name = " -> ".join(path)
        figures[name] = evaluate(clips, others, path)
        if len(path) == 2:
            plain[name] = evaluate_plain(clips, *path)
        print(f"\n{name}")
        for channel, values in figures[name].items():
            print(f"  {channel:20s}" + text(values))
            if len(path) == 2:
                print(f"  {'  plain':20s}" + text(plain[name][channel]))
        if len(path) == 2:
            behind = behind_plain(clips, others, *path)
            print(f"  matrix behind plain: {text(behind) or '  nowhere'}")
    provenance = {
        "script": "scripts/fit_bridges.py",
        "data": f"{len(clips)} clips of {len(speakers)} speakers published with DreamTalk and "
        f"StyleTalk (MEAD and web clips), {frames} frames; only the fitted matrices are kept",
        "ridge": {
            "usual": RIDGE,
            **{" -> ".join(pair): value for pair, value in RIDGES.items()},
            "bfm -> face lips": LIP_RIDGE,
            "plain": PLAIN_RIDGE,
        },
        "lasting": LASTING,
        "leave_one_speaker_out": figures,
        "plain_leave_one_speaker_out": plain,
    }
    fit_all(clips, provenance).save(arguments.out)
    print(f"\nwritten to {arguments.out}")


if __name__ == "__main__":
    main()
