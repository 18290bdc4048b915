"""The renderer: a portrait and a motion -> frames, in constant memory."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from ...face.portrait import Portrait
from ...motion.motion import Motion
from ...networks.pirenderer import FaceGenerator, Source
from ...options import checked, default
from ...progress import Progress, silent
from ...speech.speech import Features
from ...speed import run_parallel, speed_up, worker_count
from ..square import colour_match, crop_box, cut, feathering
from .coefficients import motion_coefficients, semantic_windows

MOST_WORKERS = 4
"""Pictures made at a time on a CPU, for the memory that each takes meanwhile."""
_FRAME_BYTES = 400 << 20  # generous: what a frame's largest layers need in float32


@dataclass(frozen=True)
class PIRendererOptions:
    """How the generator's square becomes a frame.

    Attributes:
        crop: cut the face out as the official code does. By default done unless the picture is
            such a crop already.
        paste_back: put the rendered square back into the whole picture; otherwise frames are
            256x256.
        match_colours: give the pasted square the colours that the picture has around the face.
            Found for the first frame and kept, so that nothing flickers.
        feather: width of the fading edge of the pasted square, as a share of its side.
        move_head: false holds the official resting pose.
    """

    crop: bool | None = None
    paste_back: bool = True
    match_colours: bool = True
    feather: float = default("feather")
    move_head: bool = True

    def __post_init__(self) -> None:
        checked(feather=self.feather)


class PIRenderer:
    """Renders one portrait. All that depends on it alone is computed here, once.

    Args:
        generator: the network, on the device to use; sped up in place.
        portrait: the analysed picture.
        options: how to cut and paste.
    """

    space = "bfm"
    """The motion space that :meth:`frames` takes as it is; others go through the bridge."""

    @torch.no_grad()
    def __init__(
        self,
        generator: FaceGenerator,
        portrait: Portrait,
        options: PIRendererOptions | None = None,
    ) -> None:
        self.generator = speed_up(generator)
        self.options = options or PIRendererOptions()
        parameter = next(generator.parameters())
        self._device, self._dtype = parameter.device, parameter.dtype
        self._box = crop_box(portrait, self.options.crop)
        self._image = portrait.image.float().cpu()
        self._square = cut(self._image, self._box).to(self._device, self._dtype)
        self._source = generator.encode_source(self._square)
        height, width = portrait.size
        self._share = feathering(self._box, height, width, self.options.feather)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames, px."""
        if self.options.paste_back:
            return int(self._image.shape[0]), int(self._image.shape[1])
        return int(self._square.shape[-2]), int(self._square.shape[-1])

    notes: tuple[str, ...] = ()
    """Nothing is known that would not look its best."""

    def mask(self) -> Tensor:
        """What may differ from the picture: (H, W) float32 in 0..1, of the frames' size."""
        if not self.options.paste_back:
            return torch.ones(self.size)
        mask = torch.zeros(self.size)
        mask[self._box.slices] = self._share
        return mask

    @torch.no_grad()
    def frames(
        self,
        motion: Motion,
        features: Features | None = None,
        progress: Progress = silent,
        chunk: int | None = None,
    ) -> Generator[Tensor, None, None]:
        """Render frame after frame.

        Args:
            motion: in any space. In ``bfm`` the pose columns are taken as they are.
            features: not listened to.
            progress: told the frames done.
            chunk: frames rendered together; by default one on each core of a CPU, and up to 16
                elsewhere as memory allows.

        Yields:
            (n, H, W, 3) uint8 on the CPU
        """
        coefficients = motion_coefficients(motion, self.options.move_head)
        chunk = chunk or _batch(self._device)
        total = len(coefficients)
        progress(0, total)
        colours: tuple[Tensor, Tensor] | None = None
        for start in range(0, total, chunk):
            stop = min(start + chunk, total)
            windows = semantic_windows(coefficients, start, stop)
            windows = windows.to(self._device, self._dtype)
            squares = render_windows(self.generator, self._source, windows)
            squares = (squares.float().clamp(-1, 1) + 1) / 2
            if not self.options.paste_back:
                yield _bytes(squares)
            else:
                squares, around = self._fit(squares)
                if colours is None and self.options.match_colours:
                    colours = self._match(squares[0], around)
                yield self._paste(squares, around, colours)
            progress(stop, total)

    def _fit(self, squares: Tensor) -> tuple[Tensor, Tensor]:
        """Squares (n, 3, h, w) in 0..1 at the size that they have in the picture, and what the
        picture shows there (3, H, W)."""
        rows, columns = self._box.slices
        around = rearrange(self._image[rows, columns], "h w c -> c h w").to(squares)
        if squares.shape[-2:] != around.shape[-2:]:
            squares = F.interpolate(squares, around.shape[-2:], mode="bicubic").clamp(0, 1)
        return squares, around

    def _match(self, square: Tensor, around: Tensor) -> tuple[Tensor, Tensor]:
        """Gain and offset that give a square the colours that the picture has at its edge."""
        share = self._share.to(square)
        ring = share * (1 - share)
        return colour_match(square, around, ring if ring.any() else torch.ones_like(share))

    def _paste(
        self, squares: Tensor, around: Tensor, colours: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        """Squares (n, 3, H, W) in 0..1 into the whole picture, as bytes."""
        share = self._share.to(squares)
        if colours is not None:
            gain, offset = colours
            squares = (squares * gain + offset).clamp(0, 1)
        pasted = around + share * (squares - around)
        if self._box.size == tuple(self._image.shape[:2]):
            return _bytes(pasted)
        frames = _bytes(rearrange(self._image, "h w c -> 1 c h w"), round_=True)
        frames = frames.repeat(len(pasted), 1, 1, 1)
        rows, columns = self._box.slices
        frames[:, rows, columns] = _bytes(pasted, round_=True)
        return frames


def render_windows(generator: FaceGenerator, source: Source, windows: Tensor) -> Tensor:
    """Windows (B, 73, 27) -> pictures (B, 3, 256, 256) in -1..1, without gradients.

    On a CPU the pictures are made in parallel.
    """
    if windows.device.type != "cpu" or generator.compiled:
        with torch.no_grad():
            return generator(source, windows)
    # one by one: several in the same operations would only leave a core's cache
    made = windows.new_empty(len(windows), *source.image.shape[1:])

    def make(index: int) -> None:
        made[index] = generator(source, windows[index : index + 1])[0]

    with torch.no_grad():
        run_parallel(make, range(len(windows)), worker_count(windows.device, MOST_WORKERS))
    return made


def _batch(device: torch.device) -> int:
    """How many frames to render together there."""
    if device.type == "cpu":
        return worker_count(device, MOST_WORKERS)
    if device.type != "cuda":
        return 4
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(16, free // _FRAME_BYTES))


def _bytes(images: Tensor, round_: bool = False) -> Tensor:
    """(n, 3, H, W) in 0..1 -> (n, H, W, 3) uint8 on the CPU; truncated (officially) or rounded."""
    levels = images * 255 + (0.5 if round_ else 0.0)
    return rearrange(levels.to(torch.uint8), "n c h w -> n h w c").contiguous().cpu()
