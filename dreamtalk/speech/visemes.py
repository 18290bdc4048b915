"""Visemes: which of 15 mouth shapes a recording shows at a time, for avatars that know only those.

The set is that of Oculus Lipsync and of OpenXR's face tracking, which VRChat, Ready Player Me and
most avatars of the web have shapes for. The weights come from what is heard, not from a motion: the
speech encoder of the starter tells 44 phones 50 times a second, and each stands for one shape, or
for the two that it lies between.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from ..errors import AudioError, OutputError, SpaceMismatchError
from ..files.atomic import atomic_write
from ..options import checked, default
from .speech import FEATURE_RATE, Features

VISEMES: tuple[str, ...] = (
    "sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou",
)  # fmt: skip
"""The shapes, in the order of Oculus Lipsync and OpenXR."""
PHONE_VISEMES: tuple[tuple[str, dict[str, float]], ...] = (
    ("sil", {"sil": 1}),
    ("AA", {"aa": 1}), ("AE", {"aa": 0.5, "E": 0.5}), ("AH", {"aa": 1}), ("AO", {"oh": 1}),
    ("AW", {"aa": 0.6, "ou": 0.4}), ("AX", {"aa": 0.5, "E": 0.5}),
    ("AY", {"aa": 0.6, "ih": 0.4}), ("EH", {"E": 1}), ("ER", {"RR": 1}),
    ("EY", {"E": 0.6, "ih": 0.4}), ("IH", {"ih": 1}), ("IY", {"ih": 1}),
    ("OE", {"oh": 0.5, "ou": 0.5}), ("OW", {"oh": 0.6, "ou": 0.4}),
    ("OY", {"oh": 0.6, "ih": 0.4}), ("UE", {"ou": 1}), ("UH", {"ou": 1}), ("UW", {"ou": 1}),
    ("B", {"PP": 1}), ("CH", {"CH": 1}), ("D", {"DD": 1}), ("DH", {"TH": 1}), ("F", {"FF": 1}),
    ("G", {"kk": 1}), ("HH", {"aa": 0.5, "E": 0.5}), ("JH", {"CH": 1}), ("K", {"kk": 1}),
    ("L", {"nn": 1}), ("M", {"PP": 1}), ("N", {"nn": 1}), ("NG", {"kk": 1}), ("P", {"PP": 1}),
    ("R", {"RR": 1}), ("S", {"SS": 1}), ("SH", {"CH": 1}), ("T", {"DD": 1}), ("TH", {"TH": 1}),
    ("V", {"FF": 1}), ("W", {"ou": 1}), ("X", {"kk": 1}), ("Y", {"ih": 1}), ("Z", {"SS": 1}),
    ("ZH", {"CH": 1}),
)  # fmt: skip
"""The encoder's phones in its order, and the shapes that share each."""
_KIND = "starter"
_FLOOR = 8.0
"""Natural logarithms that the encoder's posteriors reach down, which it divides by as much."""
_EASE = 0.02  # s: standard deviation of the smoothing, so that shapes melt into each other
_FORMAT = "dreamtalk.visemes"
_VERSION = 1


@dataclass(frozen=True)
class VisemeTrack:
    """Weights of the mouth shapes over time.

    Attributes:
        weights: (T, 15) float32 in 0..1 in the order of :data:`VISEMES`; each row sums to 1.
        fps: frames a second; frame i is the moment i / fps.
    """

    weights: Tensor
    fps: float

    def to_json(self) -> str:
        """As JSON: format, version, fps, names, and one list of weights a frame."""
        rows = [
            json.dumps([round(value, 4) for value in row]) for row in self.weights.double().tolist()
        ]
        head = json.dumps({
            "format": _FORMAT, "version": _VERSION, "fps": self.fps,
            "duration": round(len(self.weights) / self.fps, 6), "visemes": list(VISEMES),
        })  # fmt: skip
        return head[:-1] + ', "frames": [\n' + ",\n".join(rows) + "\n]}\n"

    def save(self, path: str | Path) -> None:
        """Write as JSON, whole or not at all; raises :class:`OutputError` if that fails."""
        with atomic_write(path, "the visemes") as part:
            part.write_text(self.to_json(), encoding="utf-8")


def check_viseme_name(path: str | Path) -> None:
    """Find out before the work whether a file can be called so.

    Raises:
        OutputError: if its suffix is another one than .json.
    """
    if Path(path).suffix.lower() != ".json":
        raise OutputError(f"'{Path(path).name}' has another suffix than .json: visemes are JSON")


def viseme_track(
    features: Features, fps: float = default("visemes.fps"), frames: int | None = None
) -> VisemeTrack:
    """The mouth shapes of a recording.

    Args:
        features: of the kind ``starter``: the first 44 numbers of a row are the phones'.
        fps: frames a second of the track.
        frames: of the track; as many as the features last by default.

    Raises:
        SpaceMismatchError: on features of another kind.
        AudioError: if ``fps`` is out of its range.
    """
    checked(AudioError, **{"visemes.fps": fps})
    if features.kind != _KIND or features.rows.shape[-1] < len(PHONE_VISEMES):
        raise SpaceMismatchError(
            f"visemes are heard in the features of the kind '{_KIND}', not in those of "
            f"'{features.kind}': take the features that the starter makes"
        )
    # logarithms of probabilities are never above 0
    phones = (features.rows[:, : len(PHONE_VISEMES)].double() * _FLOOR).clamp(max=0.0).exp()
    shapes = (phones @ _matrix()).numpy()
    # Posteriors of neighbours jump; a mouth does not. What is below the floor is nothing at all.
    sigma = max(_EASE, 0.3 / fps) * FEATURE_RATE
    eased = gaussian_filter1d(shapes, sigma, axis=0, mode="nearest")
    eased = np.clip(eased - len(PHONE_VISEMES) * np.exp(-_FLOOR), 0, None)
    eased[eased.sum(axis=1) <= 0, VISEMES.index("sil")] = 1.0
    count = frames or max(1, round(len(shapes) / FEATURE_RATE * fps))
    places = np.arange(count) / fps * FEATURE_RATE - 0.5  # row r is centred on 20 r + 10 ms
    read = np.stack([np.interp(places, np.arange(len(eased)), column) for column in eased.T], 1)
    weights = torch.from_numpy(read / read.sum(axis=1, keepdims=True)).float()
    return VisemeTrack(weights, fps)


def _matrix() -> Tensor:
    """(44, 15) share of each phone that each shape gets."""
    return torch.tensor(
        [[shares.get(name, 0.0) for name in VISEMES] for _, shares in PHONE_VISEMES],
        dtype=torch.float64,
    )
