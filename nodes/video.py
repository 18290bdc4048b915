"""A VIDEO that is rendered while it is saved: nothing is encoded twice, or held in memory.

What travels is :class:`Footage`, which can begin its frames as often as it is asked to. A file that
was made of it already is taken instead, as long as it is there and as it was.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import torch
from comfy_api.latest import Input, Types
from torch import Tensor

from ..dreamtalk.errors import DreamTalkError
from . import runtime
from .convert import audio_of, watched

if TYPE_CHECKING:
    from ..dreamtalk.render.video import Container, Sound

_MEMORY_SHARE = 0.5
_COLOURS = (None, "auto", "sRGB")
_Key = tuple[Any, ...]


@dataclass(frozen=True)
class Footage:
    """What a video is made of.

    Attributes:
        frames: begins them: chunks (n, H, W, 3) uint8.
        count: of frames.
        size: (height, width) of the frames, px.
        rate: frames a second.
        sound: samples that begin with the frames; None for none.
        comment: goes into every file's metadata; None for none.
        quality: constant rate factor on h264's scale.
    """

    frames: Callable[[], Generator[Tensor, None, None]]
    count: int
    size: tuple[int, int]
    rate: Fraction
    sound: Sound | None
    comment: str | None
    quality: int

    def part(self, first: int, count: int) -> Footage:
        """``count`` frames from the number ``first`` on.

        Those before are rendered too: how a frame looks may depend on its place in the motion.
        """
        sound = self.sound
        if sound is not None:
            sound = replace(sound, start=sound.start + float(first / self.rate))
        frames = partial(_part, self.frames, first, count)
        return replace(self, frames=frames, count=count, sound=sound)


def _part(
    frames: Callable[[], Generator[Tensor, None, None]], first: int, count: int
) -> Generator[Tensor, None, None]:
    done = 0
    with closing(frames()) as chunks:
        for chunk in chunks:
            runtime.stop_if_cancelled()
            wanted = chunk[max(0, first - done) : max(0, first + count - done)]
            done += len(chunk)
            if len(wanted):
                yield wanted
            if done >= first + count:
                return


@dataclass(frozen=True)
class _Saved:
    """A file that was made, and how to see whether it is still that one."""

    path: Path
    metadata: Mapping[str, str]
    state: tuple[int, int] = field(default=(0, 0))

    @classmethod
    def at(cls, path: Path, metadata: Mapping[str, str]) -> _Saved:
        return cls(path, metadata, _state(path) or (0, 0))

    @property
    def there(self) -> bool:
        return _state(self.path) == self.state


def _state(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


class RenderedVideo(Input.Video):
    """ComfyUI's VIDEO over :class:`Footage`; has what every version of it asks for.

    The bar moves on the node that saves, and a cancel there leaves no file behind. Pictures of the
    work show on the node that made the video: where one came in before, the editor doesn't show
    the file that was saved.

    Args:
        footage: what it is made of.
        node: the node that made it; None shows pictures on the one that saves.
    """

    def __init__(self, footage: Footage, node: str | None = None) -> None:
        self._footage = footage
        self._node = node
        self._files: dict[_Key, _Saved] = {}

    def save_to(
        self,
        path: str | os.PathLike[str] | IO[bytes],
        format: Any = "auto",
        codec: Any = "auto",
        metadata: dict[str, Any] | None = None,
        bit_depth: int | None = None,
        crf: float | None = None,
        color_space: str | None = None,
        **newer: Any,
    ) -> None:
        """Render into a file; a second one of the same kind gets the streams of the first.

        Args:
            path: the file, or an open one in memory: then a file is made in the temp folder first.
            format: the container: ``auto`` (mp4), ``mp4``, ``mkv``, ``webm``.
            codec: ``auto``, ``h264``, ``av1``.
            metadata: what the container tells, texts or values for JSON: ComfyUI's workflow.
            bit_depth: 8 if nothing is said.
            crf: on the codec's scale; the node's quality if nothing is said.
            color_space: frames are sRGB.
            newer: what is only known to versions to come.

        Raises:
            DreamTalkError: if there is no such kind of file, or it can't be written.
        """
        if color_space not in _COLOURS:
            raise DreamTalkError(
                f"rendered frames are sRGB and can't be saved as {color_space}: choose auto or sRGB"
            )
        kind, key = _encoding(format, codec, crf, bit_depth)
        told = self._told(metadata)
        if not isinstance(path, (str, os.PathLike)):
            from ..dreamtalk.render.codecs import remux

            remux(self._file(kind, key), path, kind, told)
            return
        known = self._files.get(key)
        if known is not None and known.there:
            _copy(known, Path(path), kind, told)
        else:
            self._render(Path(path), kind, told)
        self._files[key] = _Saved.at(Path(path), told)

    def get_stream_source(self) -> str:
        """The path of an mp4 file with h264: the one that was saved last, or one in temp."""
        return str(self._file(*_encoding("mp4", "h264")))

    def get_components(self) -> Any:
        """All frames as pictures, and the sound, cut to them or followed by silence.

        Raises:
            DreamTalkError: if memory isn't large enough for them.
        """
        footage = self._footage
        width, height = self.get_dimensions()
        images = room_for(
            footage.count, height, width, "connect Save Video to this video itself, or Trim Video"
        )
        done = 0
        with torch.inference_mode(), closing(self._watched()) as chunks:
            for chunk in chunks:
                part = images[done : done + len(chunk)]
                rows, columns = chunk.shape[1:3]
                part[:, :rows, :columns] = chunk[..., :3].cpu().float() / 255
                # files have even sizes: the last row and column twice, as there
                part[:, rows:, :columns] = part[:, rows - 1 : rows, :columns]
                part[:, :, columns:] = part[:, :, columns - 1 : columns]
                done += len(chunk)
        return Types.VideoComponents(
            images=images[:done], audio=_audio(footage), frame_rate=footage.rate
        )

    def as_trimmed(
        self,
        start_time: float | None = None,
        duration: float | None = None,
        strict_duration: bool = False,
    ) -> RenderedVideo | None:
        """A part of the video, rendered when that is saved.

        Args:
            start_time: s; below 0 it counts from the end.
            duration: s; 0 for all that is left.
            strict_duration: None instead of less than ``duration``.
        """
        footage = self._footage
        first = round((start_time or 0.0) * footage.rate)
        first = max(0, footage.count + first) if first < 0 else first
        left = footage.count - first
        count = round((duration or 0.0) * footage.rate) or left
        if left < 1 or (strict_duration and count > left):
            return None
        return RenderedVideo(footage.part(first, min(count, left)), self._node)

    def get_dimensions(self) -> tuple[int, int]:
        """(width, height) px: even, as in a file."""
        height, width = (side + side % 2 for side in self._footage.size)
        return width, height

    def get_duration(self) -> float:
        """Seconds."""
        return float(self._footage.count / self._footage.rate)

    def get_frame_count(self) -> int:
        """Frames in all."""
        return self._footage.count

    def get_frame_rate(self) -> Fraction:
        """Frames a second."""
        return self._footage.rate

    def get_container_format(self) -> str:
        """Of :meth:`get_stream_source`."""
        return "mp4"

    def get_color_space(self) -> str:
        """Of the frames."""
        return "sRGB"

    def get_bit_depth(self) -> int:
        """Of the frames."""
        return 8

    def _told(self, metadata: dict[str, Any] | None) -> dict[str, str]:
        """A container's metadata, written as ComfyUI writes its own."""
        comment = {"comment": self._footage.comment} if self._footage.comment else {}
        words = (metadata or {}).items()
        return {**comment, **{k: v if isinstance(v, str) else json.dumps(v) for k, v in words}}

    def _file(self, kind: Container, key: _Key) -> Path:
        """A file of that kind; made in the temp folder if none was saved."""
        known = self._files.get(key)
        if known is None or not known.there:
            path = runtime.temp_file(".mkv" if kind.format == "matroska" else f".{kind.format}")
            told = self._told(None)
            self._render(path, kind, told)
            known = self._files[key] = _Saved.at(path, told)
        return known.path

    def _render(self, path: Path, kind: Container, told: Mapping[str, str]) -> None:
        from ..dreamtalk.render.video import write_video

        footage = self._footage
        with torch.inference_mode(), closing(self._watched()) as chunks:
            write_video(
                path, chunks, footage.rate, footage.sound, None, footage.quality, kind, told
            )

    def _watched(self) -> Generator[Tensor, None, None]:
        """The frames, with the bar of the node that runs now and the picture moving."""
        footage, bar = self._footage, runtime.Bar(self._node)
        try:
            with closing(footage.frames()) as chunks:
                yield from watched(chunks, footage.count, bar)
        finally:
            bar.finish()


