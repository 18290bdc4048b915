"""wav2vec2 features, which the published DreamTalk checkpoint was trained on.

The model is jonatasgrosman/wav2vec2-large-xlsr-53-english: 1024 numbers a row, the last hidden
state, from a waveform of zero mean and unit variance. ComfyUI's ``wav2vec2_large_english`` is the
same model.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import AudioError, CheckpointError, MissingDependencyError, ModelNotFoundError
from ..files.names import is_there
from ..files.tensors import read_safetensors
from ..progress import Progress, silent
from .speech import SAMPLE_RATE, Features, Speech

KIND = "wav2vec2-xlsr-53"
"""``Features.kind`` of these rows."""
DIM = 1024
HUB_NAME = "jonatasgrosman/wav2vec2-large-xlsr-53-english"
"""Where ``transformers`` finds the model."""
FILE_NAMES = (
    "wav2vec2-large-xlsr-53-english",
    "wav2vec2_large_english_fp32.safetensors",
    "wav2vec2_large_english_fp16.safetensors",
)
"""Looked for in the models folder: a folder of ``transformers``, or ComfyUI's single file."""
HOP = 320
"""Samples a row."""
_FIELD = 400  # samples that a row's convolutions see
_LARGE: dict[str, Any] = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feat_extract_norm": "layer",
    "conv_bias": True,
    "do_stable_layer_norm": True,
}


def features_from_rows(rows: Tensor | np.ndarray) -> Features:
    """Rows that somebody else made: (R, 1024) or (1, R, 1024).

    Raises:
        AudioError: if the shape is another, or a value is not finite.
    """
    values = torch.as_tensor(rows).detach().float().cpu()
    if values.ndim == 3:
        values = values[0]  # of a batch, the first recording
    if values.ndim != 2 or values.shape[1] != DIM or len(values) == 0:
        raise AudioError(
            f"wav2vec2 rows are (R, {DIM}), not {tuple(torch.as_tensor(rows).shape)}: use the "
            "large English model (wav2vec2_large_english)"
        )
    if not torch.isfinite(values).all():
        raise AudioError("the wav2vec2 rows hold NaN or infinite values")
    return Features(values.contiguous(), KIND)


def features_from_audio_encoder(output: Mapping[str, Any]) -> Features:
    """Features from ComfyUI's AUDIO_ENCODER_OUTPUT.

    Its ``encoded_audio`` is the last hidden state behind the final norm, as the published code
    takes it; ComfyUI divides the variance by one sample less, which is all the difference.

    Args:
        output: with ``encoded_audio`` (B, R, 1024) and, if there, ``audio_samples`` at 16 kHz.

    Raises:
        AudioError: if it comes from another encoder.
    """
    if "encoded_audio" not in output:
        raise AudioError(
            "the audio encoder's output has no 'encoded_audio': connect Audio Encoder Encode with "
            "wav2vec2_large_english"
        )
    features = features_from_rows(output["encoded_audio"])
    samples = int(output.get("audio_samples") or 0)
    if samples and abs(len(features.rows) - num_rows(samples)) > 1:
        raise AudioError(
            f"{len(features.rows)} rows for {samples / SAMPLE_RATE:.2f} s are not wav2vec2's 50 a "
            "second: use wav2vec2_large_english as the audio encoder"
        )
    return features


def load_rows(path: str | Path) -> Features:
    """Read the ``*_wav2vec.npy`` that the published code leaves behind.

    Raises:
        AudioError: if the file is missing or something else.
    """
    try:
        return features_from_rows(np.load(path, allow_pickle=False))
    except FileNotFoundError:
        raise AudioError(f"there is no feature file '{path}'") from None
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise AudioError(f"'{path}' is not a file of wav2vec2 rows: {error}") from error


