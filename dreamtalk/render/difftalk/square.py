"""The published DiffTalk as a renderer: a square of the mesh renderer's frames, painted anew."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

import cv2
import numpy as np
import torch
from torch import Tensor

from ...difftalk.conditioning import mouth_box, shown_landmarks
from ...difftalk.model import DiffTalk
from ...difftalk.paint import MaskedFrames, paint
from ...face.portrait import Portrait
from ...motion.motion import Motion
from ...progress import Progress, silent
from ...speech.speech import Features
from ..mesh import MeshRenderer
from ..square import crop_box, feathering
from .heard import speech_windows
from .options import DiffTalkOptions


class SquareRenderer:
    """The mesh renderer's frames, whose square around the face the published DiffTalk paints.

    It paints what it hears: features must come with the motion, which moves the head alone.

    Args:
        network: on the device to use.
        portrait: the analysed picture.
        device: of the mesh renderer.
        options: how.
    """

    space = "face"
    notes: tuple[str, ...] = ()

    def __init__(
        self,
        network: DiffTalk,
        portrait: Portrait,
        device: torch.device,
        options: DiffTalkOptions | None = None,
    ) -> None:
        self.network, self.options = network, options or DiffTalkOptions()
        self.mesh = MeshRenderer(portrait, device)
        self._box = crop_box(portrait)
        height, width = portrait.size
        self._share = feathering(self._box, height, width, self.options.feather)
        self._reference = self._cut(self.mesh.picture.numpy())

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames, px: the portrait's."""
        return self.mesh.size

    def mask(self) -> Tensor:
        """What may differ from the picture: (H, W) float32 in 0..1."""
        mask = self.mesh.mask().cpu()
        mask[self._box.slices] = torch.maximum(mask[self._box.slices], self._share)
        return mask

    def frames(
        self, motion: Motion, features: Features | None = None, progress: Progress = silent
    ) -> Generator[Tensor, None, None]:
        """See :class:`Renderer`.

        Raises:
            DreamTalkError: without features.
            SpaceMismatchError: on features that tell no symbols.
        """
        return self._painted(motion, speech_windows(motion, features), progress)

    def _painted(
        self, motion: Motion, windows: Tensor, progress: Progress
    ) -> Generator[Tensor, None, None]:
        whole: list[Tensor] = []  # frames that wait for their squares

        def pieces() -> Iterator[MaskedFrames]:
            done = 0
            for chunk in self.mesh.frames(motion):
                whole.extend(chunk)
                part = slice(done, done + len(chunk))
                done += len(chunk)
                yield self._masked(chunk, self.mesh.landmarks(motion, part), windows[part])

        done = 0
        options = self.options.square()
        for squares in paint(self.network, pieces(), self._reference, options):
            made = torch.stack(whole[: len(squares)])
            del whole[: len(squares)]
            for frame, square in zip(made, squares, strict=True):
                self._paste(frame, square)
            done += len(made)
            progress(done, len(motion))
            yield made

    def carrier(self, layer: np.ndarray, motion: Motion) -> Callable[[slice], Tensor]:
        """See :class:`.renderer.Carries`: the lower half is painted into the frame's outline."""
        return self.mesh.carrier(layer, motion)

    def _masked(self, chunk: Tensor, landmarks: Tensor, windows: Tensor) -> MaskedFrames:
        height, width = self._box.size
        side = self.network.config.image_size
        corner = torch.tensor([self._box.x0, self._box.y0])
        points = (landmarks - corner) * torch.tensor([side / width, side / height])
        images = torch.stack([self._cut(frame.numpy()) for frame in chunk])
        return MaskedFrames(images, mouth_box(points, side), windows, shown_landmarks(points))

    def _cut(self, frame: np.ndarray) -> Tensor:
        """(H, W, 3) uint8 -> the square, (S, S, 3) uint8."""
        side = self.network.config.image_size
        part = frame[self._box.slices]
        flag = cv2.INTER_AREA if part.shape[0] > side else cv2.INTER_CUBIC
        return torch.from_numpy(cv2.resize(part, (side, side), interpolation=flag))

    def _paste(self, frame: Tensor, square: Tensor) -> None:
        """A painted square into its frame (H, W, 3) uint8, in place."""
        rows, columns = self._box.slices
        height, width = self._box.size
        painted = torch.from_numpy(
            cv2.resize(square.numpy(), (width, height), interpolation=cv2.INTER_CUBIC)
        )
        below = frame[rows, columns].float()
        mixed = below + self._share[..., None] * (painted - below)
        frame[rows, columns] = (mixed + 0.5).clamp(0, 255).to(torch.uint8)
