"""The only file that touches ComfyUI's own modules.

Progress and cancel, devices and memory, model folders, files.
"""

from __future__ import annotations

import contextvars
import logging
import mimetypes
import os
import shutil
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import comfy.model_management
import comfy.model_patcher
import comfy.utils
import comfy_execution.progress
import folder_paths
import torch
from torch import Tensor, nn

from ..dreamtalk.errors import DreamTalkError, ModelNotFoundError, OutputError
from ..dreamtalk.files.atomic import atomic_write
from ..dreamtalk.files.names import check_name, is_inside, name_problem

log = logging.getLogger("dreamtalk")

_FINE = 8.0
"""x264's rate factor of trimmed videos on their way: nobody sees a difference."""

MODEL_FOLDER = "dreamtalk"
WEIGHT_SUFFIXES = {".safetensors", ".pth", ".pt", ".ckpt"}
_SHIPPED = Path(__file__).resolve().parents[1] / "samples"
EXAMPLES = {
    "dreamtalk_example.png": _SHIPPED / "portrait.png",
    "dreamtalk_example_two.jpg": _SHIPPED / "two_people.jpg",
    "dreamtalk_example.wav": _SHIPPED / "speech.wav",
    "dreamtalk_example.mp4": _SHIPPED / "clip.mp4",
}
T = TypeVar("T")
_POLL_SECONDS = 0.1
_UPDATE_SECONDS = 0.05
_PREVIEW_SECONDS = 0.4
_PREVIEW_SIZE = 384


# ------------------------------------------------------------------------------ files and folders


def register_model_folders() -> None:
    """Add ``models/dreamtalk`` beside what extra_model_paths.yaml may have set already."""
    folder = os.path.join(folder_paths.models_dir, MODEL_FOLDER)
    folder_paths.add_model_folder_path(MODEL_FOLDER, folder)
    # A new key lists every file: restrict it to weights.
    folder_paths.folder_names_and_paths[MODEL_FOLDER][1].update(WEIGHT_SUFFIXES)
    # The library looks for other models (wav2vec2) there too.
    os.environ.setdefault("DREAMTALK_MODELS", folder)


def provide_examples() -> None:
    """Put the example picture and recording into the input folder, for the example workflows.

    Files that are there stay as they are.
    """
    folder = _folder("input")
    for name, example in EXAMPLES.items():
        try:
            if example.is_file() and not (folder / name).exists():
                with atomic_write(folder / name) as part:
                    shutil.copyfile(example, part)
        except (OSError, OutputError) as error:
            log.info("the example '%s' was not copied: %s", name, error)


def model_files() -> list[str]:
    """Names of the weight files in the model folder, for a list in a node."""
    names = folder_paths.get_filename_list(MODEL_FOLDER)
    return sorted(n for n in names if n.lower().endswith(tuple(WEIGHT_SUFFIXES)))


def model_path(name: str) -> Path | None:
    """Where the model file of that name is, or None if there is none."""
    if name_problem(name) is not None:
        return None
    found = folder_paths.get_full_path(MODEL_FOLDER, name)
    return Path(found) if found else None


def model_stamp(name: str) -> str:
    """Changes when the model file does."""
    path = model_path(name)
    return f"{name} {path.stat().st_mtime_ns if path else 0}"


def _folder(kind: str) -> Path:
    return Path(getattr(folder_paths, f"get_{kind}_directory")())


def input_files(accept: Callable[[str], bool]) -> list[str]:
    """Files in ComfyUI's input folder and its subfolders whose name passes ``accept``."""
    root = _folder("input")
    if not root.is_dir():
        return []
    found = []
    for folder, _, names in os.walk(root):
        paths = (os.path.join(folder, name) for name in names if accept(name))
        # what input_path would refuse is not offered
        found += [
            os.path.relpath(path, root)
            for path in paths
            if not os.path.islink(path) or is_inside(path, _allowed())
        ]
    return sorted(name.replace(os.sep, "/") for name in found)


def is_recording(name: str) -> bool:
    """Whether a file name looks like audio or video."""
    kind = mimetypes.guess_type(name)[0] or ""
    return kind.startswith(("audio/", "video/")) or name.lower().endswith((".opus", ".m4a", ".mkv"))


def input_path(name: str) -> Path:
    """The file behind a name from :func:`input_files`; ``name [output]`` works as in ComfyUI.

    Raises:
        DreamTalkError: if the name leads out of ComfyUI's folders, by itself or through a link.
    """
    check_name(name, "the file")
    found = Path(folder_paths.get_annotated_filepath(name))
    if not is_inside(found, _allowed()):
        raise DreamTalkError(
            f"'{name}' leads out of ComfyUI's input folder: copy the file into it instead"
        )
    return found


def _allowed() -> list[Path]:
    return [_folder(kind) for kind in ("input", "output", "temp")]


