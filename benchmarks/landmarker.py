"""Compare the face landmarker with MediaPipe's on pictures and clips.

    pip install mediapipe
    python benchmarks/landmarker.py FOLDER [FOLDER ...] --model face_landmarker.task

Prints one line for each file and the sum, and every picture in which one of the two finds a face
that the other does not. Distances are in px of a picture 256 px large; angles are of the head's
pose as :meth:`FaceBasis.align` measures it. Both look at the same frames in turns on one thread;
times are of the processor.

``--reference FILE`` writes what MediaPipe finds in the files instead: the tests compare with that.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dreamtalk.errors import ImageError
from dreamtalk.face.basis import FaceBasis
from dreamtalk.face.image import load_image, to_uint8
from dreamtalk.face.landmarker import DetectedFace, FaceLandmarker
from dreamtalk.face.pose import rotation_to_angles
from dreamtalk.tracking.video import read_pictures

SIDE = 256
CLIPS = (".mp4", ".mov", ".mkv", ".webm", ".avi")
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
CHUNK = 32


class MediaPipe:
    """MediaPipe's own FaceLandmarker in its IMAGE mode.

    Args:
        model: path of ``face_landmarker.task``.
        max_faces: how many are found at most.
    """

    def __init__(self, model: str | Path, max_faces: int = 5) -> None:
        os.environ.setdefault("GLOG_minloglevel", "2")
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=Path(model).read_bytes()),
            running_mode=vision.RunningMode.IMAGE,
            num_faces=max_faces,
            output_face_blendshapes=True,
        )
        self._mediapipe: Any = mediapipe
        self._task = vision.FaceLandmarker.create_from_options(options)

    def __enter__(self) -> MediaPipe:
        return self

    def __exit__(self, *_: object) -> None:
        self._task.close()

    def find(self, picture: np.ndarray) -> list[DetectedFace]:
        """All faces in a picture (H, W, 3) uint8, the largest first."""
        height, width = picture.shape[:2]
        image = self._mediapipe.Image(
            image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(picture)
        )
        result = self._task.detect(image)
        scale = np.array([width, height, width], dtype=np.float32)
        faces = [
            DetectedFace(
                np.array([(m.x, m.y, m.z) for m in marks], dtype=np.float32) * scale,
                np.array([c.score for c in scores], dtype=np.float32),
            )
            for marks, scores in zip(result.face_landmarks, result.face_blendshapes, strict=True)
        ]
        return sorted(faces, key=lambda face: -np.ptp(face.landmarks[:, :2], axis=0).prod())


@dataclass
class Agreement:
    """How well the two agree on some pictures.

    Attributes:
        pictures: how many.
        only: for each picture with a difference its name, and what only one of the two found.
        distance: for each face in both, (478,) px of 256.
        depth: likewise, of z.
        scores: for each face in both, (52,) differences of the scores.
        angles: for each face in both, (3,) degrees.
        seconds: of the processor, MediaPipe's and ours.
    """

    pictures: int = 0
    only: list[tuple[str, str]] = field(default_factory=list)
    distance: list[np.ndarray] = field(default_factory=list)
    depth: list[np.ndarray] = field(default_factory=list)
    scores: list[np.ndarray] = field(default_factory=list)
    angles: list[np.ndarray] = field(default_factory=list)
    seconds: np.ndarray = field(default_factory=lambda: np.zeros(2))

    def add(self, other: Agreement) -> None:
        """Count another's pictures too."""
        self.pictures += other.pictures
        self.seconds = self.seconds + other.seconds
        for name in ("only", "distance", "depth", "scores", "angles"):
            getattr(self, name).extend(getattr(other, name))

    def compare(
        self, name: str, side: int, theirs: list[DetectedFace], ours: list[DetectedFace]
    ) -> None:
        """Count one picture.

        Args:
            name: of the picture.
            side: px, its longer side.
            theirs, ours: the faces that were found in it.
        """
        self.pictures += 1
        left = list(ours)
        for face in theirs:
            near = min(left, key=lambda other: _apart(face, other), default=None)
            if near is None or _apart(face, near) > 0.25 * np.ptp(face.landmarks[:, 0]):
                self.only.append((name, f"only MediaPipe finds {_place(face)}"))
                continue
            left.remove(near)
            offset = (face.landmarks - near.landmarks) * SIDE / side
            self.distance.append(np.linalg.norm(offset[:, :2], axis=1))
            self.depth.append(np.abs(offset[:, 2]))
            self.angles.append(np.abs(_angles(face) - _angles(near)))
            self.scores.append(np.abs(face.blendshapes - near.blendshapes))
        for face in left:
            sure = f"presence {face.presence:.2f}"
            self.only.append((name, f"only ours finds {_place(face)}, {sure}"))

    def line(self) -> str:
        """The figures."""
        theirs, ours = 1000 * self.seconds / max(self.pictures, 1)
        if not self.distance:
            return f"{self.pictures:5d} pictures, no faces in both"
        distance, angles = np.stack(self.distance), np.stack(self.angles)
        scores, depth = np.stack(self.scores), np.stack(self.depth)
        return (
            f"{self.pictures:5d} {len(distance):5d} {len(self.only):3d}"
            f" | {distance.mean():.4f} {np.percentile(distance, 99.9):.3f} {distance.max():.3f}"
            f" {depth.mean():.4f} {depth.max():.3f}"
            f" | {scores.mean():.5f} {np.percentile(scores.max(axis=1), 99):.4f} {scores.max():.4f}"
            f" | {angles.mean():.4f} {angles.max():.3f}"
            f" | {theirs:5.1f} {ours:5.1f} {theirs / max(ours, 1e-9):4.2f}"
        )


