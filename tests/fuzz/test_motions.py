"""Motion files and values: damaged bytes, absurd numbers, any contents."""

from __future__ import annotations

import io
import json
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.io import savemat

from dreamtalk.errors import DreamTalkError
from dreamtalk.face import Portrait
from dreamtalk.motion import FACE, Motion
from dreamtalk.motion.files import load_motion, save_motion
from dreamtalk.speech import Features, Speech
from dreamtalk.style import Style
from tests.fuzz.cases import damaged, damaged_text, limits, unused, works_or_says


def saved(suffix: str) -> bytes:
    dice = torch.Generator().manual_seed(1)
    motion = Motion(0.1 * torch.rand(4, len(FACE), generator=dice), torch.zeros(4, 6))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"m{suffix}"
        save_motion(motion, path)
        return path.read_bytes()


def value_files() -> dict[str, bytes]:
    portrait = Portrait(
        torch.zeros(64, 64, 3), torch.zeros(478, 3), torch.eye(3), torch.zeros(31), faces=1
    )
    values = {
        "style": Style(torch.zeros(8), "model", 1.0, "name"), "speech": Speech(torch.zeros(99)),
        "features": Features(torch.zeros(4, 5), "starter"), "portrait": portrait,
    }  # fmt: skip
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, value in values.items():
            value.save(Path(folder) / "v.npz")
            found[name] = (Path(folder) / "v.npz").read_bytes()
    return found


SUFFIXES = (".npz", ".mat", ".npy", ".csv", ".jsonl")
FILES = {f"m{suffix}": saved(suffix) for suffix in SUFFIXES}
TEXTS = {
    "m.csv": FILES["m.csv"].decode(), "m.jsonl": FILES["m.jsonl"].decode(),
    "m.txt": "\n".join([" ".join(["0.1"] * 64)] * 3),
}  # fmt: skip
VALUES = value_files()
TYPES: dict[str, Any] = {
    "style": Style, "speech": Speech, "features": Features, "portrait": Portrait
}  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
ANY_ARRAY = arrays.arrays(
    st.sampled_from([np.float32, np.float64, np.int32, np.uint8, np.bool_, np.complex64, "U3"]),
    SHAPES,
)


def load(path: Path) -> None:
    motion = works_or_says(lambda: load_motion(path))
    if motion is not None:
        assert len(motion) > 0
        assert torch.isfinite(motion.expression).all()
        assert motion.pose is None or torch.isfinite(motion.pose).all()


@given(case=damaged(FILES))
def test_motion_files(tmp_path_factory: pytest.TempPathFactory, case: tuple[str, bytes]) -> None:
    path = unused(tmp_path_factory.getbasetemp(), Path(case[0]).suffix)
    path.write_bytes(case[1])
    load(path)


@given(case=damaged_text(TEXTS))
def test_motion_texts(tmp_path_factory: pytest.TempPathFactory, case: tuple[str, str]) -> None:
    path = unused(tmp_path_factory.getbasetemp(), Path(case[0]).suffix)
    path.write_text(case[1], encoding="utf-8", errors="surrogatepass")
    load(path)


@given(header=st.dictionaries(st.sampled_from(["space", "channels", "fps", "x"]), JSON), rows=JSON)
def test_json_of_any_structure(
    tmp_path_factory: pytest.TempPathFactory, header: dict[str, Any], rows: Any
) -> None:
    path = unused(tmp_path_factory.getbasetemp(), ".jsonl")
    good = json.loads(TEXTS["m.jsonl"].splitlines()[0])
    path.write_text(json.dumps(good | header) + "\n" + json.dumps(rows) + "\n", encoding="utf-8")
    load(path)


@given(
    changed=st.dictionaries(
        st.sampled_from(["expression", "channels", "head", "fps", "space", "pose"]), ANY_ARRAY
    ),
    suffix=st.sampled_from([".npz", ".mat", ".npy"]),
)
def test_arrays_of_any_kind(
    tmp_path_factory: pytest.TempPathFactory, changed: dict[str, Any], suffix: str
) -> None:
    path = unused(tmp_path_factory.getbasetemp(), suffix)
    values = dict(np.load(io.BytesIO(FILES["m.npz"]))) | changed
    if suffix == ".npz":
        np.savez(path, **values)
    elif suffix == ".npy":
        np.save(path, values["expression"])
    else:
        coeff = values["expression"] if "expression" in changed else np.zeros((3, 257))
        savemat(path, {"coeff": coeff, "transform_params": values["head"], "fps": values["fps"]})
    load(path)


