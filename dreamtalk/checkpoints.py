"""Weights files: ours and the official ones, recognised by what is in them.

Ours are safetensors whose metadata holds ``format`` ("dreamtalk"), ``kind`` and ``config`` (JSON).
The published files are torch pickles; they are read with ``weights_only=True``, so that a file that
carries code is refused and nothing of it runs.
"""

from __future__ import annotations

import importlib
import json
import pickle
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from .errors import CheckpointError, ModelNotFoundError, OutputError
from .files.arrays import check_unpacked
from .files.atomic import atomic_write
from .files.clashes import check_outputs
from .files.names import is_there
from .files.pickles import load_legacy
from .files.tensors import read_safetensors
from .files.values import reason

_LIGHTNING = tuple(
    f"pytorch_lightning.callbacks.{name}"
    for name in (
        "model_checkpoint.ModelCheckpoint",
        "early_stopping.EarlyStopping",
        "lr_monitor.LearningRateMonitor",
    )
)
_REFUSALS = (
    "Unsupported global: GLOBAL ",
    "Unsupported class ",
    "unrecognized function ",
    "Trying to load unsupported GLOBAL ",
)
"""How torch's safe reader begins to name what it refused."""
FORMAT = "dreamtalk"
"""``format`` in the metadata of our files."""

DENOISER, PIRENDERER, DIFFTALK, FIRST_STAGE = "denoiser", "pirenderer", "difftalk", "first-stage"
STYLE_PREDICTOR = "style-predictor"


@dataclass(frozen=True)
class Kind:
    """One kind of weights file.

    Attributes:
        name: ``kind`` in the metadata of our files.
        words: what it is, for people.
        marks: what some key of the published file begins with, and of no other known kind's.
        converter: ``module:function`` in this package: a checkpoint -> what our file of it holds,
            tensors and config. Imported when it is called: it stands on a floor above.
    """

    name: str
    words: str
    marks: tuple[str, ...]
    converter: str | None = None

    def converted(self, checkpoint: Checkpoint) -> tuple[Mapping[str, Tensor], Mapping[str, Any]]:
        """Tensors and config of our file for this checkpoint."""
        if self.converter is None:
            return checkpoint.state, checkpoint.config
        module, function = self.converter.split(":")
        return getattr(importlib.import_module(module, __package__), function)(checkpoint)


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            DENOISER,
            "a DreamTalk denoising network",
            ("net.content_encoder.",),
            ".model.file:converted",
        ),
        Kind(
            PIRENDERER,
            "a PIRenderer face generator",
            ("mapping_net.", "warpping_net."),
            ".render.pirenderer:converted",
        ),
        Kind(
            DIFFTALK,
            "a DiffTalk model",
            ("cond_stage_model_for_audio.",),
            ".difftalk.file:converted",
        ),
        Kind(FIRST_STAGE, "a VQ autoencoder of latent diffusion", ("quantize.embedding.",)),
        Kind(STYLE_PREDICTOR, "a style predictor", ()),  # nobody has published one
    )
}
"""What :func:`read_checkpoint` knows; a new kind is one more row."""
_MAPPED_FROM = 2**30
"""Bytes from which a pickled checkpoint is mapped: training states are several GB, mostly of
optimizers that are never read."""
DTYPES: dict[str, torch.dtype] = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}


