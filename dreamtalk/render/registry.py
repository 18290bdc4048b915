"""Which renderers there are, and how one is opened by name or by the file of its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import nn

from ..checkpoints import Checkpoint, read_checkpoint
from ..devices import usable_device
from ..difftalk import load_any
from ..difftalk.mouth.config import STARTER_FILE
from ..errors import DreamTalkError, ModelNotFoundError
from ..face.portrait import Portrait
from ..files.names import is_there
from ..options import read_settings
from .difftalk.options import DiffTalkOptions
from .mesh.options import MeshOptions
from .pirenderer.renderer import PIRendererOptions
from .renderer import NoOptions, Renderer


@dataclass(frozen=True)
class RendererKind:
    """A way to make frames.

    Attributes:
        name: what people write, and the kind of its weights files if it has any.
        about: one sentence for people.
        make: ``make(portrait, network, device, options)``: the renderer of one portrait.
        load: ``load(checkpoint, device, dtype)``: the network that its portraits share; None for a
            renderer without weights.
        starter: the file of the weights that come with the package, opened by the renderer's name;
            None if there is none.
        options: a dataclass of what can be set, with defaults.
    """

    name: str
    about: str
    make: Callable[[Portrait, Any, torch.device, Any], Renderer]
    load: Callable[[Checkpoint, torch.device, torch.dtype], nn.Module] | None = None
    options: type = NoOptions
    starter: Path | None = None

    @property
    def works_as_it_is(self) -> bool:
        """Whether its name alone is enough to open it."""
        return self.load is None or self.starter is not None

    def read_options(self, values: Mapping[str, Any]) -> Any:
        """Check options by name; text is read as the type of the option's default.

        Raises:
            DreamTalkError: on an option that this renderer does not have, or a value of another
                type.
        """
        return read_settings(self.options, values, f"the renderer '{self.name}'")


def _mesh(portrait: Portrait, network: None, device: torch.device, options: Any) -> Renderer:
    from .mesh import MeshRenderer

    return MeshRenderer(portrait, device, mouth=options.mouth)


def _pirenderer(portrait: Portrait, network: Any, device: torch.device, options: Any) -> Renderer:
    from .pirenderer import PIRenderer

    return PIRenderer(network, portrait, options)


def _load_pirenderer(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> nn.Module:
    from .pirenderer import load_pirenderer

    return load_pirenderer(checkpoint, device, dtype)


def _difftalk(portrait: Portrait, network: Any, device: torch.device, options: Any) -> Renderer:
    from .difftalk import make_difftalk

    return make_difftalk(portrait, network, device, options)


RENDERERS: dict[str, RendererKind] = {
    kind.name: kind
    for kind in (
        RendererKind(
            "mesh",
            "moves the portrait itself, at its own resolution",
            _mesh,
            options=MeshOptions,
        ),
        RendererKind(
            "pirenderer",
            "the neural renderer of the published DreamTalk, 256 px",
            _pirenderer,
            _load_pirenderer,
            PIRendererOptions,
        ),
        RendererKind(
            "difftalk",
            "the mesh renderer's frames with mouths that DiffTalk paints",
            _difftalk,
            load_any,
            DiffTalkOptions,
            STARTER_FILE,
        ),
    )
}
"""By name: ours, and what :func:`register_renderer` added."""
ENTRY_POINTS = "dreamtalk.renderers"
"""Group of entry points through which an installed package offers a :class:`RendererKind`."""


def known_renderers() -> dict[str, RendererKind]:
    """All renderers by name: ours, registered ones, and those of installed packages."""
    offered = {found.name: found for found in entry_points(group=ENTRY_POINTS)}
    return {name: found.load() for name, found in offered.items()} | RENDERERS


def register_renderer(kind: RendererKind) -> None:
    """Make a renderer known to the command, the nodes and :func:`open_renderer`.

    Raises:
        DreamTalkError: if there is another one of that name.
    """
    if RENDERERS.get(kind.name, kind) is not kind:
        raise DreamTalkError(f"there is a renderer '{kind.name}' already: choose another name")
    RENDERERS[kind.name] = kind


@dataclass(frozen=True)
class LoadedRenderer:
    """A renderer that is ready for portraits: its kind, its network and its options.

    Attributes:
        kind: which renderer.
        network: shared by all portraits; None for a renderer without weights.
        options: of ``kind.options``.
        name: what it was opened by, for people.
    """

    kind: RendererKind
    network: nn.Module | None
    options: Any
    name: str

    def for_portrait(self, portrait: Portrait, device: str | torch.device = "cpu") -> Renderer:
        """The renderer of one portrait."""
        return self.kind.make(portrait, self.network, usable_device(device), self.options)


def load_renderer(
    name: str | Path = "mesh",
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    **options: Any,
) -> LoadedRenderer:
    """Find a renderer, and load its network if it has one.

    Args:
        name: of :func:`known_renderers`, or a weights file, whose content says which renderer it
            is of.
        device: where the network goes.
        dtype: of the network.
        **options: fields of the renderer's options.

    Raises:
        DreamTalkError: on an unknown name or option, or a device that is not there.
        ModelNotFoundError: if the renderer needs a file of weights and only its name is given.
        CheckpointError: if the file is something else.
    """
    known = known_renderers()
    offered = [kind.name for kind in known.values() if kind.works_as_it_is]
    kind, checkpoint = find_kind("renderer", name, known, offered)
    read = kind.read_options(options)
    if checkpoint is None or kind.load is None:
        return LoadedRenderer(kind, None, read, str(name))
    network = kind.load(checkpoint, usable_device(device), dtype)
    shown = str(name) if str(name) in known else checkpoint.path.name
    return LoadedRenderer(kind, network, read, shown)


class Loadable(Protocol):
    """A row of a table of what may have weights: a renderer, or a painter of mouths."""

    @property
    def load(self) -> Callable[[Checkpoint, torch.device, torch.dtype], nn.Module] | None: ...

    @property
    def starter(self) -> Path | None: ...


K = TypeVar("K", bound=Loadable)


def find_kind(
    what: str, name: str | Path, known: Mapping[str, K], offered: Iterable[str]
) -> tuple[K, Checkpoint | None]:
    """The row of a table that a name, or a file of weights, is of.

    Args:
        what: the table is of, for people.
        name: of a row, or a file whose content says which row it is of.
        known: the table.
        offered: names that can be opened without a file, for people.

    Returns:
        The row, and its weights; None if it has none.

    Raises:
        DreamTalkError: if the file is of no row.
        ModelNotFoundError: if there is no such name and file, or a row's file must be given.
        CheckpointError: if the file is something else.
    """
    kind = known.get(str(name))
    path = Path(name) if kind is None else kind.starter
    if kind is not None and (path is None or not path.is_file()):
        if kind.load is not None:
            raise ModelNotFoundError(
                f"the {what} '{name}' needs its weights: give their file in place of its name"
            )
        return kind, None
    if path is None or not is_there(path):
        raise ModelNotFoundError(
            f"there is no {what} '{name}', and no weights file of that name: choose one of "
            f"{', '.join(offered)}, or a file"
        )
    checkpoint = read_checkpoint(path)
    found = known.get(checkpoint.kind)
    if found is None or found.load is None:
        raise DreamTalkError(
            f"'{checkpoint.path.name}' holds the weights of no {what}, but of kind "
            f"'{checkpoint.kind}': choose one of {', '.join(known)}"
        )
    return found, checkpoint


def open_renderer(
    name: str | Path,
    portrait: Portrait,
    device: str | torch.device = "cpu",
    **options: Any,
) -> Renderer:
    """The renderer of one portrait, by name or weights file: see :func:`load_renderer`."""
    return load_renderer(name, device, **options).for_portrait(portrait, device)
