"""Several faces in one picture, each with its own motion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ..errors import ImageError
from ..motion import Motion
from ..motion.edit import resample
from ..progress import Progress, silent
from .mesh.renderer import MeshRenderer

BORDER = 0.12
"""Width of the seam between two people, in face widths."""


def render_several(
    renderers: Sequence[MeshRenderer],
    motions: Sequence[Motion],
    chunk: int = 8,
    progress: Progress = silent,
) -> Iterator[Tensor]:
    """Animate several faces of the same picture at once.

    Args:
        renderers: one per face, all made from the same picture.
        motions: one per renderer, in the ``face`` space; the longest sets the length, the others
            end at rest; the first sets the frame rate.
        chunk: frames per batch.
        progress: told after every chunk.

    Yields:
        (n, H, W, 3) uint8.

    Raises:
        ImageError: if the pictures differ, a face comes twice, or the lists don't match.
    """
    _check(renderers, motions)
    picture = renderers[0].picture
    motions = _at_one_rate(motions)
    total = max(len(m) for m in motions)
    padded = [_rest_until(m, total) for m in motions]
    streams = [r.frames(m, chunk=chunk) for r, m in zip(renderers, padded, strict=True)]
    shares = territories(renderers)
    done = 0
    for parts in zip(*streams, strict=True):
        yield _merge(picture, parts, shares)
        done += len(parts[0])
        progress(done, total)


def territories(renderers: Sequence[MeshRenderer]) -> list[Tensor]:
    """(H, W, 1) float32 each: whose motion a pixel shows. They add up to 1.

    Every renderer takes the whole group before the background for its person; each may only move
    what is nearer to its face than to another one.
    """
    height, width = renderers[0].face.size
    x = np.arange(width, dtype=np.float32)[None]
    y = np.arange(height, dtype=np.float32)[:, None]
    nearness = []
    for renderer in renderers:
        face = renderer.face
        dx = x - (face.centre[0] + face.crop.x0)
        dy = y - (face.centre[1] + face.crop.y0)
        across = dx * face.right[0] + dy * face.right[1]
        along = dx * face.down[0] + dy * face.down[1]
        # Bodies are taller than wide: who is beside whom matters more than who is above.
        nearness.append(np.hypot(across, 0.4 * along) / (-0.5 * BORDER * face.face_width))
    shares = torch.softmax(torch.from_numpy(np.stack(nearness)), 0)[..., None]
    # Exactly 0 and 1 away from the seam: a picture stays what it was there.
    shares = ((shares - 0.02) / 0.96).clamp(0, 1)
    return list(shares / shares.sum(0))


def _merge(picture: Tensor, parts: Sequence[Tensor], shares: Sequence[Tensor]) -> Tensor:
    """One chunk (n, H, W, 3) uint8 of everybody's chunks."""
    result = torch.empty_like(parts[0])
    base = picture.float()
    for i in range(len(result)):
        changed = base.clone()
        for part, share in zip(parts, shares, strict=True):
            changed.addcmul_(share, part[i].float() - base)
        result[i] = changed.round_().clamp_(0, 255).to(torch.uint8)
    return result


def _check(renderers: Sequence[MeshRenderer], motions: Sequence[Motion]) -> None:
    if not renderers or len(renderers) != len(motions):
        raise ImageError(
            f"{len(renderers)} faces and {len(motions)} motions: give one motion for each face"
        )
    first = renderers[0]
    for i, other in enumerate(renderers[1:], 2):
        if not torch.equal(other.picture, first.picture):
            raise ImageError("the faces are not of the same picture: analyse one picture for all")
        for known in renderers[: i - 1]:
            apart = (_centre(other) - _centre(known)) / known.face.face_width
            if float(np.linalg.norm(apart)) < 0.3:
                raise ImageError(
                    f"face {i} is one that has a motion already: choose another face for it"
                )


def _centre(renderer: MeshRenderer) -> np.ndarray:
    crop = renderer.face.crop
    return renderer.face.centre + np.array([crop.x0, crop.y0])


def group_length(motions: Sequence[Motion]) -> int:
    """How many frames :func:`render_several` makes of these motions."""
    return max(len(motion) for motion in _at_one_rate(motions))


def _at_one_rate(motions: Sequence[Motion]) -> list[Motion]:
    fps = motions[0].fps
    return [motion if motion.fps == fps else resample(motion, fps) for motion in motions]


def _rest_until(motion: Motion, total: int) -> Motion:
    missing = total - len(motion)
    if missing <= 0:
        return motion
    rest = torch.zeros_like(motion.expression[:1]).expand(missing, -1)
    return motion.with_(
        expression=torch.cat([motion.expression, rest]),
        head=torch.cat([motion.head, motion.head.new_zeros(missing, 6)]),
    )