@given(case=damaged(VALUES), kind=st.sampled_from(sorted(TYPES)))
def test_value_files(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[str, bytes], kind: str
) -> None:
    path = unused(tmp_path_factory.getbasetemp(), ".npz")
    path.write_bytes(case[1])
    works_or_says(lambda: TYPES[kind].load(path))


@given(changed=st.dictionaries(st.integers(0, 12), ANY_ARRAY), kind=st.sampled_from(sorted(TYPES)))
def test_values_of_any_kind(
    tmp_path_factory: pytest.TempPathFactory, changed: dict[int, Any], kind: str
) -> None:
    path = unused(tmp_path_factory.getbasetemp(), ".npz")
    values = dict(np.load(io.BytesIO(VALUES[kind])))
    names = [name for name in values if name != "format"]
    np.savez(path, **(values | {names[i % len(names)]: value for i, value in changed.items()}))
    works_or_says(lambda: TYPES[kind].load(path))


def npy_header(shape: tuple[int, ...], kind: str = "<f4") -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    text = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    "shape", [(1 << 32, 73), (1 << 62, 73), (1 << 28, 64), (0, 73), (-1, 73), (1 << 70, 64)]
)
def test_npy_headers_that_claim_more_than_there_is(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "m.npy"
    path.write_bytes(npy_header(shape) + bytes(4096))
    load(path)
    with zipfile.ZipFile(tmp_path / "m.npz", "w") as archive:
        archive.writestr("expression.npy", npy_header(shape) + bytes(4096))
    load(tmp_path / "m.npz")


@pytest.mark.parametrize("kind", ["motion", *TYPES])
def test_bombs_of_zeros_are_not_unpacked(tmp_path: Path, kind: str) -> None:
    """512 MiB that are 0.5 MB on the disk."""
    original = FILES["m.npz"] if kind == "motion" else VALUES[kind]
    name = {"motion": "expression", "style": "code", "speech": "waveform", "features": "rows"}
    wanted = name.get(kind, "image") + ".npy"
    path = tmp_path / "m.npz"
    with (
        zipfile.ZipFile(io.BytesIO(original)) as source,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for item in source.namelist():
            if item != wanted:
                archive.writestr(item, source.read(item))
        with archive.open(wanted, "w", force_zip64=True) as bomb:
            bomb.write(npy_header((1 << 21, 64)))
            for _ in range(512):
                bomb.write(bytes(1 << 20))
    with pytest.raises(DreamTalkError, match="unpack to 512 MiB"):
        (Motion if kind == "motion" else TYPES[kind]).load(path)


def test_bombs_of_zeros_in_a_mat_file_are_not_unpacked(tmp_path: Path) -> None:
    path, size = tmp_path / "m.mat", (1 << 21, 32)
    pack = zlib.compressobj()
    head = struct.pack("<II8sIIIIIIII8s", 14, 0, struct.pack("<II", 6, 8), 6, 0, 5, 8, *size, 1, 5,
                       b"coeff")  # fmt: skip
    packed = pack.compress(head) + b"".join(pack.compress(bytes(1 << 20)) for _ in range(512))
    packed += pack.flush()
    version = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    path.write_bytes(version + struct.pack("<II", 15, len(packed)) + packed)
    with pytest.raises(DreamTalkError, match=r"unpack to \d+ MiB"), limits(touched=True):
        load_motion(path)


@pytest.mark.parametrize("wrong", [b"\xfe\xff\xff\xff", b"NaNs,", b"a + b", b"((((("])
def test_headers_of_arrays_that_are_no_values(tmp_path: Path, wrong: bytes) -> None:
    """numpy's own words for them are of its parser's objects."""
    path, data = tmp_path / "m.npy", FILES["m.npy"]
    at = data.index(b"False")
    path.write_bytes(data[:at] + wrong + data[at + len(wrong) :])
    works_or_says(lambda: load_motion(path))
