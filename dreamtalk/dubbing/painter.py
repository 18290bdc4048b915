"""The contract of what paints a new mouth into filmed frames, and which painters there are.

The frames that a painter sees are a part of the film around the face, the same part for all frames
of one :class:`Take`; it need not know where in the film that is. What it returns is laid over the
film by its mask: where the mask is 0 the film's own bytes stay, whatever was painted there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..checkpoints import Checkpoint, read_checkpoint
from ..devices import usable_device
from ..difftalk import load_any
from ..difftalk.mouth.config import STARTER_FILE
from ..errors import DreamTalkError, ModelNotFoundError, MotionError
from ..files.names import is_there
from ..motion.motion import Motion
from ..options import checked, default, read_settings
from ..progress import Progress, silent
from ..render.difftalk.options import DiffTalkOptions
from ..render.renderer import NoOptions
from ..speech.speech import Features


@dataclass(frozen=True)
class Reference:
    """Good frames of one shot, for what a filmed frame does not show: teeth, lips at rest.

    Attributes:
        pictures: (K, H, W, 3) uint8, K at least 1. The first is the best frame with closed lips
            (sharp, frontal; see :mod:`.reference`), then comes the one that shows most teeth for
            its opening, then wide openings; less where they are the same.
        landmarks: (K, 478, 3) float32 px of the pictures: x right, y down, z away from the camera.
        channels: (K, 31) float32, what the face does in them in the ``face`` space, as offsets from
            ``neutral``.
        neutral: (31,) float32, the person's neutral face as absolute channels.
    """

    pictures: Tensor
    landmarks: Tensor
    channels: Tensor
    neutral: Tensor


@dataclass(frozen=True)
class Take:
    """Frames of one shot that follow each other, and what their mouth shall do.

    Attributes:
        pictures: (N, H, W, 3) uint8, N at least 1.
        landmarks: (N, 478, 3) float32 px of the pictures, z away from the camera; of the mouth that
            was filmed.
        wanted: N frames in the ``face`` space at the film's frame rate, offsets from the person's
            neutral face. Lips and jaw are the new ones; eyes, brows, cheeks and nose are those that
            were filmed. The head is not used: it is where the landmarks are.
        filmed: the same with the lips and the jaw that were filmed.
        first: the number of the first frame in the dubbed film, for what is drawn per frame.
        times: (N,) float64, where in the speech each frame is, s.
        features: of the whole speech, for painters that listen too; None where there are none.
    """

    pictures: Tensor
    landmarks: Tensor
    wanted: Motion
    filmed: Motion
    first: int
    times: Tensor
    features: Features | None = None

    def __post_init__(self) -> None:
        parts = (self.pictures, self.landmarks, self.wanted, self.filmed, self.times)
        lengths = {len(part) for part in parts}
        if len(lengths) != 1:
            raise MotionError(f"a take's parts must be of equally many frames, not {lengths}")

    def __len__(self) -> int:
        return len(self.pictures)


@dataclass(frozen=True)
class Painted:
    """Frames with a new mouth.

    Attributes:
        pictures: (N, H, W, 3) uint8 on the CPU.
        mask: (N, H, W) float32 in 0..1: how much of ``pictures`` shows; 0 keeps the film's bytes.
    """

    pictures: Tensor
    mask: Tensor


class ShotPainter(Protocol):
    """Paints the mouths of one shot.

    Takes come in the order of the dubbed film, so a painter may carry something from one to the
    next. A shot that the film comes back to is prepared anew.
    """

    def paint(self, take: Take, progress: Progress = silent) -> Painted:
        """New mouths for some frames.

        Args:
            take: the frames, as few or as many as fit into memory.
            progress: told the frames done; may raise to cancel.
        """
        ...


class MouthPainter(Protocol):
    """Makes the painters of shots. Holds the networks, nothing of a film."""

    def prepare(self, reference: Reference) -> ShotPainter:
        """The painter of one shot."""
        ...


@dataclass(frozen=True)
class PainterKind:
    """A way to paint mouths.

    Attributes:
        name: what people write, and the kind of its weights files if it has any.
        about: one sentence for people.
        make: ``make(network, device, options)``.
        load: ``load(checkpoint, device, dtype)``: the network; None for a painter without weights.
        starter: the file of the weights that come with the package, opened by the painter's name;
            None if there is none.
        options: a dataclass of what can be set, with defaults. One called ``seed`` is the job's
            seed.
    """

    name: str
    about: str
    make: Callable[[Any, torch.device, Any], MouthPainter]
    load: Callable[[Checkpoint, torch.device, torch.dtype], nn.Module] | None = None
    starter: Path | None = None
    options: type = NoOptions

    def read_options(self, values: Mapping[str, Any], seed: int) -> Any:
        """Check options by name; text is read as the type of the option's default.

        Args:
            values: what is set.
            seed: of the job.

        Raises:
            DreamTalkError: on an option that this painter does not have, or a value of another
                type.
        """
        seeded = any(field.name == "seed" for field in fields(self.options))
        values = {**({"seed": seed} if seeded else {}), **values}
        return read_settings(self.options, values, f"the painter '{self.name}'")


@dataclass(frozen=True)
class MeshPainterOptions:
    """Of the painter ``mesh``.

    Attributes:
        lips: how much of the reference frame's lips shows, 0..1; the rest are the filmed ones.

    Raises:
        DreamTalkError: on another value.
    """

    lips: float = default("painter.lips")

    def __post_init__(self) -> None:
        checked(**{"painter.lips": self.lips})


def _mesh(network: None, device: torch.device, options: Any) -> MouthPainter:
    from .mesh import MeshPainter

    return MeshPainter(device, options)


def _difftalk(network: nn.Module, device: torch.device, options: Any) -> MouthPainter:
    from .difftalk import DiffTalkPainter

    return DiffTalkPainter(network, device, options)


PAINTERS: dict[str, PainterKind] = {
    kind.name: kind
    for kind in (
        PainterKind(
            "mesh",
            "bends the filmed skin, with the lips and teeth of a good frame of the shot",
            _mesh,
            options=MeshPainterOptions,
        ),
        PainterKind(
            "difftalk",
            "the mesh painter's frames, with mouths that DiffTalk paints anew",
            _difftalk,
            load_any,
            STARTER_FILE,
            DiffTalkOptions,
        ),
    )
}
"""By name."""


@dataclass(frozen=True)
class LoadedPainter:
    """A painter that is ready for films: its kind, its network and its options.

    Attributes:
        kind: which painter.
        network: None for a painter without weights.
        options: of ``kind.options``.
        name: what it was opened by, for people.
    """

    kind: PainterKind
    network: nn.Module | None
    options: Any
    name: str

    def on(self, device: str | torch.device = "cpu") -> MouthPainter:
        """The painter, working on a device; its network must be there."""
        return self.kind.make(self.network, usable_device(device), self.options)


def load_painter(
    name: str | Path = "mesh",
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    **options: Any,
) -> LoadedPainter:
    """Find a painter, and load its network if it has one.

    Args:
        name: of :data:`PAINTERS`, or a weights file, whose content says which painter it is of.
        device: where the network goes.
        dtype: of the network.
        seed: for what is drawn.
        **options: fields of the painter's options.

    Raises:
        DreamTalkError: on an unknown name or option, or a device that is not there.
        ModelNotFoundError: if the painter needs a file of weights and only its name is given.
        CheckpointError: if the file is something else.
    """
    kind = PAINTERS.get(str(name))
    path = Path(name) if kind is None else kind.starter
    if kind is not None and path is None:
        if kind.load is not None:
            raise ModelNotFoundError(
                f"the painter '{name}' needs its weights: give their file in place of its name"
            )
        return LoadedPainter(kind, None, kind.read_options(options, seed), str(name))
    if path is None or not is_there(path):
        raise ModelNotFoundError(
            f"there is no painter '{name}', and no weights file of that name: choose one of "
            f"{', '.join(PAINTERS)}, or a file"
        )
    checkpoint = read_checkpoint(path)
    found = PAINTERS.get(checkpoint.kind)
    if found is None or found.load is None:
        raise DreamTalkError(
            f"'{checkpoint.path.name}' holds the weights of no painter, but of kind "
            f"'{checkpoint.kind}': choose one of {', '.join(PAINTERS)}"
        )
    read = found.read_options(options, seed)
    network = found.load(checkpoint, usable_device(device), dtype)
    return LoadedPainter(found, network, read, str(name))
