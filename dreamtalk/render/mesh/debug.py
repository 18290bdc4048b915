"""Pictures of what the renderer thinks a portrait is made of: to see why one looks wrong."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from ...face import topology as t
from ...motion import FACE, Motion
from ...options import checked, default
from ..mark import around
from .portrait.raster import pixel_grid
from .renderer import MeshRenderer

GREEN, RED, YELLOW, BLUE = (60, 230, 90), (240, 70, 60), (250, 220, 60), (70, 150, 255)


def debug_views(renderer: MeshRenderer) -> dict[str, np.ndarray]:
    """The layers of a portrait, by name.

    Returns:
        pictures (h, w, 3) uint8 of the crop: ``landmarks`` (outline, lips, lids, iris, seam,
        pivot), ``matte`` (what is not taken for the person is tinted), ``plate`` (what is behind),
        ``motion`` (green goes with the head, yellow with the shoulders, red is held back by the
        picture's border), ``grid`` (how an open mouth and a head turn bend the picture),
        ``layers`` (an open mouth with half-closed eyes), ``folds`` (where skin can fold: red gets
        darker, yellow lighter).
    """
    crop = renderer.face.crop
    base = renderer.picture[crop.slices].numpy()
    height, width = base.shape[:2]

    def upsample(nodes: np.ndarray) -> np.ndarray:
        cell = renderer.fields.cell
        matrix = np.array([[1 / cell, 0, 0], [0, 1 / cell, 0]])
        return cv2.warpAffine(
            nodes.astype(np.float32),
            matrix,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )

    views = {"landmarks": _landmarks(renderer, base)}
    views["matte"] = _tint(base, 1 - renderer.matte, BLUE)
    views["plate"] = (renderer.plate * 255).round().astype(np.uint8)
    shown = _tint(base, upsample(renderer.fields.head), GREEN, 0.5)
    shown = _tint(shown, upsample(renderer.fields.torso), YELLOW, 0.4)
    views["motion"] = _tint(shown, upsample(renderer.fields.pins.max(0)), RED, 0.6)
    views["grid"] = _bent_grid(renderer, base)

    expression = torch.zeros(1, len(FACE))
    for name, value in (
        ("lipAperture", 0.2),
        ("lipLowerY", -0.12),
        ("chinY", -0.1),
        ("lidUpperLeftY", -0.05),
        ("lidUpperRightY", -0.05),
    ):
        expression[0, FACE.index[name]] = value
    frame = next(renderer.frames(Motion(expression, torch.zeros(1, 6))))[0].numpy()
    views["layers"] = frame[crop.slices]

    maps = renderer.skin.maps.cpu().numpy()
    box = renderer.skin.box
    strength = maps.sum(0).reshape(renderer.skin.shape)
    folds = np.zeros((height, width), np.float32)
    folds[box.slices] = cv2.resize(strength, (box.width, box.height))
    shown = _tint(base, np.clip(-folds * 6, 0, 1), RED, 0.8)
    views["folds"] = _tint(shown, np.clip(folds * 8, 0, 1), YELLOW, 0.8)
    return views


def debug_sheet(
    *renderers: MeshRenderer, height: int = default("height"), columns: int = 4
) -> Tensor:
    """All views on one sheet with their names.

    Args:
        renderers: the portrait's renderer; of several faces in a picture, one each.
        height: px of one view.
        columns: views per row.

    Returns:
        (H, W, 3) float32 in 0..1.
    """
    checked(height=height)
    sheets = [_sheet(renderer, height, columns) for renderer in renderers]
    width = max(sheet.shape[1] for sheet in sheets)
    padded = [np.pad(s, ((0, 0), (0, width - s.shape[1]), (0, 0))) for s in sheets]
    return torch.from_numpy(np.concatenate(padded).astype(np.float32) / 255)


def _sheet(renderer: MeshRenderer, height: int, columns: int) -> np.ndarray:
    tiles = []
    for name, view in debug_views(renderer).items():
        width = max(8, round(view.shape[1] * height / view.shape[0]))
        tile = np.ascontiguousarray(cv2.resize(view, (width, height), interpolation=cv2.INTER_AREA))
        letters = np.zeros(tile.shape[:2], np.uint8)
        cv2.putText(letters, name, (8, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 1, cv2.LINE_AA)
        share = around(letters, 1)[..., None] / 255
        tile = (tile * (1 - share) + share * letters[..., None]).round().astype(np.uint8)
        tiles.append(tile)
    while len(tiles) % columns:
        tiles.append(np.zeros_like(tiles[0]))
    rows = [np.concatenate(tiles[i : i + columns], 1) for i in range(0, len(tiles), columns)]
    return np.concatenate(rows)


def _tint(
    base: np.ndarray, share: np.ndarray, colour: tuple[int, int, int], strength: float = 0.7
) -> np.ndarray:
    weight = (strength * np.clip(share, 0, 1))[..., None]
    mixed = base * (1 - weight) + np.array(colour, np.float32) * weight
    return mixed.round().astype(np.uint8)


def _landmarks(renderer: MeshRenderer, base: np.ndarray) -> np.ndarray:
    view = base.copy()
    face, mouth = renderer.face, renderer.mouth
    thick = max(1, round(face.face_width / 250))

    def line(points: np.ndarray, colour: tuple[int, int, int], closed: bool) -> None:
        at = np.round(points * 8).astype(np.int32)
        cv2.polylines(view, [at], closed, colour, thick, cv2.LINE_AA, 3)

    for x, y in face.points:
        cv2.circle(
            view, (round(float(x)), round(float(y))), thick, (200, 200, 200), -1, cv2.LINE_AA
        )
    line(face.points[list(t.OVAL)], GREEN, True)
    u = np.linspace(-mouth.reach, mouth.reach, len(mouth.upper))
    inside = np.abs(u) <= mouth.half_width
    line(mouth.to_picture(np.stack([u, mouth.upper], -1)[inside]), RED, False)
    line(mouth.to_picture(np.stack([u, mouth.lower], -1)[inside]), RED, False)
    for eye in renderer.eyes:
        along = np.linspace(-0.25, 1.25, len(eye.upper)) * eye.width
        inside = (along >= 0) & (along <= eye.width)
        for table in (eye.upper, eye.lower):
            uv = np.stack([along, table.cpu().numpy()], -1)[inside]
            line(eye.origin + uv[:, :1] * eye.u_axis + uv[:, 1:] * eye.v_axis, YELLOW, False)
        centre = (round(float(eye.iris[0])), round(float(eye.iris[1])))
        cv2.circle(view, centre, max(1, round(eye.radius)), BLUE, thick, cv2.LINE_AA)
    pivot = (round(float(face.pivot[0])), round(float(face.pivot[1])))
    cv2.drawMarker(view, pivot, BLUE, cv2.MARKER_CROSS, 12 * thick, thick, cv2.LINE_AA)
    return view


def _bent_grid(renderer: MeshRenderer, base: np.ndarray) -> np.ndarray:
    """The picture with a grid drawn on it, bent by a wide mouth, raised brows and a head turn."""
    expression = torch.zeros(1, len(FACE))
    for name, value in (("lipAperture", 0.2), ("lipLowerY", -0.12), ("chinY", -0.1)):
        expression[0, FACE.index[name]] = value
    for side in ("Left", "Right"):
        expression[0, FACE.index[f"browInner{side}Y"]] = 0.05
        expression[0, FACE.index[f"mouthCorner{side}Y"]] = 0.04
    head = torch.tensor([[0.0, 0.15, 0.08, 0.0, 0.0, 0.0]])
    source = renderer.source_map(expression, head)
    spacing = max(8, round(renderer.face.face_width / 22))
    grid = pixel_grid(*base.shape[:2])
    lines = np.any((grid % spacing) < max(1, spacing // 12), axis=-1)
    drawn = _tint(base, np.asarray(lines, np.float32), GREEN, 0.6)
    return cv2.remap(
        drawn, source[..., 0], source[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
