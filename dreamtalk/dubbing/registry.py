"""Which painters there are, and how one is opened by name or by the file of its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..checkpoints import Checkpoint
from ..devices import usable_device
from ..difftalk import load_any
from ..difftalk.mouth.config import STARTER_FILE
from ..options import read_settings
from ..render.difftalk.options import DiffTalkOptions
from ..render.registry import find_kind
from ..render.renderer import NoOptions
from .options import MeshPainterOptions
from .painter import MouthPainter


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


def _mesh(network: None, device: torch.device, options: Any) -> MouthPainter:
    from .mesh import MeshPainter

    return MeshPainter(options)


def _difftalk(network: nn.Module, device: torch.device, options: Any) -> MouthPainter:
    from .difftalk import DiffTalkPainter

    return DiffTalkPainter(network, options)


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
    kind, checkpoint = find_kind("painter", name, PAINTERS, PAINTERS)
    read = kind.read_options(options, seed)
    network = None
    if checkpoint is not None and kind.load is not None:
        network = kind.load(checkpoint, usable_device(device), dtype)
    return LoadedPainter(kind, network, read, str(name))
