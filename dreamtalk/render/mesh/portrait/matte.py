"""The person's matte: a mask that was given, or GrabCut seeded from the landmarks."""

from __future__ import annotations

import logging

import cv2
import numpy as np

from ....curves.easing import smoothstep
from ....face import topology as t
from .geometry import FaceGeometry
from .raster import (
    blur,
    disc,
    fit_within,
    guided_filter,
    pixel_grid,
    polygon_mask,
    signed_distance,
)

logger = logging.getLogger("dreamtalk")

WORK_SIDE = 288
"""GrabCut works on a picture of this side: edges are refined afterwards at full size."""


def person_matte(image: np.ndarray, face: FaceGeometry, given: np.ndarray | None) -> np.ndarray:
    """How much of each pixel of the crop is the person.

    Args:
        image: (H, W, 3) float32 in 0..1, the crop.
        face: the face in it.
        given: (H, W) float32 in 0..1, the user's mask of the crop, or None.

    Returns:
        (H, W) float32 in 0..1.
    """
    if given is not None and given.max() > 0.05:
        return _refine(image, given.astype(np.float32), face, sharpen=False)
    return _add_strands(image, _refine(image, grabcut_matte(image, face), face, sharpen=True), face)


def head_shape(face: FaceGeometry, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (..., 2) px -> u across and v down the face, (...) face widths from its middle."""
    d = points - face.centre
    return d @ face.right / face.face_width, d @ face.down / face.face_width


def grabcut_matte(image: np.ndarray, face: FaceGeometry) -> np.ndarray:
    """(H, W) float32 0/1: Rother, Kolmogorov, Blake, "GrabCut", 2004, with a face for a seed."""
    small, factor = fit_within(image, WORK_SIDE)
    height, width = small.shape[:2]
    u, v = head_shape(face, pixel_grid(height, width) / factor)
    points = face.points * factor
    oval = polygon_mask(height, width, points[list(t.OVAL)])
    chin = float(((face.points[t.CHIN] - face.centre) @ face.down) / face.face_width)
    top = float(((face.points[t.FOREHEAD] - face.centre) @ face.down) / face.face_width)

    head = (u / 0.72) ** 2 + ((v - (top + chin) / 2 + 0.18) / (0.62 * (chin - top) + 0.25)) ** 2
    below = v - chin
    neck = (below > -0.3) & (below < 0.45) & (np.abs(u) < 0.42)
    shoulders = (below > 0.15) & (np.abs(u) < 0.5 + 1.6 * np.clip(below - 0.15, 0, 1.0))
    hair = (np.abs(u) < 1.15) & (v > top - 0.75) & (below < 0.9)

    cv2.setRNGSeed(0)  # k-means draws: the same picture has to give the same matte
    labels = np.full((height, width), cv2.GC_BGD, np.uint8)
    labels[hair] = cv2.GC_PR_BGD
    labels[(head < 1) | shoulders] = cv2.GC_PR_FGD
    core = (below > 0.3) & (np.abs(u) < 0.22 + 0.6 * np.clip(below - 0.3, 0, 0.6))
    # Under the hair there is a skull, and it reaches higher than the landmarks.
    skull = (u / 0.44) ** 2 + ((v - top - 0.16) / 0.34) ** 2 < 1
    labels[skull | (oval > 0) | ((below > -0.2) & (below < 0.32) & (np.abs(u) < 0.22)) | core] = (
        cv2.GC_FGD
    )
    labels[neck & (labels == cv2.GC_BGD)] = cv2.GC_PR_FGD
    if not (labels == cv2.GC_BGD).any():
        # A face that fills the picture: only the corners above it are surely not the person. What
        # is like them in colour is not either; the rest may be long hair.
        corner = (labels == cv2.GC_PR_BGD) & (np.abs(u) > 0.65) & (v < top + 0.05)
        labels[corner] = cv2.GC_BGD
        if corner.any():
            apart = _apart(small, corner) - _apart(small, labels == cv2.GC_FGD)
            labels[(labels == cv2.GC_PR_BGD) & (apart > 0.04)] = cv2.GC_PR_FGD
    if not (labels == cv2.GC_BGD).any():
        return np.ones(image.shape[:2], np.float32)
    pixels = np.ascontiguousarray(np.round(blur(small, 0.7) * 255).astype(np.uint8))
    try:
        cv2.grabCut(
            pixels,
            labels,
            (0, 0, 1, 1),  # not used with a mask
            np.zeros((1, 65)),
            np.zeros((1, 65)),
            4,
            cv2.GC_INIT_WITH_MASK,
        )
        cut = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    except cv2.error:
        logger.warning("GrabCut found no matte; a plain head shape stands in for it")
        cut = ((head < 1) | shoulders).astype(np.uint8)
    # Dark hair before a dark wall: taking some of the wall along is harmless, losing hair is not.
    above = skull & (v < top)
    if above.any():
        cut |= ((head < 1.5) & (v < top + 0.5) & (_apart(small, above) < 0.06)).astype(np.uint8)
    # Keep what hangs together with the face, and close holes smaller than an eye.
    count, parts = cv2.connectedComponents(cut)
    seed = np.asarray(parts[oval > 0], np.int64)
    if count > 2 and (seed > 0).any():
        cut = (parts == np.bincount(seed[seed > 0]).argmax()).astype(np.uint8)
    kernel = disc(0.05 * face.face_width * factor)
    closed = cv2.morphologyEx(cut, cv2.MORPH_CLOSE, kernel)
    clean = cv2.morphologyEx(closed, cv2.MORPH_OPEN, disc(0.025 * face.face_width * factor))
    person = np.maximum(clean, oval).astype(np.float32)
    size = (image.shape[1], image.shape[0])
    return cv2.resize(blur(person, 0.8), size, interpolation=cv2.INTER_LINEAR)


def _apart(image: np.ndarray, area: np.ndarray) -> np.ndarray:
    """(H, W) how far each pixel's colour is from the main colours of an area."""
    pixels = np.ascontiguousarray(image[area].astype(np.float32))
    criteria = (cv2.TERM_CRITERIA_MAX_ITER, 12, 0.0)
    count = min(5, len(pixels))
    labels = np.zeros((len(pixels), 1), np.int32)
    centres = cv2.kmeans(pixels, count, labels, criteria, 1, cv2.KMEANS_PP_CENTERS)[2]
    return np.linalg.norm(image[:, :, None] - centres, axis=-1).min(-1)


def _refine(image: np.ndarray, coarse: np.ndarray, face: FaceGeometry, sharpen: bool) -> np.ndarray:
    """Snap a coarse matte to the edges of the picture."""
    matte = coarse
    if sharpen:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        radius = max(2, round(0.035 * face.face_width))
        matte = np.clip((guided_filter(grey, coarse, radius, 1e-4) - 0.1) / 0.8, 0, 1)
        # Far from the coarse edge the guide must not punch holes.
        around = blur(coarse, 0.03 * face.face_width)
        matte = np.where(around > 0.97, 1, np.where(around < 0.03, 0, matte))
    # A margin of its surroundings travels with the person: hair is finer than any matte.
    outside = signed_distance(coarse > 0.3)
    margin = 1 - smoothstep(0.004 * face.face_width, 0.036 * face.face_width, outside)
    return np.clip(np.maximum(matte, margin), 0, 1).astype(np.float32)


def _add_strands(image: np.ndarray, matte: np.ndarray, face: FaceGeometry) -> np.ndarray:
    """Before a plain backdrop, take in strands of hair that stand out from the person.

    They would stay behind in mid-air when the head moves. Where the backdrop has a pattern of its
    own nothing tells strands from it, and the matte stays as it is.
    """
    small, factor = fit_within(image, WORK_SIDE)
    cover = cv2.resize(matte, small.shape[1::-1], interpolation=cv2.INTER_AREA)
    unit = face.face_width * factor
    outside = signed_distance(cover > 0.03)
    size = 2 * max(2, round(0.09 * unit)) + 1
    pixels = np.ascontiguousarray(np.round(small * 255).astype(np.uint8))
    backdrop = cv2.medianBlur(pixels, size).astype(np.float32) / 255
    apart = np.abs(small - backdrop).max(-1)
    ring = (outside > 0.02 * unit) & (outside < 0.35 * unit)
    if not ring.any():
        return matte
    usual = float(np.quantile(apart[ring], 0.75))
    if usual > 0.03:
        return matte
    stray = smoothstep(2.5 * usual + 0.02, 2.5 * usual + 0.07, apart)
    stray *= 1 - smoothstep(0.25 * unit, 0.4 * unit, outside)
    stray[outside <= 0.5] = 1
    parts = cv2.connectedComponents((stray > 0.15).astype(np.uint8))[1]
    joined = np.isin(parts, np.unique(parts[outside <= 0])) & (parts > 0)
    stray = blur(stray * joined, 0.02 * unit)
    strands = cv2.resize(np.clip(2 * stray, 0, 1), image.shape[1::-1])
    return np.maximum(matte, strands).astype(np.float32)
