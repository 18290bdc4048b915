"""Several faces in one picture, each with its own motion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ...errors import ImageError
from ...motion import Motion
from ...progress import Progress, silent
from .renderer import MeshRenderer


def render_several(
    renderers: Sequence[MeshRenderer],
    motions: Sequence[Motion],
    chunk: int = 8,
    progress: Progress = silent,
) -> Iterator[Tensor]:
    """Animate several faces of the same picture at once.

    Args:
        renderers: one per face, all made from the same picture.
        motions: one per renderer; the longest sets the length, the others end at rest.
        chunk: frames per batch.
        progress: told after every chunk.

    Yields:
        (n, H, W, 3) uint8.

    Raises:
        ImageError: if the pictures differ or the lists don't match.
    """
    if not renderers or len(renderers) != len(motions):
        raise ImageError(
            f"{len(renderers)} faces and {len(motions)} motions: give one motion for each face"
        )
    picture = renderers[0].picture
    for other in renderers[1:]:
        if not torch.equal(other.picture, picture):
            raise ImageError("the faces are not of the same picture: analyse one picture for all")
    total = max(len(m) for m in motions)
    padded = [_rest_until(r, m, total) for r, m in zip(renderers, motions, strict=True)]
    streams = [r.frames(m, chunk=chunk) for r, m in zip(renderers, padded, strict=True)]
    done = 0
    for parts in zip(*streams, strict=True):
        result = parts[0]
        for part in parts[1:]:
            moved = (part != picture).any(-1, keepdim=True)
            result = torch.where(moved, part, result)
        done += len(result)
        yield result
        progress(done, total)


def _rest_until(renderer: MeshRenderer, motion: Motion, total: int) -> Motion:
    missing = total - len(motion)
    if missing <= 0:
        return motion
    rest = torch.zeros_like(motion.expression[:1]).expand(missing, -1)
    return motion.with_(
        expression=torch.cat([motion.expression, rest]),
        head=torch.cat([motion.head, motion.head.new_zeros(missing, 6)]),
    )