def input_problem(name: str) -> str | None:
    """Why the file of that name can't be read, for ComfyUI's check before a run; None if it can."""
    try:
        if input_path(name).is_file():
            return None
    except (DreamTalkError, OSError) as error:
        return str(error)
    return f"there is no '{name}' in the input folder"


def file_stamp(name: str) -> str:
    """Changes when the file does: lets ComfyUI see that a node must run again."""
    try:
        stat = input_path(name).stat()
    except (OSError, DreamTalkError):
        return f"{name} is missing"
    return f"{name} {stat.st_mtime_ns} {stat.st_size}"


def temp_file(suffix: str) -> Path:
    """A new file name in ComfyUI's temp folder, which it empties at each start."""
    folder = _folder("temp")
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"dreamtalk_{uuid.uuid4().hex}{suffix}"


@contextmanager
def video_file(video: Any) -> Iterator[str]:
    """The path of a VIDEO; one that is in memory, or that was trimmed, is written to temp."""
    source = video.get_stream_source()
    # Trim Video leaves the file as it is and notes the part: nothing but saving looks at that
    trimmed = any(getattr(video, "get_active_trim_window", tuple)())
    if isinstance(source, str) and not trimmed:
        yield source
        return
    path = temp_file(".mp4")
    try:
        if trimmed:
            video.save_to(str(path), crf=_FINE)
        else:
            path.write_bytes(source.getbuffer())
        yield str(path)
    finally:
        path.unlink(missing_ok=True)


def output_file(prefix: str, suffix: str) -> tuple[Path, str]:
    """The next numbered file name in the output folder, and its subfolder.

    Args:
        prefix: like ``motion/talk``; ComfyUI's ``%date:...%`` forms work.
        suffix: with the dot.

    Raises:
        OutputError: if the prefix leads out of the output folder, by itself or through a link, is
            too long, or its folder can't be made.
    """
    root = _folder("output")
    problem = name_problem(prefix)
    # looked at before the folder is made, and again with the date in it
    if problem is None and not is_inside((root / prefix).parent, [root]):
        problem = "it leads out of the output folder"
    if problem is None:
        try:
            folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
                prefix, str(root)
            )
        except OSError as error:
            problem = error.strerror or str(error)
        else:
            path = Path(folder) / f"{name}_{counter:05}_{suffix}"
            problem = name_problem(path.name)
            if problem is None and not is_inside(path, [root]):
                problem = "it leads out of the output folder"
    if problem is not None:
        shown = prefix if len(prefix) <= 80 else prefix[:80] + "..."
        raise OutputError(f"filename_prefix can't be {shown!r}: {problem}")
    return path, subfolder


# ------------------------------------------------------------------------------ talking to people


def notice(cls: Any, text: str, important: bool = True) -> None:
    """Say something that isn't an error: in the log, and on the node if the frontend shows it."""
    log.log(logging.WARNING if important else logging.INFO, text)
    node = node_id(cls)
    server = sys.modules.get("server")  # never imported here: only a running ComfyUI has one
    instance = getattr(getattr(server, "PromptServer", None), "instance", None)
    if instance is not None and node is not None and hasattr(instance, "send_progress_text"):
        instance.send_progress_text(text, node)


def node_id(cls: Any) -> str | None:
    """The id of the node that runs, in its graph; None outside of one."""
    return getattr(getattr(cls, "hidden", None), "unique_id", None)


_GIVEN_UP: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar(
    "given_up", default=None
)
"""Set for work in a thread that nobody waits for any more."""


def stop_if_cancelled() -> None:
    """Raise ComfyUI's own exception if the user pressed cancel."""
    comfy.model_management.throw_exception_if_processing_interrupted()
    given_up = _GIVEN_UP.get()
    if given_up is not None and given_up.is_set():
        raise comfy.model_management.InterruptProcessingException()


def cancellable(work: Callable[[], T]) -> T:
    """Do work that can't be interrupted by itself, and stop waiting for it on a cancel.

    It runs in a thread, which comes to its end alone after a cancel, or stops at its next look at
    the bar; its result is dropped then.
    """
    context, inference = contextvars.copy_context(), torch.is_inference_mode_enabled()
    given_up = threading.Event()

    def run() -> T:
        _GIVEN_UP.set(given_up)
        with torch.inference_mode(inference):  # the mode belongs to a thread
            return work()

    pool = ThreadPoolExecutor(1, "dreamtalk")
    try:
        future = pool.submit(context.run, run)
        while not future.done():
            stop_if_cancelled()
            wait([future], timeout=_POLL_SECONDS)
        return future.result()
    finally:
        given_up.set()
        pool.shutdown(wait=False)