def num_rows(samples: int) -> int:
    """Rows that the model makes of a waveform at 16 kHz."""
    return max(0, (samples - _FIELD) // HOP + 1)


@torch.no_grad()
def wav2vec_features(
    speech: Speech,
    device: str | torch.device = "cpu",
    progress: Progress = silent,
    source: str | Path | None = None,
    chunk_seconds: float = 60.0,
    context_seconds: float = 10.0,
    model: Any = None,
) -> Features:
    """Run wav2vec2 through ``transformers``.

    Args:
        speech: of any length.
        progress: told the chunks done.
        source: folder of ``transformers``, ComfyUI's file, or a name on the hub; by default what
            :func:`find_model` finds.
        chunk_seconds: longer recordings are done in pieces of that length. The model's attention
            sees the whole recording, so that rows differ a little from a single pass; see
            docs/official.md for how much.
        context_seconds: what a piece sees beyond its ends, on each side.
        model: a loaded ``Wav2Vec2Model``, instead of ``source``.

    Returns:
        About 50 rows a second: exactly as many as one pass makes.

    Raises:
        MissingDependencyError: without ``transformers``.
        ModelNotFoundError: if the model can't be had.
    """
    model = load_wav2vec(source, device) if model is None else model
    wave = speech.waveform.float()
    wave = (wave - wave.mean()) / (wave.var(correction=0) + 1e-7).sqrt()
    if len(wave) < _FIELD:
        wave = torch.nn.functional.pad(wave, (0, _FIELD - len(wave)))
    total = num_rows(len(wave))
    step, context = round(chunk_seconds * 50), round(context_seconds * 50)
    if total <= step + 2 * context:
        step = total
    pieces, count = [], -(-total // step)
    progress(0, count)
    for index, start in enumerate(range(0, total, step)):
        stop = min(start + step, total)
        first, last = max(0, start - context), min(total, stop + context)
        part = wave[first * HOP : (last - 1) * HOP + _FIELD]
        rows = model(part[None].to(device), return_dict=True).last_hidden_state[0]
        pieces.append(rows[start - first : stop - first].float().cpu())
        progress(index + 1, count)
    return features_from_rows(torch.cat(pieces))


def find_model() -> str:
    """The model in the folder ``DREAMTALK_MODELS``, else its name on the hub."""
    folder = os.environ.get("DREAMTALK_MODELS")
    if folder:
        for name in FILE_NAMES:
            if (Path(folder) / name).exists():
                return str(Path(folder) / name)
    return HUB_NAME


def load_wav2vec(source: str | Path | None = None, device: str | torch.device = "cpu") -> Any:
    """A ``Wav2Vec2Model`` of ``transformers``, ready to run.

    Raises:
        MissingDependencyError: without ``transformers``.
        ModelNotFoundError: if it can't be had.
        CheckpointError: if the file is something else.
    """
    try:
        from transformers import Wav2Vec2Config, Wav2Vec2Model
    except ImportError as error:
        raise MissingDependencyError(
            "the published checkpoint needs wav2vec2 features: pip install 'dreamtalk[wav2vec2]', "
            "or use ComfyUI's Audio Encoder nodes"
        ) from error
    source = str(source or find_model())
    if is_there(source):
        model = Wav2Vec2Model(Wav2Vec2Config(**_LARGE))
        _load_single_file(model, Path(source))
    else:
        try:
            model = Wav2Vec2Model.from_pretrained(source)
        except (OSError, ValueError) as error:
            raise ModelNotFoundError(
                f"can't get the wav2vec2 model '{source}': put its folder, or "
                f"{FILE_NAMES[1]}, into the folder that DREAMTALK_MODELS names"
            ) from error
    if model.config.hidden_size != DIM:
        raise CheckpointError(
            f"'{source}' makes rows of {model.config.hidden_size}, but the published DreamTalk "
            f"takes the {DIM} of {HUB_NAME}"
        )
    return model.eval().to(device)


def _load_single_file(model: Any, path: Path) -> None:
    try:
        _, state = read_safetensors(path)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"'{path.name}' is no wav2vec2 weights file: {error}") from error
    state = {k.removeprefix("wav2vec2."): v.float() for k, v in state.items()}
    old, new = ".conv.weight_", ".conv.parametrizations.weight.original"
    own = set(model.state_dict())
    if any(new in k for k in own):  # how weight norm is stored changed between versions
        state = {k.replace(old + "g", new + "0").replace(old + "v", new + "1"): v
                 for k, v in state.items()}  # fmt: skip
    missing = sorted(own - set(state))
    if missing:
        raise CheckpointError(
            f"'{path.name}' is no wav2vec2-large: {len(missing)} weights are missing, such as "
            f"{missing[0]}"
        )
    try:
        model.load_state_dict({k: v for k, v in state.items() if k in own})
    except RuntimeError as error:
        raise CheckpointError(f"'{path.name}' is no wav2vec2-large: {error}") from error
