"""Motion files: round trips and broken input."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import loadmat, savemat

from dreamtalk.errors import MotionError, OutputError
from dreamtalk.files.mat import read_mat
from dreamtalk.motion import Motion, space
from dreamtalk.motion.bridges import head_to_pose
from dreamtalk.motion.files import load_motion, save_motion
from dreamtalk.motion.livelink import parse_livelink, render_livelink


def random(name: str, frames: int = 30, fps: float = 25.0) -> Motion:
    generator = torch.Generator().manual_seed(0)
    expression = torch.rand(frames, len(space(name)), generator=generator)
    head = 0.1 * torch.randn(frames, 6, generator=generator)
    pose = head_to_pose(head) if name == "bfm" else None
    return Motion(expression, head, fps, name, pose)


@pytest.mark.parametrize("name", ["face", "arkit", "bfm"])
@pytest.mark.parametrize("suffix", [".npz", ".jsonl", ".json"])
def test_our_formats_are_exact(tmp_path: Path, name: str, suffix: str) -> None:
    motion = random(name, fps=29.97)
    save_motion(motion, tmp_path / f"m{suffix}")
    back = load_motion(tmp_path / f"m{suffix}")
    assert back.space == name
    assert back.fps == pytest.approx(29.97, abs=1e-5)
    assert torch.equal(back.expression, motion.expression)
    assert torch.equal(back.head, motion.head)
    if name == "bfm":
        assert back.pose is not None
        assert torch.equal(back.pose, motion.pose)
    assert [p.name for p in tmp_path.iterdir()] == [f"m{suffix}"]


@pytest.mark.parametrize("suffix", [".mat", ".npy"])
def test_official_formats_keep_coefficients_and_pose(tmp_path: Path, suffix: str) -> None:
    motion = random("bfm")
    save_motion(motion, tmp_path / f"m{suffix}")
    back = load_motion(tmp_path / f"m{suffix}")
    assert back.space == "bfm"
    assert torch.equal(back.expression, motion.expression)
    assert back.pose is not None
    assert torch.equal(back.pose, motion.pose)
    # the head is against the clip's own median pose
    torch.testing.assert_close(back.head[:, 1].diff(), motion.head[:, 1].diff())


def test_mat_has_the_official_columns(tmp_path: Path) -> None:
    motion = random("bfm")
    save_motion(motion, tmp_path / "m.mat")
    data = loadmat(str(tmp_path / "m.mat"))
    assert data["coeff"].shape == (30, 257)
    assert data["transform_params"].shape == (30, 5)
    assert motion.pose is not None
    np.testing.assert_array_equal(data["coeff"][:, 80:144], motion.expression.numpy())
    np.testing.assert_array_equal(data["coeff"][:, 224:227], motion.pose[:, :3].numpy())
    np.testing.assert_array_equal(data["coeff"][:, 254:257], motion.pose[:, 3:6].numpy())
    np.testing.assert_array_equal(data["transform_params"][:, 2:], motion.pose[:, 6:].numpy())


def test_mat_without_crop(tmp_path: Path) -> None:
    savemat(str(tmp_path / "m.mat"), {"coeff": np.zeros((5, 257), np.float32)})
    assert len(load_motion(tmp_path / "m.mat")) == 5
    assert load_motion(tmp_path / "m.mat", fps=30).fps == 30


def test_expression_only_arrays(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(7, 64)).astype(np.float32)
    np.save(tmp_path / "m.npy", values)
    np.savetxt(tmp_path / "m.txt", values)
    for name in ("m.npy", "m.txt"):
        motion = load_motion(tmp_path / name)
        assert motion.pose is None
        np.testing.assert_allclose(motion.expression, values, atol=1e-6)


@pytest.mark.parametrize("fps", [25.0, 30.0, 60.0, 29.97])
def test_live_link_round_trip(tmp_path: Path, fps: float) -> None:
    motion = random("arkit", 200, fps)
    save_motion(motion, tmp_path / "take.csv")
    back = load_motion(tmp_path / "take.csv")
    assert back.space == "arkit"
    assert back.fps == pytest.approx(fps, rel=2e-3)
    assert len(back) == 200
    np.testing.assert_allclose(back.expression, motion.expression, atol=1e-6)
    np.testing.assert_allclose(back.head[:, :3], motion.head[:, :3], atol=1e-6)


def test_live_link_layout() -> None:
    text = render_livelink(random("arkit", 61, 60.0))
    lines = text.splitlines()
    header = lines[0].split(",")
    assert header[:3] == ["Timecode", "BlendShapeCount", "EyeBlinkLeft"]
    assert header.index("JawRight") < header.index("JawLeft")
    assert header.index("MouthRight") < header.index("MouthLeft")
    assert header[-10] == "TongueOut"
    assert header[-9:] == [
        "HeadYaw", "HeadPitch", "HeadRoll", "LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll",
        "RightEyeYaw", "RightEyePitch", "RightEyeRoll",
    ]  # fmt: skip
    assert lines[1].startswith("00:00:00:00.000,61,")
    assert lines[61].startswith("00:00:01:00.000,61,")


def test_live_link_dropped_frames_are_interpolated() -> None:
    frames = 120
    motion = Motion(torch.zeros(frames, 52), torch.zeros(frames, 6), 60.0, "arkit")
    motion.expression[:, 17] = torch.linspace(0, 1, frames)
    lines = render_livelink(motion).splitlines()
    del lines[40:44], lines[80]
    back = parse_livelink("\n".join(lines))
    assert len(back) == frames
    np.testing.assert_allclose(back.expression[:, 17], motion.expression[:, 17], atol=1e-4)


def test_live_link_survives_midnight_and_byte_order_marks(tmp_path: Path) -> None:
    lines = render_livelink(random("arkit", 90, 30.0)).splitlines()
    stamped = [lines[0]]
    for index, line in enumerate(lines[1:]):
        seconds = (86398 + index // 30) % 86400
        clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        stamped.append(f"{clock}:{index % 30:02d}.000," + line.split(",", 1)[1])
    (tmp_path / "m.csv").write_text("\ufeff" + "\n".join(stamped), encoding="utf-8")
    back = load_motion(tmp_path / "m.csv")
    assert (len(back), back.fps) == (90, 30.0)


def test_other_spaces_are_converted_on_the_way_out(tmp_path: Path) -> None:
    face = random("face")
    for suffix, name in ((".mat", "bfm"), (".npy", "bfm"), (".csv", "arkit")):
        save_motion(face, tmp_path / f"m{suffix}")
        back = load_motion(tmp_path / f"m{suffix}")
        assert back.space == name
        assert len(back) == len(face)


def broken(tmp_path: Path) -> dict[str, str]:
    """File name -> part of the message."""
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "text.mat").write_text("hello")
    (tmp_path / "text.csv").write_text("hello,world\n1,2\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "text.jsonl").write_text('{"format": "something else"}\n')
    np.save(tmp_path / "wide.npy", np.zeros((4, 70), np.float32))
    np.save(tmp_path / "nan.npy", np.full((4, 73), np.nan, np.float32))
    np.save(tmp_path / "none.npy", np.zeros((0, 73), np.float32))
    savemat(str(tmp_path / "other.mat"), {"x": np.zeros(3)})
    savemat(str(tmp_path / "narrow.mat"), {"coeff": np.zeros((3, 256))})
    header = render_livelink(random("arkit", 1)).splitlines()[0]
    (tmp_path / "rows.csv").write_text(header + "\n" + ",".join(["x"] * 63))
    return {
        "text.npz": "text.npz", "text.mat": "text.mat", "text.csv": "Live Link", "empty.csv":
        "empty", "text.jsonl": "first line", "wide.npy": "73", "nan.npy": "NaN", "none.npy":
        "frames", "other.mat": "coeff", "narrow.mat": "257", "rows.csv": "rows.csv",
        "missing.npz": "no motion file", "film.mp4": "tracking",
    }  # fmt: skip


def test_broken_files_say_what_is_wrong(tmp_path: Path) -> None:
    for name, message in broken(tmp_path).items():
        with pytest.raises(MotionError, match=message):
            load_motion(tmp_path / name)


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"m\.docx"):
        save_motion(random("face"), tmp_path / "m.docx")
    with pytest.raises(OutputError, match="nowhere"):
        save_motion(random("face"), tmp_path / "nowhere" / "m.csv")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("packed", [False, True])
def test_mat_files_read_as_scipy_reads_them(tmp_path: Path, packed: bool) -> None:
    values = {
        "coeff": np.random.default_rng(0).normal(size=(7, 257)), "one": np.float32(2.5),
        "small": np.arange(3, dtype=np.int8), "cube": np.ones((2, 3, 4), np.uint16).cumsum(axis=2),
        "big": np.array([[2**40]], np.int64), "empty": np.zeros((0, 4)), "rows": np.eye(3, 5) > 0,
        "text": "words", "cells": np.array(["a", 1], object), "complex": np.array([1j]),
    }  # fmt: skip
    savemat(str(tmp_path / "m.mat"), values, do_compression=packed)
    expected, found = loadmat(str(tmp_path / "m.mat")), read_mat(tmp_path / "m.mat")
    assert set(found) == set(values) - {"text", "cells", "complex"}
    for name, array in found.items():
        assert array.shape == expected[name].shape
        np.testing.assert_array_equal(array, expected[name])


def test_mat_files_of_big_endian_machines(tmp_path: Path) -> None:
    values = np.arange(6, dtype=">f8")
    parts = struct.pack(">IIII", 6, 8, 6, 0) + struct.pack(">IIii", 5, 8, 3, 2)
    parts += struct.pack(">HH4s", 1, 1, b"x") + struct.pack(">II", 9, 48) + values.tobytes()
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI"
    (tmp_path / "m.mat").write_bytes(head + struct.pack(">II", 14, len(parts)) + parts)
    np.testing.assert_array_equal(
        read_mat(tmp_path / "m.mat")["x"], np.array([[0, 3], [1, 4], [2, 5]])
    )
