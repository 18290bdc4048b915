"""Renderers whose mouths DiffTalk paints: ours, on the mouth alone, and the published form."""

from __future__ import annotations

from collections.abc import Callable, Generator

import numpy as np
import torch
from torch import Tensor, nn

from ...difftalk.model import DiffTalk
from ...difftalk.mouth.model import MouthPainterNet
from ...difftalk.mouth.painter import MouthFrames, PersonMouthPainter
from ...errors import CheckpointError, DreamTalkError
from ...face.portrait import Portrait
from ...motion.motion import Motion
from ...motion.spaces import LIP_CHANNELS
from ...progress import Progress, silent
from ...speech.speech import Features
from ..mesh import MeshRenderer
from ..renderer import Renderer
from .heard import speech_windows
from .options import DiffTalkOptions
from .square import SquareRenderer

_CHUNK = 8


def make_difftalk(
    portrait: Portrait, network: nn.Module, device: torch.device, options: DiffTalkOptions
) -> Renderer:
    """The renderer of one portrait, with a network of either form.

    Raises:
        CheckpointError: with any other network.
    """
    if isinstance(network, DiffTalk):
        return SquareRenderer(network, portrait, device, options)
    if isinstance(network, MouthPainterNet):
        return DiffTalkRenderer(network, portrait, device, options)
    raise CheckpointError(f"a {type(network).__name__} is no DiffTalk")


class DiffTalkRenderer:
    """The mesh renderer's frames with mouths that our DiffTalk painted, at the portrait's size.

    Head, eyes, skin and the lips' places are the mesh renderer's; the network repaints a box around
    the mouth from them, with the portrait as the reference.

    Args:
        network: on the device to use.
        portrait: the analysed picture.
        device: of the mesh renderer.
        options: how.
    """

    space = "face"

    def __init__(
        self,
        network: MouthPainterNet,
        portrait: Portrait,
        device: torch.device,
        options: DiffTalkOptions | None = None,
    ) -> None:
        self.options = options or DiffTalkOptions()
        if self.options.from_speech and not network.hears:
            raise DreamTalkError(
                "this DiffTalk was trained without speech: from_speech needs one that listens"
            )
        self.mesh = MeshRenderer(portrait, device)
        self.painter = PersonMouthPainter(
            network,
            self.mesh.picture.numpy(),
            portrait.landmarks.cpu().numpy(),
            portrait.rest[: len(LIP_CHANNELS)],
            self.options.mouth(),
        )
        self.notes = self.mesh.notes

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames, px: the portrait's."""
        return self.mesh.size

    def mask(self) -> Tensor:
        """What may differ from the picture: (H, W) float32; the painted box moves within it."""
        return self.mesh.mask()

    def frames(
        self, motion: Motion, features: Features | None = None, progress: Progress = silent
    ) -> Generator[Tensor, None, None]:
        """See :class:`Renderer`. The features are listened to where ``from_speech`` is set."""
        return self._painted(motion, self._windows(motion, features), progress)

    def _painted(
        self, motion: Motion, windows: Tensor | None, progress: Progress
    ) -> Generator[Tensor, None, None]:
        shows = self.mask().cpu().numpy()[..., None] > 0
        done = 0
        for chunk in self.mesh.frames(motion, chunk=_CHUNK):
            part = slice(done, done + len(chunk))
            pictures = chunk.numpy()
            marks = self.mesh.landmarks(motion, part).numpy()
            frames = MouthFrames(
                pictures,
                marks,
                marks,
                motion.expression[part, : len(LIP_CHANNELS)],
                None if windows is None else windows[part],
                done,
            )
            painted, masks = self.painter.paint(frames)
            share = masks[..., None] * shows
            mixed = pictures + share * (painted.astype(np.float32) - pictures)
            done += len(chunk)
            progress(done, len(motion))
            yield torch.from_numpy((mixed + 0.5).astype(np.uint8))

    def carrier(self, layer: np.ndarray, motion: Motion) -> Callable[[slice], Tensor]:
        """See :class:`.renderer.Carries`: nothing that is painted reaches the outline."""
        return self.mesh.carrier(layer, motion)

    def _windows(self, motion: Motion, features: Features | None) -> Tensor | None:
        if not self.options.from_speech:
            return None
        return speech_windows(motion, features)