def _encoding(
    container: Any, codec: Any, crf: float | None = None, bit_depth: int | None = None
) -> tuple[Container, _Key]:
    """How a file is written, and what tells files of that kind from others."""
    from ..dreamtalk.render.codecs import encoding

    kind = encoding(_word(container), _word(codec), crf, bit_depth)
    return kind, (kind.format, kind.video, kind.pixels, crf)


def _word(choice: Any) -> str:
    """A choice of ComfyUI's as text: older versions pass text, newer ones an enumeration."""
    return str(getattr(choice, "value", choice))


def _copy(known: _Saved, path: Path, kind: Container, told: Mapping[str, str]) -> None:
    """The streams of a file into another one; all of it, where that tells the same."""
    from ..dreamtalk.files.atomic import atomic_write
    from ..dreamtalk.render.codecs import remux

    with atomic_write(path, "the video") as part:
        if known.metadata == told:
            shutil.copyfile(known.path, part)
        else:
            remux(known.path, part, kind, told)


def _audio(footage: Footage) -> dict[str, Any] | None:
    """The sound as an AUDIO as long as the frames."""
    sound = footage.sound
    if sound is None or not isinstance(sound.source, Tensor):
        return None
    first = round(sound.start * sound.sample_rate)
    count = math.ceil(footage.count / footage.rate * sound.sample_rate)
    heard = torch.atleast_2d(sound.source)[:, first : first + count]
    silence = heard.new_zeros(len(heard), count - heard.shape[1])
    return audio_of(torch.cat([heard, silence], dim=1), sound.sample_rate)


def room_for(frames: int, height: int, width: int, advice: str, channels: int = 3) -> Tensor:
    """Memory for frames as pictures (frames, height, width, channels), or an error.

    Args:
        advice: what to do instead, for the message.
    """
    size = frames * height * width * channels * 4
    free = runtime.free_ram()
    if size > free * _MEMORY_SHARE:
        raise DreamTalkError(
            f"{frames} frames of {width}x{height} need {size / 2**30:.1f} GiB as pictures and "
            f"{free / 2**30:.1f} GiB are free: {advice}, or take a shorter recording or a smaller "
            "max_size in Portrait"
        )
    return torch.empty(frames, height, width, channels)
