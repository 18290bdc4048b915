"""What travels can be stored: written and read to the bit, and never half."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dreamtalk.errors import AudioError, DreamTalkError, ImageError, MotionError, OutputError
from dreamtalk.face import Portrait, save_image
from dreamtalk.files.atomic import atomic_write
from dreamtalk.files.values import save_values
from dreamtalk.motion import Motion
from dreamtalk.motion.files import SUFFIXES, is_motion_file, save_motion
from dreamtalk.speech import Features, Speech
from dreamtalk.style import Style
from dreamtalk.style.track import style_track

DICE = torch.Generator().manual_seed(3)


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=DICE)


def track() -> Style:
    """A style over time whose intensity changes."""
    return style_track(
        "0:neutral 1:happy@1.5", lambda name, w: Style(noise(16), "model-1", w, name), duration=2.0
    )


def portrait(image: Tensor) -> Portrait:
    expression = torch.zeros(31)
    expression[0] = 0.05
    return Portrait(image, noise(478, 3), torch.eye(3), expression, faces=2)


VALUES: dict[str, tuple[Callable[[], Any], type[DreamTalkError]]] = {
    "speech": (lambda: Speech(0.3 * noise(4001)), AudioError),
    "features": (lambda: Features(noise(51, 24), "starter"), AudioError),
    "style": (lambda: Style(noise(16), "model-1", 1.3, "Zoë, glücklich"), DreamTalkError),
    "style over time": (track, DreamTalkError),
    "motion": (lambda: Motion(noise(7, 31), noise(7, 6), 29.97), MotionError),
    "portrait, 8 bits": (
        lambda: portrait(torch.arange(3 * 64 * 80).reshape(64, 80, 3).remainder(256) / 255),
        ImageError,
    ),
    "portrait, finer": (lambda: portrait(noise(64, 80, 3).sigmoid()), ImageError),
    "portrait with a mask": (
        lambda: replace(portrait(noise(64, 80, 3).sigmoid()), mask=noise(64, 80).sigmoid()),
        ImageError,
    ),
}


def assert_same(value: Any, again: Any) -> None:
    for field in fields(value):
        before, after = getattr(value, field.name), getattr(again, field.name)
        if isinstance(before, Tensor):
            assert after.dtype == before.dtype
            assert torch.equal(before, after), field.name
        elif field.name == "fps":
            assert after == np.float32(before)
        else:
            assert after == before, field.name


def test_every_kind_is_tried() -> None:
    track_style = track()
    assert track_style.code.ndim == 2
    assert isinstance(track_style.intensity, Tensor)


@pytest.mark.parametrize("kind", VALUES)
def test_values_come_back_to_the_bit(kind: str, tmp_path: Path) -> None:
    value = VALUES[kind][0]()
    value.save(tmp_path / "v.npz")
    assert_same(value, type(value).load(tmp_path / "v.npz"))
    assert [path.name for path in tmp_path.iterdir()] == ["v.npz"]


@pytest.mark.parametrize("kind", VALUES)
def test_damaged_files_say_so(kind: str, tmp_path: Path) -> None:
    make, error = VALUES[kind]
    value, path = make(), tmp_path / "v.npz"
    with pytest.raises(error, match="there is no"):
        type(value).load(path)
    value.save(path)
    data = path.read_bytes()
    for wrong in (b"", b"hello", data[: len(data) // 2]):
        path.write_bytes(wrong)
        with pytest.raises(error, match=r"v\.npz"):
            type(value).load(path)
    found = 0
    for position in range(7, len(data), len(data) // 23):
        flipped = bytearray(data)
        flipped[position] ^= 0x55
        path.write_bytes(flipped)
        try:  # a byte that means nothing may have been hit; then the value is the same
            assert_same(value, type(value).load(path))
        except error as told:
            found += "v.npz" in str(told)
    assert found > 5


@pytest.mark.parametrize("kind", [kind for kind in VALUES if kind != "motion"])
def test_files_of_another_kind_are_told_apart(kind: str, tmp_path: Path) -> None:
    make, error = VALUES[kind]
    value, path = make(), tmp_path / "v.npz"
    save_values(path, "recipe", {"eggs": np.array(3)})
    with pytest.raises(error, match="holds a 'recipe'"):
        type(value).load(path)
    name = kind.split(" ")[0].strip(",")
    save_values(path, name, {"eggs": np.array(3)})
    with pytest.raises(error, match="has no '"):
        type(value).load(path)


def test_pickles_are_not_run(tmp_path: Path) -> None:
    waveform = np.array([{"a": 1}], dtype=object)
    np.savez(tmp_path / "v.npz", format=np.array("dreamtalk.speech"), rate=1, waveform=waveform)
    with pytest.raises(AudioError, match="pickle"):
        Speech.load(tmp_path / "v.npz")


def test_contents_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "v.npz"
    save_values(path, "speech", {"waveform": np.zeros(9, np.float32), "rate": np.array(44100)})
    with pytest.raises(AudioError, match="44100 Hz"):
        Speech.load(path)
    save_values(path, "features", {"rows": np.full((2, 3), np.nan), "kind": np.array("starter")})
    with pytest.raises(AudioError, match="NaN"):
        Features.load(path)
    with pytest.raises(DreamTalkError, match=r"\(d,\) or \(T, d\)"):
        Style(torch.zeros(2, 3, 4), "model-1")
    with pytest.raises(DreamTalkError, match="intensity"):
        Style(torch.zeros(4), "model-1", float("nan"))
    good = portrait(torch.rand(64, 80, 3))
    for name, wrong in (
        ("image", torch.zeros(64, 80)),
        ("landmarks", torch.zeros(468, 3)),
        ("rotation", torch.full((3, 3), float("nan"))),
        ("expression", torch.zeros(52)),
        ("mask", torch.zeros(80, 64)),
    ):
        with pytest.raises(ImageError, match=name):
            replace(good, **{name: wrong})


@pytest.mark.parametrize("writer", ["value", "motion.csv", "motion.npz", "picture", "block"])
def test_what_fails_leaves_the_old_file(
    writer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk in the middle of writing."""
    path = tmp_path / {"motion.csv": "v.csv", "picture": "v.png"}.get(writer, "v.npz")
    path.write_bytes(b"what was there")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    writers: dict[str, Callable[[], None]] = {
        "value": lambda: Speech(torch.zeros(9)).save(path),
        "motion.csv": lambda: save_motion(Motion(noise(7, 31), noise(7, 6)), path),
        "motion.npz": lambda: Motion(noise(7, 31), noise(7, 6)).save(path),
        "picture": lambda: save_image(torch.rand(64, 64, 3), path),
    }

    def block() -> None:
        with atomic_write(path) as part:
            part.write_bytes(b"half")
            full()

    for name in ("numpy.savez", "numpy.savez_compressed", "PIL.Image.Image.save"):
        monkeypatch.setattr(name, full)
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OutputError, match="No space left on device"):
        writers.get(writer, block)()
    assert path.read_bytes() == b"what was there"
    assert list(tmp_path.iterdir()) == [path]


