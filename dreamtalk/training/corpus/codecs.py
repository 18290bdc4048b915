"""What lossy codecs leave of speech: real encoders at low rates, there and back."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from ...speech.speech import SAMPLE_RATE
from .utterance import Samples

CODECS: dict[str, tuple[str, str, tuple[int, ...]]] = {
    "mp3": ("libmp3lame", "mp3", (16_000, 24_000, 32_000)),
    "opus": ("libopus", "ogg", (6_000, 9_000, 16_000)),
    "aac": ("aac", "adts", (16_000, 32_000)),
    "g722": ("g722", "g722", (64_000,)),
}
"""Name -> encoder, container, bits per second."""
_SEARCH = 3200  # samples by which a codec may be late


def through_codec(waveform: Samples, name: str, bit_rate: int | None = None) -> Samples:
    """Encode and decode.

    Args:
        waveform: (N,) float32 at 16 kHz.
        name: one of :data:`CODECS`.
        bit_rate: the codec's lowest by default.

    Returns:
        (N,) float32 in time with the input: the codec's delay is measured and taken out.
    """
    import av

    encoder, container, rates = CODECS[name]
    buffer = io.BytesIO()
    scaled = np.clip(waveform * 32767, -32768, 32767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(scaled[None], format="s16", layout="mono")
    frame.sample_rate = SAMPLE_RATE
    output: Any = av.open(buffer, "w", format=container)
    with output:
        stream = output.add_stream(encoder, rate=SAMPLE_RATE)
        stream.bit_rate = bit_rate or rates[0]
        stream.layout = "mono"
        context = stream.codec_context
        there = av.AudioResampler(context.format, "mono", context.sample_rate)
        for part in (*there.resample(frame), *there.resample(None), None):
            output.mux(stream.encode(part))
    buffer.seek(0)
    back = av.AudioResampler("s16", "mono", SAMPLE_RATE)
    blocks: list[np.ndarray] = []
    source: Any = av.open(buffer, format="aac" if container == "adts" else container)
    with source:
        for decoded in source.decode(audio=0):
            decoded.pts = None
            blocks += [f.to_ndarray().ravel() for f in back.resample(decoded)]
    blocks += [f.to_ndarray().ravel() for f in back.resample(None)]
    return _in_time(np.concatenate(blocks).astype(np.float32) / np.float32(32768), waveform)


def _in_time(late: Samples, reference: Samples) -> Samples:
    """Cut so that it correlates best with the reference, to its length."""
    count = len(reference)
    size = 1 << int(np.ceil(np.log2(max(len(late), count) + _SEARCH)))
    product = np.fft.rfft(late, size) * np.conj(np.fft.rfft(reference, size))
    scores = np.fft.irfft(product, size)
    early = scores[-_SEARCH:]
    best = int(scores[:_SEARCH].argmax())
    if early.max() > scores[best]:
        return np.pad(late, (_SEARCH - int(early.argmax()), count))[:count]
    return np.pad(late[best:], (0, count))[:count]