class Bar:
    """ComfyUI's progress bar, as the library's ``Progress`` callback.

    Checks for a cancel at every call; moves the bar at most twenty times a second. A node with
    several stages gives each a share of the bar with :meth:`stage`.

    Args:
        pictures_on: the node that shows the pictures, and moves with them; the one that runs by
            default. :meth:`finish` ends its part.
    """

    def __init__(self, pictures_on: str | None = None) -> None:
        self._bar = comfy.utils.ProgressBar(1000)
        self._pictures_on = pictures_on
        self._shown = comfy.utils.ProgressBar(1000, node_id=pictures_on) if pictures_on else None
        self._start, self._stop = 0.0, 1.0
        self._moved = self._pictured = 0.0

    def stage(self, start: float, stop: float) -> Callable[[int, int], None]:
        """The callback for the part of the work between two shares of the bar (0..1)."""
        self._start, self._stop = start, stop
        return self

    def __call__(self, done: int, total: int) -> None:
        self.show(done, total)

    def show(self, done: int, total: int, frame: Tensor | None = None) -> None:
        """Move the bar; now and then show a picture with it.

        Args:
            done, total: the work done and its amount.
            frame: (H, W, 3) or (H, W, 4) uint8 picture to show in the node.
        """
        stop_if_cancelled()
        now = time.monotonic()
        if now - self._moved < _UPDATE_SECONDS and done < total:
            return
        self._moved = now
        preview = None
        if frame is not None and now - self._pictured >= _PREVIEW_SECONDS:
            self._pictured = now
            preview = ("JPEG", _picture(frame), _PREVIEW_SIZE)
        share = self._start + (self._stop - self._start) * min(1.0, done / max(1, total))
        here = preview if self._shown is None else None
        self._bar.update_absolute(round(1000 * share), 1000, here)
        if self._shown is not None and preview is not None:
            self._shown.update_absolute(round(1000 * share), 1000, preview)

    def finish(self) -> None:
        """The node that shows the pictures doesn't work any more."""
        if self._pictures_on is not None:
            comfy_execution.progress.get_progress_state().finish_progress(self._pictures_on)


def _picture(frame: Tensor) -> Any:
    """A frame for a preview, which has no alpha: what is transparent is grey."""
    from PIL import Image

    picture = Image.fromarray(frame.cpu().numpy())
    if picture.mode == "RGBA":
        behind = Image.new("RGBA", picture.size, (128, 128, 128, 255))
        picture = Image.alpha_composite(behind, picture).convert("RGB")
    return picture


# ------------------------------------------------------------------------------ devices and memory


class ModelHost:
    """Networks that live under ComfyUI's memory management.

    ComfyUI may move them out of the graphics memory between two runs; :meth:`device` brings them
    back, whole, and says where they are.

    Args:
        *modules: none for work without weights, which is done on the compute device all the same.
    """

    def __init__(self, *modules: nn.Module) -> None:
        self._patcher: Any = None
        if modules:
            # A list of its own, since the patcher leaves its marks on the module that it gets.
            self._patcher = comfy.model_patcher.ModelPatcher(
                nn.ModuleList(modules),
                load_device=comfy.model_management.get_torch_device(),
                offload_device=comfy.model_management.unet_offload_device(),
            )

    def device(self, memory: int = 0) -> torch.device:
        """Bring the networks to the compute device.

        Args:
            memory: bytes that the work itself will need there.
        """
        if self._patcher is None:
            return comfy.model_management.get_torch_device()
        # Plain torch layers can't be loaded in parts.
        comfy.model_management.load_models_gpu(
            [self._patcher], memory_required=memory, force_full_load=True
        )
        return self._patcher.load_device


def free_ram() -> int:
    """Bytes of main memory that are free."""
    return int(comfy.model_management.get_free_memory(torch.device("cpu")))


def encode_audio(waveform: Tensor, names: Iterable[str]) -> Any:
    """Run ComfyUI's audio encoder on a waveform.

    Args:
        waveform: (N,) at 16 kHz.
        names: of files in models/audio_encoders, the first that is there is taken.

    Returns:
        An AUDIO_ENCODER_OUTPUT; None where this ComfyUI has no audio encoders.

    Raises:
        ModelNotFoundError: if none of the files is there.
    """
    try:
        from comfy.audio_encoders.audio_encoders import load_audio_encoder_from_sd
    except ModuleNotFoundError:
        return None
    present = [name for name in names if name in folder_paths.get_filename_list("audio_encoders")]
    if not present:
        raise ModelNotFoundError(
            "this checkpoint listens through wav2vec2, whose file is not in models/audio_encoders: "
            f"put {next(iter(names))} there, or connect Audio Encoder Encode"
        )
    path = folder_paths.get_full_path_or_raise("audio_encoders", present[0])
    encoder = load_audio_encoder_from_sd(comfy.utils.load_torch_file(path, safe_load=True))
    return encoder.encode_audio(waveform[None, None], 16_000)
