"""A renderer's frames before another background, as they come."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from ...errors import ImageError
from ...face.image import to_uint8
from ...face.portrait import Portrait
from ...motion.bridges import convert
from ...motion.motion import Motion
from ..renderer import Carries, Renderer
from .choice import Background
from .cutout import Cutout, cut_out
from .follow import following

_BATCH_PIXELS = 1_000_000
"""Pixels that are worked on at once."""
_FRINGE = 17
"""px: beyond the person's edge colours go on for so far, so that codecs and scaling blend no black
into it."""


def over_background(
    chunks: Iterable[Tensor],
    renderer: Renderer,
    portraits: Sequence[Portrait],
    motion: Motion,
    background: Background | None,
    cutout: Cutout | None = None,
) -> Generator[Tensor, None, None]:
    """Put another background behind the person in a renderer's frames, in constant memory.

    The portrait is cut out once; the cut-out goes along with the person as the frames' pixels do. A
    renderer that can't say where they come from is followed by optical flow.

    Args:
        chunks: (n, H, W, 3) uint8: what the renderer made of the motion.
        renderer: of one face, or of a group.
        portraits: one a face, of the same picture; those that the renderer was made of, best with
            :func:`with_mattes`.
        motion: of the renderer, in any space.
        background: None hands the frames on as they are.
        cutout: of the portraits, if it was made already.

    Returns:
        (n, H, W, 3) uint8; (n, H, W, 4) with straight alpha if the background is transparent. What
        is opaque keeps its bytes.

    Raises:
        ImageError: if the frames are not the whole picture; with the first of them, if the person
            can't be told from the background.
    """
    if background is None:
        return _unchanged(chunks)
    if tuple(renderer.size) != portraits[0].size:
        raise ImageError(
            "a renderer whose frames are not the whole picture keeps its background: switch "
            "paste_back on, or choose keep"
        )
    return _over(chunks, renderer, portraits, motion, background, cutout)


def _unchanged(chunks: Iterable[Tensor]) -> Generator[Tensor, None, None]:
    yield from chunks


def _over(
    chunks: Iterable[Tensor],
    renderer: Renderer,
    portraits: Sequence[Portrait],
    motion: Motion,
    background: Background,
    cutout: Cutout | None,
) -> Generator[Tensor, None, None]:
    cutout = cutout or cut_out(portraits)
    carry = _carrier(renderer, portraits[0], convert(motion, renderer.space), cutout.layer)
    height, width = renderer.size
    step = max(1, _BATCH_PIXELS // (height * width))
    behind = _Behind(background, height, width)
    done = 0
    for chunk in chunks:
        made = []
        for frames in chunk.split(step):
            layers = carry(frames, slice(done, done + len(frames)))
            made += [
                _composed(frame, layer, behind.at(done + i))
                for i, (frame, layer) in enumerate(zip(frames.numpy(), layers.numpy(), strict=True))
            ]
            done += len(frames)
        yield torch.from_numpy(np.stack(made))


def _carrier(
    renderer: Renderer, portrait: Portrait, motion: Motion, layer: np.ndarray
) -> Callable[[Tensor, slice], Tensor]:
    """What tells the layer (n, H, W, 4) in a run of frames."""
    carry = renderer.carrier(layer, motion) if isinstance(renderer, Carries) else None
    if carry is None:
        return following(to_uint8(portrait.image), layer)
    known = carry
    return lambda frames, part: known(part)


class _Behind:
    """The background of every frame; a picture that stays is scaled once. None: transparent."""

    def __init__(self, background: Background, height: int, width: int) -> None:
        self._frame = lambda index: background.frame(index, height, width)
        still = len(background.pictures) <= 1 and not background.transparent
        self._still = self._frame(0) if still else None
        self._transparent = background.transparent

    def at(self, index: int) -> np.ndarray | None:
        if self._transparent:
            return None
        return self._frame(index) if self._still is None else self._still


def _composed(frame: np.ndarray, layer: np.ndarray, behind: np.ndarray | None) -> np.ndarray:
    """One frame (H, W, 3) uint8 with its layer (H, W, 4), before ``behind`` or with alpha."""
    alpha = (layer[..., 3:] * 255 + 0.5).clip(0, 255).astype(np.uint8) / np.float32(255)
    own = (frame + 255 * layer[..., :3]).clip(0, 255)
    if behind is not None:
        own = behind + alpha * (own - behind)
        return (own + 0.5).astype(np.uint8)
    near = cv2.dilate((alpha > 0).astype(np.uint8), np.ones((_FRINGE, _FRINGE), np.uint8))
    return np.concatenate([own * near[..., None] + 0.5, 255 * alpha + 0.5], -1).astype(np.uint8)
