"""Painter ``difftalk``: the mesh painter's frames, with mouths that DiffTalk paints anew.

The mesh painter moves skin, jaw and lips to where the new speech wants them. DiffTalk then repaints
a box around the mouth, told the new lips and with a frame of the shot that shows teeth as its
reference. All frames of a shot start from one noise.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ..difftalk.mouth.model import MouthPainterNet
from ..difftalk.mouth.painter import MouthFrames, PersonMouthPainter
from ..difftalk.posteriors import symbol_windows
from ..errors import CheckpointError, DreamTalkError
from ..face.basis import FaceBasis
from ..face.channels import FACE_CHANNELS, LIP_CHANNELS
from ..progress import Progress, silent
from ..render.difftalk.options import DiffTalkOptions
from ..render.mesh.portrait.geometry import FLIP
from ..speech.speech import FPS
from .mesh import MeshPainter, MeshShotPainter
from .painter import Painted, Reference, Take

_TOOTHY = 0.12
"""IOD of aperture at which a frame shows the teeth well and the lips are not yet stretched."""


class DiffTalkPainter:
    """Makes the painters of shots; see the module.

    Args:
        network: our DiffTalk, on the device to use.
        options: as the renderer ``difftalk`` takes them.

    Raises:
        CheckpointError: with a DiffTalk of the published form.
    """

    def __init__(self, network: nn.Module, options: DiffTalkOptions | None = None) -> None:
        if not isinstance(network, MouthPainterNet):
            raise CheckpointError(
                "films are dubbed by the DiffTalk that paints mouths alone; this file holds the "
                "published form, which paints whole squares: use it as a renderer"
            )
        self.network, self.options = network, options or DiffTalkOptions()
        if self.options.from_speech and not network.hears:
            raise DreamTalkError(
                "this DiffTalk was trained without speech: from_speech needs one that listens"
            )
        self._mesh = MeshPainter()
        self._basis = FaceBasis.load()

    def prepare(self, reference: Reference) -> DiffTalkShotPainter:
        """Measure the shot's good frames, in about half a second."""
        aperture = reference.channels[:, FACE_CHANNELS.index("lipAperture")]
        best = int((aperture - _TOOTHY).abs().argmin())
        painter = PersonMouthPainter(
            self.network,
            reference.pictures[best].numpy(),
            reference.landmarks[best].numpy(),
            reference.channels[best, : len(LIP_CHANNELS)],
            self.options.mouth(),
        )
        return DiffTalkShotPainter(
            self._mesh.prepare(reference), painter, self._basis, self.options.from_speech
        )


class DiffTalkShotPainter:
    """The painter of one shot; keeps nothing from one take to the next."""

    def __init__(
        self,
        mesh: MeshShotPainter,
        painter: PersonMouthPainter,
        basis: FaceBasis,
        from_speech: bool,
    ) -> None:
        self._mesh, self._painter, self._basis = mesh, painter, basis
        self._from_speech = from_speech

    def paint(self, take: Take, progress: Progress = silent) -> Painted:
        """See :class:`ShotPainter`."""
        first = self._mesh.paint(take)
        share = first.mask[..., None]
        moved = take.pictures + share * (first.pictures.float() - take.pictures)
        pictures = (moved + 0.5).to(torch.uint8).numpy()
        marks = self._places(take)
        frames = MouthFrames(
            pictures,
            marks,
            marks,
            take.wanted.expression[:, : len(LIP_CHANNELS)],
            self._heard(take),
            take.first,
        )
        painted, mask = self._painter.paint(frames)
        mixed = pictures + mask[..., None] * (painted.astype(np.float32) - pictures)
        progress(len(take), len(take))
        # both layers fade by themselves: what is shown is whole, and the film's own beyond them
        shows = (first.mask > 0) | torch.from_numpy(mask > 0)
        return Painted(torch.from_numpy((mixed + 0.5).astype(np.uint8)), shows.float())

    def _places(self, take: Take) -> np.ndarray:
        """(N, 478, 2) px, where the landmarks are with the new lips."""
        marks = take.landmarks.numpy()
        change = self._basis.decode(take.wanted.expression - take.filmed.expression)
        _, poses = self._basis.align(marks)
        axes = FLIP[:, None] * poses.rotation * poses.scale[:, None, None]
        offsets = np.einsum("nij,nkj->nki", axes, change.double().numpy())
        return (marks + offsets)[..., :2].astype(np.float32)

    def _heard(self, take: Take) -> torch.Tensor | None:
        if not self._from_speech:
            return None
        if take.features is None:
            raise DreamTalkError("DiffTalk paints from speech here, but there is none")
        windows = symbol_windows(take.features)
        return windows[(take.times * FPS).round().long().clamp(0, len(windows) - 1)]
