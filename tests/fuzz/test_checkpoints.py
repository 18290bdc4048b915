"""Weights files: damaged, with absurd headers, with settings that can't be, with code in them."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from dreamtalk.checkpoints import convert, read_checkpoint
from dreamtalk.errors import CheckpointError
from dreamtalk.files.bounded import BoundedReader
from dreamtalk.files.pickles import check_storages
from dreamtalk.model import load_model, save_model
from dreamtalk.model.model import DreamTalkModel
from dreamtalk.networks.denoiser import Denoiser, DenoiserConfig
from dreamtalk.networks.lip_expert import LipExpert, LipExpertConfig
from dreamtalk.networks.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from tests.fuzz.cases import ABSURD_VALUES, damaged, damaged_text, limits, unused, works_or_says
from tests.trap import Trap

SMALL = DenoiserConfig(
    feature_dim=4, expression_dim=31, lower=(0, 1), d_model=8, heads=1, layers=1, ff=8, window=1,
    max_style_length=8, diffusion_steps=10,
)  # fmt: skip
ENCODER = SpeechEncoderConfig(width=8, dilations=(1, 2), phones=3, curves=1, hidden=2, aux=2)
EXPERT = LipExpertConfig(feature_dim=6, style_dim=8, vertices=2, width=4, embedding=4)


def ours() -> bytes:
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.safetensors"
        parts = {"speech_encoder": SpeechEncoder(ENCODER), "lip_expert": LipExpert(EXPERT)}
        save_model(DreamTalkModel(Denoiser(SMALL), "face", "starter", **parts), path)
        return path.read_bytes()


def pickled(content: Any, legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


OURS = ours()
STATE = {"net.content_encoder.w": torch.zeros(3), "net.b": torch.ones(2)}
FILES = {
    "ours.safetensors": OURS, "foreign.safetensors": save(STATE),
    "official.pth": pickled({"model_state_dict": STATE}),
    "legacy.pth": pickled({"model_state_dict": STATE}, legacy=True),
    "plain.pth": pickle.dumps({"a": 1}),
}  # fmt: skip
HEADER = OURS[8 : 8 + int.from_bytes(OURS[:8], "little")].decode()
CONFIG = json.loads(json.loads(HEADER)["__metadata__"]["config"])


def with_header(header: str) -> bytes:
    coded = header.encode("utf-8", "surrogatepass")
    return len(coded).to_bytes(8, "little") + coded + OURS[8 + len(HEADER) :]


def with_config(config: dict[str, Any]) -> bytes:
    header = json.loads(HEADER)
    header["__metadata__"]["config"] = json.dumps(config)
    return with_header(json.dumps(header))


@given(case=damaged(FILES))
def test_weights_files(tmp_path_factory: pytest.TempPathFactory, case: tuple[str, bytes]) -> None:
    path = unused(tmp_path_factory.getbasetemp(), Path(case[0]).suffix)
    path.write_bytes(case[1])
    works_or_says(lambda: load_model(path))


@given(case=damaged_text({"header": HEADER}))
def test_headers(tmp_path_factory: pytest.TempPathFactory, case: tuple[str, str]) -> None:
    path = unused(tmp_path_factory.getbasetemp(), ".safetensors")
    path.write_bytes(with_header(case[1]))
    works_or_says(lambda: load_model(path))


SETTINGS = st.sampled_from([value for value in ABSURD_VALUES if type(value) not in (bytes, complex)
                            and value is not object])  # fmt: skip


@given(
    part=st.sampled_from(["denoiser", "speech_encoder", "lip_expert", None]),
    data=st.data(),
    value=SETTINGS | st.sampled_from([1 << 20, 1 << 31, 1e9, -3, [0] * 5, [99], ["x"], [1e9]]),
)
def test_settings(
    tmp_path_factory: pytest.TempPathFactory, part: str | None, data: st.DataObject, value: Any
) -> None:
    config = json.loads(json.dumps(CONFIG))
    changed = config if part is None else config[part]
    names = st.lists(st.sampled_from([*changed, "other"]), min_size=1, max_size=3)
    changed.update(dict.fromkeys(data.draw(names), value))
    path = unused(tmp_path_factory.getbasetemp(), ".safetensors")
    path.write_bytes(with_config(config))
    works_or_says(lambda: load_model(path))


@pytest.mark.parametrize(
    ("part", "changed"),
    [
        ("speech_encoder", {"width": -1}),
        ("speech_encoder", {"width": 40_000}),
        ("speech_encoder", {"dilations": [1, 100_000_000]}),
        ("speech_encoder", {"dilations": [1] * 1000}),
        ("speech_encoder", {"warps": []}),
        ("speech_encoder", {"warps": [0.0]}),
        ("speech_encoder", {"phones": True}),
        ("lip_expert", {"width": -5}),
        ("lip_expert", {"vertices": 60_000, "width": 60_000}),
        ("lip_expert", {"styled": "no"}),
        ("denoiser", {"beta_last": 10**400}),
        ("denoiser", {"lower": [31]}),
        ("denoiser", {"dropout": 1.0}),
    ],
)
def test_settings_that_can_not_be(tmp_path: Path, part: str, changed: dict[str, Any]) -> None:
    config = json.loads(json.dumps(CONFIG))
    config[part].update(changed)
    (tmp_path / "m.safetensors").write_bytes(with_config(config))
    with limits(), pytest.raises(CheckpointError, match=r"'m\.safetensors' is damaged"):
        load_model(tmp_path / "m.safetensors")


@pytest.mark.parametrize("size", [0, 1, 1 << 20, 1 << 27, 1 << 40, (1 << 64) - 1])
def test_headers_are_refused_by_their_size(tmp_path: Path, size: int) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", size) + b"{" + bytes(4096))
    works_or_says(lambda: read_checkpoint(path))


def test_tensors_that_claim_more_than_there_is(tmp_path: Path) -> None:
    entry = {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}
    header = json.dumps({"net.content_encoder.w": entry}).encode()
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(64))
    works_or_says(lambda: read_checkpoint(path))


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_file_does_not_run(tmp_path: Path, legacy: bool) -> None:
    made, path = tmp_path / "made", tmp_path / "m.pth"
    trap = Trap(open, str(made), "w")
    for data in (pickled({"w": trap}, legacy), pickle.dumps(trap)):
        path.write_bytes(data)
        works_or_says(lambda: read_checkpoint(path))
        works_or_says(lambda: convert(path, tmp_path / "m.safetensors"))
        assert not made.exists()


def test_bombs_of_zeros_are_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    with (
        zipfile.ZipFile(io.BytesIO(FILES["official.pth"])) as source,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for item in source.namelist():
            if not item.endswith("data.pkl"):
                archive.writestr(item, source.read(item))
        with archive.open("archive/data.pkl", "w", force_zip64=True) as bomb:
            for _ in range(512):
                bomb.write(bytes(1 << 20))
    with pytest.raises(CheckpointError, match="unpack to 512 MiB"):
        read_checkpoint(path)


def test_lengths_beyond_the_file_cost_nothing(tmp_path: Path) -> None:
    """Of a text in a legacy file's pickle: 3.5 GB, which Python makes room for before it reads."""
    path, data = tmp_path / "m.pth", FILES["legacy.pth"]
    at = data.rindex(b"X\x0e\x00\x00\x00") + 1
    path.write_bytes(data[:at] + b"\x0e\x00\x00\xd4" + data[at + 4 :])
    works_or_says(lambda: read_checkpoint(path))


