"""Several faces in one picture, each with its own motion."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ..errors import ImageError
from ..face.portrait import Portrait
from ..motion.bridges import convert
from ..motion.edit import resample
from ..motion.motion import Motion
from ..progress import Progress, silent
from ..speech.speech import Features
from .mesh.portrait.geometry import FaceGeometry, face_geometry
from .renderer import Carries, Renderer

BORDER = 0.12
"""Width of the seam between two people, in face widths."""
_CHUNK = 8


class Group:
    """Several faces of one picture as one renderer.

    It takes the motion of the first face; those of the others come with it.

    Args:
        portraits: of the same picture, one a face.
        renderers: one a portrait, whose frames are the whole picture.
        others: the motions of all faces but the first.

    Raises:
        ImageError: if the pictures differ, a face comes twice, or the lists don't match.
    """

    def __init__(
        self,
        portraits: Sequence[Portrait],
        renderers: Sequence[Renderer],
        others: Sequence[Motion],
    ) -> None:
        faces = [face_geometry(portrait) for portrait in portraits]
        _check(portraits, renderers, faces, 1 + len(others))
        self._renderers, self._others = list(renderers), list(others)
        self._picture = (portraits[0].image.float() * 255).round().clamp(0, 255).to(torch.uint8)
        self._shares = territories(faces)
        self.space = renderers[0].space
        self.size = renderers[0].size
        self.notes = [note for renderer in renderers for note in renderer.notes]

    def mask(self) -> Tensor:
        """What may differ from the picture: (H, W) float32."""
        return torch.stack([r.mask().cpu().float() for r in self._renderers]).amax(0)

    def extended(self, motion: Motion) -> Motion:
        """The first face's motion, at rest after its end until the longest one of all has ended."""
        frames = max(len(m) for m in (motion, *self._at_rate(motion.fps)))
        return _rest_until(motion, frames)

    def frames(
        self, motion: Motion, features: Features | None = None, progress: Progress = silent
    ) -> Generator[Tensor, None, None]:
        """Animate all faces for as long as the first one's motion: see :meth:`extended`.

        Args:
            motion: of the first face; sets the frame rate.
            features: passed on to every renderer.
            progress: told after every chunk.

        Yields:
            (n, H, W, 3) uint8.
        """
        total = len(motion)
        streams = [
            _even(r.frames(m, features), _CHUNK)
            for r, m in zip(self._renderers, self._taken(motion), strict=True)
        ]
        return self._merged(streams, total, progress)

    def _merged(
        self, streams: Sequence[Iterator[Tensor]], total: int, progress: Progress
    ) -> Generator[Tensor, None, None]:
        done = 0
        for parts in zip(*streams, strict=False):  # another motion may be longer
            left = total - done
            yield _merge(self._picture, [part[:left] for part in parts], self._shares)
            done += min(len(parts[0]), left)
            progress(done, total)
            if done == total:
                return

    def carrier(self, layer: np.ndarray, motion: Motion) -> Callable[[slice], Tensor] | None:
        """Everybody carries what is theirs: see :class:`.renderer.Carries`."""
        pairs = zip(self._renderers, self._taken(motion), strict=True)
        carriers = [r.carrier(layer, m) if isinstance(r, Carries) else None for r, m in pairs]
        known = [carry for carry in carriers if carry is not None]
        if len(known) < len(carriers):
            return None

        def carry(part: slice) -> Tensor:
            # another motion may be longer
            part = slice(*part.indices(len(motion)))
            carried = [one(part) for one in known]
            return sum(
                (share * each for share, each in zip(self._shares, carried, strict=True)),
                torch.zeros(1),
            )

        return carry

    def _taken(self, motion: Motion) -> list[Motion]:
        """Everybody's motion in the space of their renderer, at the first one's rate."""
        motions = [motion, *(_rest_until(m, len(motion)) for m in self._at_rate(motion.fps))]
        return [convert(m, r.space) for m, r in zip(motions, self._renderers, strict=True)]

    def _at_rate(self, fps: float) -> list[Motion]:
        return [m if m.fps == fps else resample(m, fps) for m in self._others]


def together(
    portraits: Sequence[Portrait], renderers: Sequence[Renderer], motions: Sequence[Motion]
) -> tuple[Renderer, Motion]:
    """One renderer and one motion for all faces of a picture, as long as the longest motion.

    Args:
        portraits, renderers, motions: one each a face, in the same order. The first motion sets the
            frame rate; the others end at rest.

    Raises:
        ImageError: as :class:`Group`.
    """
    if len(renderers) == len(motions) == 1:
        return renderers[0], motions[0]
    if not renderers or len(renderers) != len(motions):
        raise _unequal(len(renderers), len(motions))
    group = Group(portraits, renderers, motions[1:])
    return group, group.extended(motions[0])


def territories(faces: Sequence[FaceGeometry]) -> list[Tensor]:
    """(H, W, 1) float32 each: whose motion a pixel shows. They add up to 1.

    Every renderer takes the whole group before the background for its person; each may only move
    what is nearer to its face than to another one.
    """
    height, width = faces[0].size
    x = np.arange(width, dtype=np.float32)[None]
    y = np.arange(height, dtype=np.float32)[:, None]
    nearness = []
    for face in faces:
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


def _even(chunks: Iterator[Tensor], size: int) -> Iterator[Tensor]:
    """The same frames in chunks of one size: renderers make them as it suits them."""
    held: list[Tensor] = []
    for chunk in chunks:
        held.append(chunk)
        while sum(len(part) for part in held) >= size:
            joined = torch.cat(held) if len(held) > 1 else held[0]
            yield joined[:size]
            held = [joined[size:]] if len(joined) > size else []
    if held:
        yield torch.cat(held)


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


def _unequal(faces: int, motions: int) -> ImageError:
    return ImageError(f"{faces} faces and {motions} motions: give one motion for each face")


def _check(
    portraits: Sequence[Portrait],
    renderers: Sequence[Renderer],
    faces: Sequence[FaceGeometry],
    motions: int,
) -> None:
    if not renderers or not len(portraits) == len(renderers) == motions:
        raise _unequal(len(renderers), motions)
    first = portraits[0]
    for i, (other, face) in enumerate(zip(portraits, faces, strict=True), 1):
        if not torch.equal(other.image, first.image):
            raise ImageError("the faces are not of the same picture: analyse one picture for all")
        if renderers[i - 1].size != first.size:
            raise ImageError(
                "a renderer whose frames are not the whole picture can't animate several faces: "
                "switch paste_back on, or take the mesh renderer"
            )
        for known in faces[: i - 1]:
            if float(np.linalg.norm(_centre(face) - _centre(known))) < 0.3 * known.face_width:
                raise ImageError(
                    f"face {i} is one that has a motion already: choose another face for it"
                )


def _centre(face: FaceGeometry) -> np.ndarray:
    return face.centre + np.array([face.crop.x0, face.crop.y0])


def _rest_until(motion: Motion, frames: int) -> Motion:
    missing = frames - len(motion)
    if missing <= 0:
        return motion
    rest = torch.zeros_like(motion.expression[:1]).expand(missing, -1)
    pose = motion.pose
    return motion.with_(
        expression=torch.cat([motion.expression, rest]),
        head=torch.cat([motion.head, motion.head.new_zeros(missing, 6)]),
        pose=None if pose is None else torch.cat([pose, pose[-1:].expand(missing, -1)]),
    )