HEAD = (
    "pictures, faces in both, differences"
    " | landmarks: mean, 99.9 %, max, z: mean, max"
    " | scores: mean, 99 % of the faces' largest, max"
    " | head, degrees: mean, max"
    " | ms a picture: MediaPipe, ours, ratio"
)


def _apart(a: DetectedFace, b: DetectedFace) -> float:
    return float(np.linalg.norm(a.landmarks[:, :2].mean(axis=0) - b.landmarks[:, :2].mean(axis=0)))


def _place(face: DetectedFace) -> str:
    x, y = face.landmarks[:, :2].mean(axis=0)
    return f"a face {np.ptp(face.landmarks[:, 0]):.0f} px wide at {x:.0f}, {y:.0f}"


def _angles(face: DetectedFace) -> np.ndarray:
    _, pose = FaceBasis.load().align(face.landmarks[None])
    return np.degrees(rotation_to_angles(pose.rotation[0]))


def frames(path: Path) -> Iterator[np.ndarray]:
    """The pictures of a file, (H, W, 3) uint8."""
    if path.suffix.lower() in PICTURES:
        yield to_uint8(load_image(path))
    else:
        yield from (picture for _, picture in read_pictures(path)[0])


def compare(path: Path, reference: MediaPipe, landmarker: FaceLandmarker) -> Agreement:
    """Look at all pictures of a file with both."""
    result, chunk = Agreement(), []
    for picture in frames(path):
        chunk.append(picture)
        if len(chunk) == CHUNK:
            _compare(chunk, path.name, result, reference, landmarker)
            chunk = []
    _compare(chunk, path.name, result, reference, landmarker)
    return result


def _compare(
    chunk: list[np.ndarray],
    name: str,
    result: Agreement,
    reference: MediaPipe,
    landmarker: FaceLandmarker,
) -> None:
    start = time.process_time()
    theirs = [reference.find(picture) for picture in chunk]
    middle = time.process_time()
    ours = landmarker.find_all(chunk)
    result.seconds += [middle - start, time.process_time() - middle]
    for picture, a, b in zip(chunk, theirs, ours, strict=True):
        result.compare(f"{name} {result.pictures}", max(picture.shape[:2]), a, b)


def samples(path: Path) -> list[np.ndarray]:
    """A picture, or every 25th frame of a clip, (H, W, 3) uint8, the same on every machine.

    Of clips the brightness as it is stored: colours depend on the version of FFmpeg.
    """
    if path.suffix.lower() in PICTURES:
        return list(frames(path))
    with av.open(str(path)) as container:
        planes = [frame.to_ndarray()[: frame.height] for frame in container.decode(video=0)]
    return [np.repeat(plane[..., None], 3, axis=-1) for plane in planes[::25]]


def write_reference(paths: list[Path], reference: MediaPipe, target: Path) -> None:
    """What MediaPipe finds in :func:`samples`, for the tests."""
    arrays = {}
    for path in paths:
        found = [reference.find(picture) for picture in samples(path)]
        assert all(len(faces) == 1 for faces in found), f"{path} must show one face"
        arrays[f"{path.name}/landmarks"] = np.stack([f[0].landmarks for f in found])
        arrays[f"{path.name}/blendshapes"] = np.stack([f[0].blendshapes for f in found])
    np.savez_compressed(target, **arrays)


def main() -> None:
    """Compare, then print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", type=Path, nargs="+", help="files, or folders of them")
    parser.add_argument("--model", type=Path, required=True, help="face_landmarker.task")
    parser.add_argument("--reference", type=Path, help="write what MediaPipe finds to this file")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--half", action="store_true", help="networks in half precision")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    files = [f for p in arguments.paths for f in (sorted(p.rglob("*")) if p.is_dir() else [p])]
    files = [f for f in files if f.suffix.lower() in CLIPS + PICTURES]
    with MediaPipe(arguments.model) as reference:
        if arguments.reference:
            write_reference(files, reference, arguments.reference)
            return
        dtype = torch.float16 if arguments.half else torch.float32
        landmarker = FaceLandmarker(blendshapes=True, device=arguments.device, dtype=dtype)
        landmarker.find_all([np.zeros((SIDE, SIDE, 3), np.uint8)])
        total = Agreement()
        print(HEAD)
        for path in files:
            try:
                found = compare(path, reference, landmarker)
            except ImageError as error:
                print(f"{path.name}: {error}")
                continue
            total.add(found)
            print(f"{path.name[:28]:28s} {found.line()}", flush=True)
    print(f"{'all':28s} {total.line()}")
    for name, what in total.only:
        print(f"{name}: {what}")


if __name__ == "__main__":
    main()