def test_other_errors_pass_and_clean_up(tmp_path: Path) -> None:
    def stop() -> None:
        with atomic_write(tmp_path / "v.npz") as part:
            part.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert not list(tmp_path.iterdir())
    with pytest.raises(OutputError, match="No such file or directory"):
        Speech(torch.zeros(9)).save(tmp_path / "missing" / "v.npz")


@pytest.mark.parametrize("name", ["x" * 300 + ".png", "a\x00b"])
def test_names_that_no_file_can_have(name: str) -> None:
    from dreamtalk.batch.rows import read_rows
    from dreamtalk.checkpoints import read_checkpoint
    from dreamtalk.dubbing.registry import load_painter
    from dreamtalk.face import load_image
    from dreamtalk.motion.files import load_motion
    from dreamtalk.render.background import background_of
    from dreamtalk.render.registry import load_renderer
    from dreamtalk.speech import load_speech
    from dreamtalk.tracking.video import video_info

    for read in (
        load_image, load_speech, load_motion, load_renderer, load_painter, background_of, read_rows,
        read_checkpoint, Style.load, lambda name: video_info(Path(name)),
    ):  # fmt: skip
        with pytest.raises(
            DreamTalkError, match=r"there is no|can't be|is not a motion|holds no jobs"
        ):
            read(Path(name))  # type: ignore[operator]


def test_a_style_has_one_intensity_or_one_a_frame() -> None:
    for intensity in ([1.0], (1.0, 2.0), "1", None):
        with pytest.raises(DreamTalkError, match="intensity can't be"):
            Style(torch.ones(4), "m", intensity)  # type: ignore[arg-type]


def test_messages_can_be_written_everywhere() -> None:
    assert str(DreamTalkError("no '\ud800'")).encode() == b"no '?'"


def test_which_paths_are_motion_files() -> None:
    assert all(is_motion_file(f"a/b{suffix}") for suffix in SUFFIXES)
    assert is_motion_file("Take 1.JSON")
    assert not is_motion_file("clip.mp4")
    assert not is_motion_file("npz")
