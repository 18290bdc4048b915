"""From the detector's anchors to faces: decoding, and merging what overlaps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from .detector import NUM_KEYPOINTS, SIDE, anchor_centres

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Detections:
    """Faces in a square, the most certain first.

    Attributes:
        boxes: (K, 4) left, top, right, bottom in 0..1 of the square's side.
        keypoints: (K, 6, 2) x, y likewise: eyes (the subject's right first), tip of the nose,
            mouth, ears.
        scores: (K,) 0..1.
    """

    boxes: Array
    keypoints: Array
    scores: Array


def detections(scores: Array, values: Array, least_score: float, overlap: float) -> Detections:
    """The faces that the anchors of one picture tell of.

    Args:
        scores, values: (896,) and (896, 16), as :class:`~.detector.BlazeFace` gives them.
        least_score: of an anchor that counts.
        overlap: intersection over union from which two boxes are the same face.
    """
    found = scores >= least_score
    scores = scores[found]
    # relative to the anchor's centre, in px of the detector's picture
    places = values[found].reshape(-1, 2 + NUM_KEYPOINTS, 2) / SIDE
    centres = _anchors()[found]
    middle, half = places[:, 0] + centres, places[:, 1] / 2
    keypoints = (places[:, 2:] + centres[:, None]).astype(np.float32)
    boxes = np.concatenate([middle - half, middle + half], axis=1).astype(np.float32)
    return _merged(boxes, keypoints, scores, overlap)


@cache
def _anchors() -> Array:
    return anchor_centres().numpy()


def _merged(boxes: Array, keypoints: Array, scores: Array, overlap: float) -> Detections:
    """Weighted non-maximum suppression: a face is the mean of its anchors, weighted by score."""
    order = np.argsort(-scores, kind="stable")
    rows = np.concatenate([boxes, keypoints.reshape(-1, 2 * NUM_KEYPOINTS)], axis=1)
    merged, kept = [], []
    while len(order):
        best = order[0]
        same = _overlaps(boxes[best], boxes[order]) > overlap
        same[0] = True  # also a box without an area
        group = order[same]
        merged.append(np.average(rows[group], axis=0, weights=scores[group]))
        kept.append(scores[best])
        order = order[~same]
    table = np.array(merged, dtype=np.float32).reshape(-1, rows.shape[1])
    return Detections(
        table[:, :4],
        table[:, 4:].reshape(-1, NUM_KEYPOINTS, 2),
        np.array(kept, dtype=np.float32),
    )


def _overlaps(box: Array, others: Array) -> Array:
    """Intersection over union of a box (4,) with others (K, 4)."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = (high - low).clip(0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    return shared / np.maximum(areas - shared, 1e-12)
