"""Outputs that are refused before any work, and what the suffix of a video decides."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from dreamtalk.cli import build_parser, main
from dreamtalk.errors import OutputError
from dreamtalk.files import clashes
from dreamtalk.files.atomic import atomic_write, check_writable
from dreamtalk.files.clashes import check_outputs
from dreamtalk.motion import FACE, Motion
from dreamtalk.motion.files import SUFFIXES, load_motion
from dreamtalk.pipeline import Shot, Talk, check_shot, talk
from dreamtalk.render.video import AI_COMMENT, CONTAINERS, Sound, write_video


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files whose contents would be an error if they were looked at."""
    for name in ("p.png", "s.wav", "m.npz", "n.npz", "c.mp4", "w.safetensors", "w.pth", "r.json"):
        (tmp_path / name).write_bytes(b"precious")
    return tmp_path


def link(path: Path, target: str) -> None:
    try:
        path.symlink_to(target)
    except OSError:
        pytest.skip("links need a privilege here")


def is_refused(folder: Path, capsys: pytest.CaptureFixture[str], command: str) -> str:
    """That a command ends with one line of error before its first stage, and touches no file.

    Words with a dot are names in the folder.
    """
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    words = [str(folder / w) if "." in w and "=" not in w else w for w in command.split()]
    assert main(words) == 1
    error = capsys.readouterr().err
    assert error.startswith("dreamtalk: error: ")
    assert error.count("\n") == 1
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    return error


_NO_FILE = r"ordinary file|symbolic links"
TALK = "talk --portrait p.png --audio s.wav"
CLASHES = (
    TALK + " --style c.mp4 --out c.mp4",
    TALK + " --out v.mp4 --save-motion m.npz --style m.npz",
    TALK + " --out v.mp4 --debug p.png",
    TALK + " --out v.gif --debug v.gif",
    "talk --portrait p.png --audio c.mp4 --out c.mp4",
    "talk --portrait p.png --audio c.mp4 --out hard.mp4",
    "talk --portrait p.png --audio c.mp4 --out soft.mp4",
    "talk --portrait p.png --audio soft.mp4 --out hard.mp4",
    "animate --audio s.wav --style m.npz --out m.npz",
    "animate --audio m.npz --out m.npz",
    "render --portrait p.png --motion m.npz --audio c.mp4 --out c.mp4",
    "render --portrait p.png --motion m.npz --out v.mp4 --debug p.png",
    "render --portrait r.gif --motion m.npz --out r.gif",
    "render --portrait p.png --motion r.mp4 --motion c.mp4 --out c.mp4",
    "render --portrait p.png --motion m.npz --neutral c.mp4 --out c.mp4",
    "track --video m.npz --out m.npz",
    "idle --portrait r.gif --out r.gif",
    "idle --portrait p.png --checkpoint m.npz --save-motion m.npz --out v.mp4",
    "dub --video c.mp4 --audio s.wav --out c.mp4",
    "dub --video c.mp4 --audio s.wav --style m.npz --save-motion m.npz --out v.mp4",
    "hear --audio p.png --out p.png",
    "visemes --audio r.json --out r.json",
    "plot --motion p.png --out p.png",
    "plot --motion m.npz --audio p.png --out p.png",
    "convert w.safetensors w.safetensors",
    "train evaluate --corpus r.corpus --checkpoint r.json --out r.json",
)