@pytest.mark.parametrize("claimed", [b"J\x00\x00\x00\x70", b"\x8a\x05\x00\x00\x00\x00\x10"])
def test_legacy_tensors_that_claim_more_than_there_is(tmp_path: Path, claimed: bytes) -> None:
    path, data = tmp_path / "m.pth", FILES["legacy.pth"]
    at = data.index(b"K\x03Nt")
    path.write_bytes(data[:at] + claimed + data[at + 2 :])
    with limits(), pytest.raises(CheckpointError, match="larger than the file"):
        read_checkpoint(path)


def test_a_legacy_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    path.write_bytes(FILES["legacy.pth"])
    with BoundedReader(path) as file:
        check_storages(file)
        assert file.tell() == 0
        state = torch.load(file, weights_only=True)["model_state_dict"]
    assert torch.equal(state["net.b"], torch.ones(2))


@pytest.mark.parametrize("name", ["noise_scale", "noise_smoothing", "settling"])
@pytest.mark.parametrize("value", [10**400, float("inf"), float("nan"), -1, "x", None, True])
def test_numbers_of_the_calibration_that_can_not_be(tmp_path: Path, name: str, value: Any) -> None:
    (tmp_path / "m.safetensors").write_bytes(with_config({**CONFIG, name: value}))
    with pytest.raises(CheckpointError, match=f"damaged: {name} can't be"):
        load_model(tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    "changed", [{"shape": [float("inf")]}, {"data_offsets": [0, float("inf")]}, {"shape": [2.0]}]
)
def test_tensors_that_are_not_described_in_whole_numbers(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    header = json.loads(HEADER)
    next(entry for name, entry in header.items() if name != "__metadata__").update(changed)
    (tmp_path / "m.safetensors").write_bytes(with_header(json.dumps(header)))
    with pytest.raises(CheckpointError, match="header is damaged"):
        load_model(tmp_path / "m.safetensors")