@dataclass(frozen=True)
class Checkpoint:
    """What a weights file holds.

    Attributes:
        path: where it came from.
        kind: ``"denoiser"``, ``"pirenderer"``, ``"difftalk"``, or what our metadata says.
        state: bare keys -> tensors on the CPU.
        config: settings in our files; empty for the official ones.
        official: whether it is a published format.
    """

    path: Path
    kind: str
    state: dict[str, Tensor]
    config: dict[str, Any] = field(default_factory=dict)
    official: bool = False

    def section(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose keys start with ``prefix.``, without it."""
        start = prefix + "."
        return {k.removeprefix(start): v for k, v in self.state.items() if k.startswith(start)}

    def require(self, kind: str) -> Checkpoint:
        """This checkpoint, if it is of that kind.

        Raises:
            CheckpointError: if it is something else.
        """
        if self.kind != kind:
            raise CheckpointError(
                f"'{self.path.name}' is {_words(self.kind)}, but {_words(kind)} is needed here"
            )
        return self


def _words(kind: str) -> str:
    return KINDS[kind].words if kind in KINDS else f"a {kind!r} file"


def read_checkpoint(path: str | Path | Checkpoint) -> Checkpoint:
    """Read a weights file and recognise what it is; what was read already comes back as it is.

    Raises:
        ModelNotFoundError: if there is no such file.
        CheckpointError: if it can't be read, carries code, or is none of the known kinds.
    """
    if isinstance(path, Checkpoint):
        return path
    path = Path(path)
    if not is_there(path):
        raise ModelNotFoundError(f"there is no weights file '{path}'")
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise CheckpointError(f"can't read '{path}': {error.strerror}") from error
    if _is_safetensors(head):
        return _read_safetensors(path)
    if head.startswith(b"PK") or head.startswith(b"\x80"):
        return _recognise(path, _read_pickle(path, zipped=head.startswith(b"PK")))
    raise CheckpointError(f"'{path.name}' is not a weights file: {_what_is(head)}")


def save_checkpoint(
    path: str | Path,
    kind: str,
    state: Mapping[str, Tensor],
    config: Mapping[str, Any],
    dtype: torch.dtype | None = None,
    keep: tuple[str, ...] = (),
) -> None:
    """Write one of our files; whole or not at all.

    Args:
        kind: what ``read_checkpoint`` will say.
        state: keys -> tensors.
        config: what JSON can hold.
        dtype: of the floating-point tensors in the file; theirs by default.
        keep: keys of tensors that keep their dtype.

    Raises:
        OutputError: if it can't be written.
    """
    path = Path(path)
    tensors = {}
    for key, value in state.items():
        narrowed = value.is_floating_point() and dtype is not None and key not in keep
        tensor = value.detach().to("cpu", dtype if narrowed else value.dtype)
        tensors[key] = tensor.contiguous().clone()
    metadata = {"format": FORMAT, "kind": kind, "config": json.dumps(config, sort_keys=True)}
    try:
        with atomic_write(path, "the weights") as part:
            save_file(tensors, part, metadata)
            part.chmod(0o644)
    except SafetensorError as error:
        raise OutputError(f"can't write '{path}': {error}") from error


def convert(src: str | Path, dst: str | Path, dtype: str = "fp32") -> str:
    """Write a weights file as safetensors with a config, which loads faster and can't carry code.

    Styles made with the original fit the converted file. Weights that never reach the output (in
    PIRenderer's residual blocks) are left out.

    Args:
        src: an official file, or one of ours.
        dst: ends in ``.safetensors``.
        dtype: of the weights in the file: ``"fp32"``, ``"fp16"`` or ``"bf16"``.

    Returns:
        What the file is, for people.

    Raises:
        CheckpointError: if ``src`` is unusable, ``dst`` has another suffix, or there is no such
            dtype.
        ModelNotFoundError: if there is no ``src``.
        OutputError: if ``dst`` can't be written.
    """
    if dtype not in DTYPES:
        raise CheckpointError(f"no dtype '{dtype}': there are {', '.join(DTYPES)}")
    if Path(dst).suffix != ".safetensors":
        raise CheckpointError(f"'{dst}' should end in .safetensors")
    check_outputs({"the safetensors": dst}, {"the checkpoint": src})
    checkpoint = read_checkpoint(src)
    if checkpoint.kind not in KINDS:
        raise CheckpointError(
            f"'{checkpoint.path.name}' is {_words(checkpoint.kind)}: unknown here"
        )
    state, config = KINDS[checkpoint.kind].converted(checkpoint)
    save_checkpoint(dst, checkpoint.kind, state, config, DTYPES[dtype])
    space = f", space '{config['space']}'" if "space" in config else ""
    return f"{_words(checkpoint.kind)}{space}, {dtype}"


def load_weights(module: nn.Module, state: Mapping[str, Tensor], path: Path, what: str) -> None:
    """Copy weights into a module, strictly.

    Args:
        module: keeps its dtype and device.
        state: keys -> tensors.
        path: for the message.
        what: for the message: "DreamTalk's denoiser".

    Raises:
        CheckpointError: on missing, extra or misshapen keys; the message shows the first few.
    """
    own = module.state_dict()
    missing = [k for k in own if k not in state]
    extra = [k for k in state if k not in own]
    misshapen = [
        f"{k} is {tuple(state[k].shape)}, not {tuple(own[k].shape)}"
        for k in own
        if k in state and state[k].shape != own[k].shape
    ]
    found = [("missing", missing), ("unknown", extra), ("misshapen", misshapen)]
    if any(keys for _, keys in found):
        problems = "; ".join(f"{len(keys)} {name}: {_few(keys)}" for name, keys in found if keys)
        raise CheckpointError(f"'{path.name}' doesn't fit {what}: {problems}")
    broken = [k for k, v in state.items() if v.is_floating_point() and not v.isfinite().all()]
    if broken:
        raise CheckpointError(f"'{path.name}' holds NaN or infinite weights: {_few(broken)}")
    module.load_state_dict(state)


def describe(keys: Iterable[str]) -> str:
    """What a state dict with these keys seems to be, in words."""
    names = list(keys)
    text = "\n".join(names)
    for marks, guess in (
        (("lora_up", "lora_down", "lora_A", "lora_B", "lora_unet"), "a LoRA"),
        (("control_model.", "controlnet"), "a ControlNet"),
        (("double_blocks.", "joint_blocks.", "transformer_blocks."), "an image generator"),
        (("model.diffusion_model.", "first_stage_model."), "a Stable Diffusion checkpoint"),
        (("wav2vec2.", "feature_projection."), "a wav2vec2 speech encoder"),
        (("text_model.", "cond_stage_model."), "a text encoder"),
        (("decoder.up_blocks.", "decoder.up."), "an image autoencoder"),
        (("optimizer",), "the state of a training run"),
    ):
        if any(mark in text for mark in marks):
            return guess
    return f"something else, with keys such as {_few(names)}" if names else "empty"


def _is_safetensors(head: bytes) -> bool:
    return len(head) > 9 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 27


def _what_is(head: bytes) -> str:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        return "it is empty"
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "it is a web page, so the download went wrong; download the file itself again"
    if text.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer; fetch the file itself with 'git lfs pull'"
    return f"it starts with {bytes(head[:8])!r}"


def _read_safetensors(path: Path) -> Checkpoint:
    try:
        metadata, state = read_safetensors(path)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"'{path.name}' is damaged or cut off ({error}): get the file again"
        ) from error
    if metadata.get("format") != FORMAT:
        return _recognise(path, state)
    try:
        config = json.loads(metadata["config"])
        return Checkpoint(path, metadata["kind"], state, config)
    except (KeyError, ValueError) as error:
        why = f"it has no {error}" if isinstance(error, KeyError) else reason(error)
        raise CheckpointError(f"the metadata of '{path.name}' is damaged: {why}") from error


def _read_pickle(path: Path, zipped: bool) -> Any:
    try:
        if zipped and not zipfile.is_zipfile(path):
            raise CheckpointError(f"'{path.name}' is cut off: get the file again")
        if zipped:
            with zipfile.ZipFile(path) as archive:
                check_unpacked(archive, path.stat().st_size)
        # A mapped file that is cut off meanwhile ends the process: only what would not fit else.
        mapped = True if zipped and path.stat().st_size > _MAPPED_FROM else None
        load = partial(torch.load, map_location="cpu", weights_only=True, mmap=mapped)
        with _lightning_stand_ins():
            return load(path) if zipped else load_legacy(path, load)
    except CheckpointError:
        raise
    except Exception as error:
        # the reader meets arbitrary bytes: whatever it trips over, the file is at fault
        culprit = _culprit(str(error)) if isinstance(error, pickle.UnpicklingError) else None
        if culprit is not None:
            raise CheckpointError(
                f"'{path.name}' carries Python objects besides weights ({culprit}). They could run "
                "any code, so the file was refused and nothing of it was executed. Get a file with "
                "the weights alone"
            ) from error
        # torch's own text is about its safety switch
        unreadable = isinstance(error, pickle.UnpicklingError)
        why = "not a readable pickle" if unreadable else reason(error)
        raise CheckpointError(
            f"'{path.name}' is damaged, cut off or no weights file ({why[:120]}): get it again"
        ) from error


@contextmanager
def _lightning_stand_ins() -> Iterator[None]:
    """Meanwhile torch's safe reader takes empty classes for those that PyTorch Lightning names.

    Its checkpoints file what callbacks remember under their classes. Nothing is imported or runs.
    """
    safe_globals = getattr(torch.serialization, "safe_globals", None)
    if safe_globals is None:  # before torch 2.5: such files are refused
        yield
        return
    stand_ins = [(type(name.rpartition(".")[2], (), {}), name) for name in _LIGHTNING]
    with safe_globals(stand_ins):
        yield


def _culprit(message: str) -> str | None:
    """What a pickle wanted to load or call, from torch's refusal; None if it was just broken."""
    for line in message.splitlines():
        for mark in _REFUSALS:
            if mark in line:
                return line.split(mark, 1)[1].split(" was ")[0].split(" whose ")[0].strip()
    return None


def _recognise(path: Path, content: Any) -> Checkpoint:
    """Find the weights in an official container, or in a bare state dict."""
    if not isinstance(content, Mapping):
        raise CheckpointError(f"'{path.name}' holds a {type(content).__name__}, not weights")
    for container in ("net_G_ema", "model_state_dict", "state_dict", "net_G"):
        if isinstance(content.get(container), Mapping):
            content = content[container]
            break
    state = {str(k): v for k, v in content.items() if isinstance(v, Tensor)}
    if state and all(k.startswith("module.") for k in state):
        state = {k.removeprefix("module."): v for k, v in state.items()}
    if any(k.startswith("diff_net.") for k in state):  # other keys are training's business
        state = {
            k.removeprefix("diff_net."): v for k, v in state.items() if k.startswith("diff_net.")
        }
    for kind in KINDS.values():
        if any(key.startswith(kind.marks) for key in state):
            return Checkpoint(path, kind.name, state, official=True)
    known = ", ".join(kind.words for kind in KINDS.values())
    raise CheckpointError(
        f"'{path.name}' is {describe(state or map(str, content))}. Known are {known}, and files "
        "that this package wrote"
    )


def _few(names: list[str], limit: int = 3) -> str:
    shown = ", ".join(names[:limit])
    return f"{shown}, ..." if len(names) > limit else shown
