"""Between ComfyUI's values (IMAGE, AUDIO, MASK) and the library's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..dreamtalk.errors import AudioError, DreamTalkError, ImageError
from .runtime import Bar, notice

if TYPE_CHECKING:
    from ..dreamtalk.speech.speech import Speech

_MANY_CHANNELS = 32
_MASK_SHAPE = 0.05  # share that a mask's aspect ratio may differ


def first_image(image: Tensor, cls: Any) -> Tensor:
    """The first picture of an IMAGE batch, (H, W, C) float32; says so when there are more."""
    pictures = pictures_of(image)
    if len(pictures) > 1:
        notice(cls, f"{len(pictures)} pictures came in: the first one is used")
    return pictures[0]


def pictures_of(image: Tensor) -> list[Tensor]:
    """All pictures of an IMAGE batch, (H, W, C) float32 each."""
    if image.ndim != 4 or 0 in image.shape:
        raise ImageError(f"an IMAGE is (batch, height, width, channels), not {tuple(image.shape)}")
    return list(image.float().cpu())


def fit(image: Tensor, longest: int) -> Tensor:
    """Scale an (H, W, C) picture down to at most ``longest`` px on its longer side; 0 keeps it."""
    from ..dreamtalk.face import image as pictures

    return pictures.fit(image, longest)


def recordings_of(audio: Any) -> list[Any]:
    """The recordings of an AUDIO batch, an AUDIO each; one alone is handed on as it is."""
    samples = audio.get("waveform") if isinstance(audio, dict) else None
    if getattr(samples, "ndim", 0) != 3 or len(samples) < 2:  # type: ignore[arg-type]
        return [audio]
    return [{**audio, "waveform": samples[i : i + 1]} for i in range(len(samples))]  # type: ignore


def waveform_of(audio: Any, cls: Any) -> tuple[Tensor, int]:
    """The (C, N) float32 waveform in -1..1 and the rate of an AUDIO of one recording.

    What other nodes make of it is understood: arrays and lists, (N,) and (C, N) samples, and
    integers or floats that are counted like them.

    Raises:
        AudioError: if it holds no sound, or several recordings; says what is wrong with it.
    """
    from ..dreamtalk.speech.decoding import check_sample_rate
    from ..dreamtalk.speech.loading import to_unit_range

    if audio is None:
        raise AudioError("no sound came in: connect a recording, from Load Speech or Load Audio")
    try:
        samples, rate = audio["waveform"], audio["sample_rate"]
    except (KeyError, TypeError, IndexError):
        raise AudioError(
            "this is no AUDIO: a waveform and its sample_rate are expected, not "
            f"{_described(audio)}"
        ) from None
    try:
        waveform = samples if isinstance(samples, Tensor) else torch.as_tensor(np.asarray(samples))
        rate = int(rate)
    except (TypeError, ValueError, RuntimeError):
        raise AudioError(
            f"this AUDIO holds no sound: its waveform is {_described(samples)} at {rate!r} Hz"
        ) from None
    if waveform.ndim not in (1, 2, 3) or 0 in waveform.shape or waveform.dtype == torch.bool:
        raise AudioError(
            f"this AUDIO holds no sound: its waveform is {tuple(waveform.shape)}, "
            "and (batch, channels, samples) is expected"
        )
    check_sample_rate(rate, "this AUDIO")
    if waveform.ndim == 3 and waveform.shape[0] > 1:
        raise AudioError(
            f"{waveform.shape[0]} recordings came in one AUDIO, and one is used here: connect the "
            "audio output of Speech Features, which hands them on one by one"
        )
    waveform = waveform[0] if waveform.ndim == 3 else torch.atleast_2d(waveform)
    if waveform.shape[0] > _MANY_CHANNELS >= waveform.shape[1]:
        waveform = waveform.T  # (samples, channels), as soundfile reads it
    unit = to_unit_range(waveform.detach().cpu())
    if not torch.equal(unit, waveform.detach().cpu().float()):
        notice(cls, "the sound was not counted in -1..1: it was brought into that range")
    if not torch.isfinite(unit).all():
        raise AudioError("the waveform holds NaN or infinite samples: export the audio again")
    return unit, rate


def _described(value: Any) -> str:
    if isinstance(value, dict):
        return f"a dict with {', '.join(map(str, value)) or 'nothing in it'}"
    return "nothing" if value is None else f"a {type(value).__name__}"


def mask_of(mask: Any, height: int, width: int, cls: Any) -> Tensor | None:
    """The first of a MASK batch at the size of a picture, (H, W) float32 in 0..1.

    None if it is empty, which Load Image gives for pictures without transparency.

    Raises:
        ImageError: if it is no mask.
    """
    try:
        values = mask if isinstance(mask, Tensor) else torch.as_tensor(np.asarray(mask))
    except (TypeError, ValueError, RuntimeError):
        values = torch.zeros(0)
    if values.ndim == 4 and 1 in (values.shape[1], values.shape[-1]):
        values = values.squeeze(1) if values.shape[1] == 1 else values.squeeze(-1)
    if values.ndim not in (2, 3) or 0 in values.shape:
        raise ImageError(
            f"a MASK is (batch, height, width), not {tuple(values.shape) or _described(mask)}"
        )
    first = values.reshape(-1, *values.shape[-2:])[:1].detach().cpu()
    integers = not first.dtype.is_floating_point and first.dtype != torch.bool
    matte = first.float()
    if not torch.isfinite(matte).all():
        raise ImageError("the mask holds NaN or infinite values")
    if integers and float(matte.max()) > 1:
        matte = matte / (255.0 if float(matte.max()) <= 255 else float(matte.max()))
    if float(matte.max()) <= 0:
        return None
    shape, wanted = matte.shape[-2] / matte.shape[-1], height / width
    if abs(shape / wanted - 1) > _MASK_SHAPE:
        notice(
            cls,
            f"the mask is {matte.shape[-1]}x{matte.shape[-2]} px, of another shape than the "
            "picture: it is stretched over it",
        )
    scaled = torch.nn.functional.interpolate(matte[None], (height, width), mode="bilinear")
    return scaled[0, 0].clamp(0, 1)


def audio_of(waveform: Tensor, rate: int) -> dict[str, Any]:
    """An AUDIO from a (C, N) or (N,) waveform."""
    return {"waveform": torch.atleast_2d(waveform)[None].contiguous(), "sample_rate": rate}


def curve_values(curve: Any, count: int) -> Tensor:
    """A CURVE read off from its beginning to its end: (count,) float32, 0..1 as it is drawn."""
    from comfy_api.input import CurveInput

    places = np.linspace(0.0, 1.0, max(1, count))
    try:
        values = np.asarray(CurveInput.from_raw(curve).interp_array(places), dtype=np.float64)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise DreamTalkError(f"this is no CURVE, but {_described(curve)}") from error
    if values.shape != places.shape or not np.isfinite(values).all():
        raise DreamTalkError("the curve holds values that are no numbers: draw it anew")
    return torch.from_numpy(values.clip(0.0, 1.0)).float()


def watched(
    chunks: Iterable[Tensor], total: int, show: Callable[[int, int, Tensor], None] | Bar
) -> Iterable[Tensor]:
    """Pass chunks of uint8 frames on, moving the progress bar with a picture."""
    call = show.show if isinstance(show, Bar) else show
    done = 0
    for chunk in chunks:
        done += chunk.shape[0]
        call(done, total, chunk[-1])
        yield chunk


def speech_of(audio: Any, cls: Any) -> Speech:
    """The library's Speech (mono, 16 kHz) of an AUDIO of any rate and number of channels."""
    from ..dreamtalk.speech.loading import speech_from_waveform

    waveform, rate = waveform_of(audio, cls)
    return speech_from_waveform(waveform, rate)