@pytest.mark.parametrize("command", CLASHES)
def test_no_output_is_written_over_an_input(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    (folder / "r.gif").write_bytes(b"precious")
    os.link(folder / "c.mp4", folder / "hard.mp4")
    if "soft" in command:
        link(folder / "soft.mp4", "c.mp4")
    error = is_refused(folder, capsys, command)
    assert "would be written over" in error or "would be the same file" in error


def test_two_outputs_are_not_one_file(folder: Path) -> None:
    for first, second in (("a.npz", "a.npz"), ("a.npz", "./x/../a.npz"), ("a.npz", "link.npz")):
        if second == "link.npz":
            link(folder / second, "a.npz")
        with pytest.raises(OutputError, match="would be the same file"):
            check_outputs({"one": folder / first, "other": f"{folder}/{second}"}, {})
    check_outputs({"one": folder / "a.npz", "other": folder / "b.npz"}, {"it": folder / "m.npz"})


def test_names_that_differ_in_case(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"one": folder / "Ä.npz", "other": folder / "a\u0308.NPZ"}
    if not clashes._folds_case(folder):
        check_outputs(names, {})
    monkeypatch.setattr(clashes, "_folds_case", lambda _: True)
    with pytest.raises(OutputError, match="would be the same file"):
        check_outputs(names, {})


def test_no_file_of_a_folder_that_is_read(folder: Path) -> None:
    check_outputs({"the report": folder / "new.md"}, {"the corpus": folder})
    with pytest.raises(OutputError, match="over the corpus"):
        check_outputs({"the report": folder / "r.json"}, {"the corpus": folder})


def test_a_background_that_is_no_file_is_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for word in ("", "keep", "white"):
        check_shot(Shot(Path("p.png"), Path("v.mp4"), background=word))
    Image.new("RGB", (9, 9)).save("v.png")
    with pytest.raises(OutputError, match="over the background"):
        check_shot(Shot(Path("p.png"), Path("v.mp4"), background="v.png", debug=Path("v.png")))


def test_the_library_refuses_too(folder: Path) -> None:
    with pytest.raises(OutputError, match="over the sound"):
        talk(Talk.of(folder / "p.png", folder / "c.mp4", folder / "c.mp4"))
    with pytest.raises(OutputError, match="over the sound"):
        write_video(folder / "c.mp4", iter([]), sound=Sound(folder / "c.mp4"))
    assert (folder / "c.mp4").read_bytes() == b"precious"


@pytest.mark.skipif(sys.platform == "win32", reason="has no such files")
def test_devices_pipes_and_sockets_stay(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(folder / "pipe.mp4")
    (folder / "null.mp4").symlink_to("/dev/null")
    (folder / "loop.mp4").symlink_to("loop.mp4")
    monkeypatch.chdir(folder)  # the name of a socket may have 100 characters
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.mp4")
        for name in ("pipe.mp4", "null.mp4", "socket.mp4", "loop.mp4"):
            before = os.lstat(folder / name)
            with pytest.raises(OutputError, match=_NO_FILE):
                check_writable(folder / name)
            with (
                pytest.raises(OutputError, match=_NO_FILE),
                atomic_write(folder / name) as part,
            ):
                part.write_bytes(b"")
            assert os.lstat(folder / name) == before
    assert not Path("/dev/null").is_file()


def test_home_is_home_without_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    paths = ["--portrait=~/p", "--audio=~/a", "--out=~/v", "--save-motion=~/m", "--debug=~/d"]
    paths += ["--style=~/s", "--checkpoint=~/c", "--renderer=~/r"]
    args = vars(build_parser().parse_args(["talk", *paths]))
    for path in paths:
        name, _, value = path[2:].partition("=")
        assert Path(args[name.replace("-", "_")]) == tmp_path / value[2:]
    motion = Motion(torch.zeros(3, len(FACE)), torch.zeros(3, 6))
    motion.save(tmp_path / "m.npz")
    monkeypatch.chdir(tmp_path)
    assert main(["plot", "--motion=~/m.npz", "--out=~/plot.svg"]) == 0
    assert (tmp_path / "plot.svg").exists()
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize(
    ("command", "known"),
    [
        (TALK + " --out v.avi", ".mp4, .mov, .mkv, .webm, .gif"),
        (TALK + " --out video.", ".mp4"),
        (TALK + " --out v.png", ".mp4"),
        (TALK + " --out v.mp4 --save-motion m.xyz", ".npz, .mat, .npy, .csv"),
        (TALK + " --out v.mp4 --save-motion m.txt", ".npz"),
        (TALK + " --out v.mp4 --debug d.mp3", ".png"),
        ("animate --audio s.wav --out m.mp4", ".npz"),
        ("render --portrait p.png --motion m.npz --out v.npz", ".mp4"),
        ("track --video c.mp4 --out m.zip", ".npz"),
        ("idle --portrait p.png --out v.avi", ".mp4"),
        ("idle --portrait p.png --out v.mp4 --save-motion m.xyz", ".npz"),
        ("dub --video c.mp4 --audio s.wav --out v.avi", ".mp4"),
        ("dub --video c.mp4 --audio s.wav --out v.mp4 --save-motion m.xyz", ".npz"),
        ("hear --audio s.wav --out p.xyz", ".png"),
        ("visemes --audio s.wav --out v.txt", ".json"),
        ("bench --portrait p.png --audio s.wav --plot p.xyz", ".png"),
        ("plot --motion m.npz --out p.jpg", ".png, .svg or .pdf"),
        ("convert w.pth w.onnx", ".safetensors"),
        ("train evaluate --corpus r.corpus --out r.csv", ".md or .json"),
    ],
)
def test_an_unknown_suffix_is_refused_before_the_work(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str, known: str
) -> None:
    assert known in is_refused(folder, capsys, command)


@pytest.mark.parametrize("suffix", [s for s in SUFFIXES if s != ".txt"])
def test_the_suffix_decides_the_motion_file(tmp_path: Path, speech_wav: Path, suffix: str) -> None:
    """Through the command, as ``.csv`` came out as something that nothing reads."""
    if suffix not in (".csv", ".mat"):
        motion = Motion(torch.zeros(5, len(FACE)), torch.zeros(5, 6))
        from dreamtalk.motion.files import save_motion

        save_motion(motion, tmp_path / f"m{suffix.upper()}")
    else:
        command = ["animate", "--audio", str(speech_wav), "--duration", "0.2"]
        assert main([*command, "--out", str(tmp_path / f"m{suffix.upper()}")]) == 0
    assert len(load_motion(tmp_path / f"m{suffix.upper()}")) == 5


CODECS = {
    ".mp4": ("h264", "aac"), ".mov": ("h264", "aac"), ".mkv": ("h264", "aac"),
    ".webm": ("vp9", "opus"), ".gif": ("gif", None),
}  # fmt: skip


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_videos_come_back(tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture) -> None:
    """Length, frames, codecs, colours and the note, at a rate that 1/100 s does not divide."""
    path = tmp_path / f"v{suffix.upper()}"
    colours = torch.tensor([[200, 40, 60], [40, 160, 70], [50, 60, 190]], dtype=torch.uint8)
    frames = colours.repeat_interleave(10, dim=0)[:, None, None].expand(-1, 63, 95, -1)
    wave = 0.3 * torch.sin(torch.arange(44_100) * 0.05)
    assert write_video(path, iter(frames.split(7)), 30.0, Sound(wave[None], 44_100)) == 30
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    video, audio = CODECS[suffix]
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == video
        assert [s.codec_context.name for s in container.streams.audio] == ([audio] if audio else [])
        assert container.duration / 1e6 == pytest.approx(1.0, abs=0.05)
        pictures = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
        notes = {key.lower(): value for key, value in container.metadata.items()}
    assert len(pictures) == 30
    for index in (5, 15, 25):
        middle = pictures[index][20:40, 20:40].mean(axis=(0, 1))
        assert abs(middle - colours[index // 10].numpy()).max() < 12
    assert notes["comment"] == AI_COMMENT
    if audio:
        with av.open(str(path)) as container:
            heard = list(container.decode(audio=0))
        seconds = sum(f.samples for f in heard) / heard[0].sample_rate
        assert seconds == pytest.approx(1.0, abs=0.05)
        assert abs(heard[len(heard) // 2].to_ndarray()).mean() > 0.1
    else:
        assert "no sound" in caplog.text


def test_gif(tmp_path: Path) -> None:
    """Its own size, one palette for all frames, endless; and no note if none is wanted."""
    ramp = torch.arange(64, dtype=torch.uint8)[None, None, :, None] * 4
    frames = ramp.expand(6, 63, -1, 3).clone()
    frames[..., 0] = torch.arange(6, dtype=torch.uint8)[:, None, None] * 40
    write_video(tmp_path / "v.gif", iter([frames]), 25.0, comment=None)
    with Image.open(tmp_path / "v.gif") as picture:
        assert (picture.n_frames, picture.size) == (6, (64, 63))
        assert (picture.info["loop"], picture.info["duration"]) == (0, 40)
        for index in range(6):
            picture.seek(index)
            shown = torch.from_numpy(np.array(picture.convert("RGB"))).int()
            assert float((shown - frames[index].int()).abs().float().mean()) < 12
            assert "comment" not in picture.info


def test_an_encoder_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", {"libx264", "aac"})
    with pytest.raises(OutputError, match="libvpx-vp9"):
        write_video(tmp_path / "v.webm", iter([]))


def test_the_weights_that_training_begins_with_stay(tmp_path: Path) -> None:
    from dreamtalk.training.recipe import load_recipe
    from dreamtalk.training.stages.run import train_denoiser

    path = tmp_path / "denoiser" / "starter.safetensors"
    path.parent.mkdir()
    path.write_bytes(b"precious")
    with pytest.raises(OutputError, match="over the weights to begin with"):
        train_denoiser(load_recipe(None), tmp_path, tmp_path, init=str(path))
