"""PIRenderer's face generator (Ren et al. 2021), in the form that DreamTalk and StyleTalk use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...checkpoints import PIRENDERER, Checkpoint, load_weights, read_checkpoint
from ...cpu.workers import cores, side_by_side
from .editing import EditingNet
from .layers import Residual
from .mapping import MappingNet
from .warping import Warp, WarpingNet

if TYPE_CHECKING:
    from ...face.portrait import Portrait
    from .renderer import PIRenderer

COEFFICIENTS = 73
"""64 expression, 3 angles, 3 translation, 3 crop."""
MOST_WORKERS = 4
"""Pictures made at a time on a CPU, for the memory that each takes meanwhile."""


@dataclass(frozen=True)
class Source:
    """The portrait and all that depends on it alone; made once per video.

    Attributes:
        image: (1, 3, 256, 256) in -1..1.
        warping: (1, 32, 256, 256) first features of the warping network.
        editing: (1, 64, 256, 256) the portrait's half of the editing network's first layer.
    """

    image: Tensor
    warping: Tensor
    editing: Tensor


class FaceGenerator(nn.Module):
    """A portrait and a window of coefficients -> a frame. Every frame stands for itself."""

    def __init__(self) -> None:
        super().__init__()
        self.mapping_net = MappingNet(COEFFICIENTS)
        self.warpping_net = WarpingNet()
        self.editing_net = EditingNet()
        self.compiled = False

    def encode_source(self, image: Tensor) -> Source:
        """(1, 3, 256, 256) in -1..1 -> what :meth:`forward` needs of it."""
        warping = self.warpping_net.encode_source(image)
        return Source(image, warping, self.editing_net.encoder.encode_source(image))

    def warp(self, source: Source, windows: Tensor) -> tuple[Tensor, Warp]:
        """Windows (B, 73, 27) -> motion descriptors (B, 256) and the moved pictures."""
        z = self.mapping_net(windows)
        return z, self.warpping_net(source.image, source.warping, z)

    def forward(self, source: Source, windows: Tensor) -> Tensor:
        """Windows (B, 73, 27) -> pictures (B, 3, 256, 256) in -1..1."""
        z, warp = self.warp(source, windows)
        return self.editing_net(source.editing, warp.image, z)

    def pictures(self, source: Source, windows: Tensor) -> Tensor:
        """As ``forward``, without gradients; on a CPU the pictures are made side by side."""
        if windows.device.type != "cpu" or self.compiled:
            with torch.no_grad():
                return self(source, windows)
        # one by one: several in the same operations would only leave a core's cache
        made = windows.new_empty(len(windows), *source.image.shape[1:])

        def make(index: int) -> None:
            made[index] = self(source, windows[index : index + 1])[0]

        with torch.no_grad():
            side_by_side(make, range(len(windows)), cores(windows.device, MOST_WORKERS))
        return made

    def for_portrait(
        self, portrait: Portrait, device: str | torch.device | None = None, **options: Any
    ) -> PIRenderer:
        """A renderer of one portrait.

        Args:
            device: moves the network there first.
            **options: fields of :class:`PIRendererOptions`.
        """
        from .renderer import PIRenderer, PIRendererOptions

        generator = self if device is None else self.to(device)
        return PIRenderer(generator, portrait, PIRendererOptions(**options))


def load_pirenderer(
    path: str | Path | Checkpoint,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    compile: bool = False,
) -> FaceGenerator:
    """Load a renderer checkpoint: ours, or DreamTalk's, StyleTalk's or PIRender's own.

    Args:
        dtype: to compute in.
        compile: run the networks through ``torch.compile``; the first frame then takes as long as
            compiling does.

    Raises:
        ModelNotFoundError: if there is no such file.
        CheckpointError: if it is something else.
    """
    checkpoint = read_checkpoint(path).require(PIRENDERER)
    generator = FaceGenerator().eval()
    alive = {k: v for k, v in checkpoint.state.items() if not is_dead(k)}
    load_weights(generator, alive, checkpoint.path, "PIRenderer's face generator")
    if compile:
        generator.compile()  # in place: the weights keep their names
        generator.compiled = True
    return generator.to(device, dtype)


def converted(checkpoint: Checkpoint) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What one of our files holds for this checkpoint: tensors and config."""
    return load_pirenderer(checkpoint).state_dict(), checkpoint.config


def is_dead(key: str) -> bool:
    """Whether a weight of the published checkpoint never reaches the output."""
    return key.startswith("editing_net.decoder.res") and key.split(".")[4] in Residual.DEAD
