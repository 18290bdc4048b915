"""The command from end to end, and what it says to bad input."""

from __future__ import annotations

import json
import subprocess
import sys
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from dreamtalk.cli import main
from dreamtalk.dubbing.registry import load_painter
from dreamtalk.errors import DreamTalkError
from dreamtalk.face.image import save_image, to_uint8
from dreamtalk.face.landmarker import FaceLandmarker
from dreamtalk.model import load_model
from dreamtalk.motion import FACE, Motion
from dreamtalk.render.registry import load_renderer

RATE = 16_000


def write_wav(path: Path, samples: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, portrait_image: torch.Tensor) -> Path:
    """A folder with a portrait."""
    folder = tmp_path_factory.mktemp("cli")
    save_image(portrait_image, folder / "portrait.png")
    return folder


def talk(folder: Path, *options: object, portrait: object = None, audio: object = None) -> int:
    out = folder / "out.mp4"
    out.unlink(missing_ok=True)
    return main(
        ["talk", "--portrait", str(portrait or folder / "portrait.png"), "--audio", str(audio)]
        + ([] if "--out" in options else ["--out", str(out)])
        + [str(option) for option in options]
    )


def lengths(path: Path) -> tuple[float, float, int]:
    """Seconds of video and of audio, and the number of frames that decode."""
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        seconds = [float(s.duration * s.time_base) for s in (video, audio)]
        frames = sum(1 for _ in container.decode(video))
    return seconds[0], seconds[1], frames


def test_talk(folder: Path, speech_wav: Path) -> None:
    motion_file = folder / "m.npz"
    options = ("--emotion", "happy", "--save-motion", motion_file)
    assert talk(folder, *options, audio=speech_wav) == 0
    video, audio, frames = lengths(folder / "out.mp4")
    assert frames == 60
    assert video == pytest.approx(2.4)
    assert audio == pytest.approx(video, abs=0.04)
    motion = Motion.load(motion_file)
    assert (len(motion), motion.space, motion.fps) == (60, "face", 25.0)
    assert float(motion.channel("lipAperture").std()) > 0.003, "the lips move"

    with av.open(str(folder / "out.mp4")) as container:
        pictures = np.array([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])
    corner = pictures[:, :30, :60].astype(float)
    assert corner.std(axis=0).max() < 4, "the background stands still, but for coding"


def test_the_same_seed_gives_the_same_motion(folder: Path, speech_wav: Path) -> None:
    def animate(name: str, *options: str) -> Motion:
        out = folder / name
        status = main(["animate", "--audio", str(speech_wav), "--out", str(out), *options])
        assert status == 0
        return Motion.load(out)

    first, again = animate("a.npz", "--seed", "5"), animate("b.npz", "--seed", "5")
    assert torch.equal(first.expression, again.expression)
    assert torch.equal(first.head, again.head)
    other = animate("c.npz", "--seed", "6")
    assert not torch.equal(first.head, other.head)
    bare = animate("d.npz", "--liveliness", "0")
    assert bare.head.abs().max() == 0


def test_render_of_a_motion_file(folder: Path, speech_wav: Path) -> None:
    expression = torch.zeros(12, len(FACE))
    expression[6:, 0] = 0.1
    Motion(expression, torch.zeros(12, 6)).save(folder / "hand.npz")
    out = folder / "render.mp4"
    command = ["render", "--portrait", str(folder / "portrait.png"), "--out", str(out)]
    command += ["--motion", str(folder / "hand.npz"), "--audio", str(speech_wav)]
    assert main([*command, "--debug", str(folder / "layers.png")]) == 0
    assert (folder / "layers.png").stat().st_size > 10_000
    video, audio, frames = lengths(out)
    assert frames == 12
    assert audio == pytest.approx(video, abs=0.04)
    for typed, meant, count in (("29.97", Fraction(30000, 1001), 14), ("50", Fraction(50), 24)):
        assert main([*command, "--fps", typed]) == 0
        with av.open(str(out)) as container:
            assert container.streams.video[0].average_rate == meant
        video, audio, frames = lengths(out)
        assert frames == count
        assert video == pytest.approx(12 / 25, abs=0.5 / float(meant))
        assert audio == pytest.approx(video, abs=0.04)


def test_style_from_a_motion_file(folder: Path, speech_wav: Path) -> None:
    rng = torch.Generator().manual_seed(0)
    clip = Motion(torch.randn(50, len(FACE), generator=rng) * 0.02, torch.zeros(50, 6))
    clip.save(folder / "clip.npz")
    options = ["--audio", str(speech_wav), "--out", str(folder / "s.npz")]
    assert main(["animate", *options, "--style", str(folder / "clip.npz")]) == 0


def test_silence_keeps_the_lips_at_rest(folder: Path) -> None:
    silent = write_wav(folder / "silent.wav", np.zeros(2 * RATE))
    out = folder / "silent.npz"
    assert main(["animate", "--audio", str(silent), "--out", str(out)]) == 0
    aperture = Motion.load(out).channel("lipAperture")
    assert float(aperture.abs().max()) < 0.035, "closed by the measure that p, b and m are held to"
    assert float(aperture.std()) < 0.005


def test_very_short_speech(folder: Path) -> None:
    short = write_wav(folder / "short.wav", 0.2 * np.sin(np.arange(RATE // 10) * 0.3))
    assert talk(folder, audio=short) == 0
    assert lengths(folder / "out.mp4")[2] == 2


@pytest.mark.parametrize("kind", ["RGBA", "I;16"])
def test_unusual_pictures(folder: Path, portrait_image: torch.Tensor, kind: str) -> None:
    short = write_wav(folder / "short.wav", 0.2 * np.sin(np.arange(RATE // 5) * 0.3))
    picture = Image.fromarray(to_uint8(portrait_image))
    path = folder / f"{kind.replace(';', '')}.png"
    if kind == "I;16":
        Image.fromarray(np.asarray(picture.convert("L"), dtype=np.uint16) * 257).save(path)
    else:
        picture.convert(kind).save(path)
    assert talk(folder, portrait=path, audio=short) == 0


def test_several_faces(folder: Path, portrait_image: torch.Tensor, caplog, capsys) -> None:
    save_image(torch.cat([portrait_image, portrait_image.flip(1)], dim=1), folder / "two.png")
    short = write_wav(folder / "short.wav", 0.2 * np.sin(np.arange(RATE // 5) * 0.3))
    assert talk(folder, portrait=folder / "two.png", audio=short) == 0
    assert "2 faces in the picture: taking the largest" in caplog.text
    Motion(torch.zeros(6, len(FACE)), torch.zeros(6, 6)).save(folder / "one.npz")
    Motion(torch.zeros(9, len(FACE)), torch.zeros(9, 6)).save(folder / "other.npz")
    group = folder / "group.mp4"
    command = ["render", "--portrait", str(folder / "two.png"), "--out", str(group)]
    command += ["--motion", str(folder / "one.npz"), "--motion", str(folder / "other.npz")]
    command += ["--audio", str(short)]
    assert main([*command, "--debug", str(folder / "both.png")]) == 0
    assert lengths(group)[2] == 9
    assert main([*command, "--face", "1", "--face", "1"]) == 1
    assert "choose another face" in capsys.readouterr().err
    assert main([*command, "--face", "leftmost"]) == 1
    assert "--motion is given 2 times and --face 1 times" in capsys.readouterr().err


def _bad_inputs(folder: Path, speech: Path) -> dict[str, tuple[dict[str, object], list[str], str]]:
    """name -> (arguments of talk, options, what the message must say)"""
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (200, 300, 3), dtype=np.uint8)).save(folder / "noise.png")
    Image.fromarray(rng.integers(0, 255, (20, 20, 3), dtype=np.uint8)).save(folder / "tiny.png")
    (folder / "words.txt").write_text("hello")
    (folder / "words.wav").write_text("hello " * 1000)
    save_file({"some.weight": torch.zeros(3)}, folder / "other.safetensors")
    (folder / "page.pth").write_text("<!DOCTYPE html><html><body>404</body></html>")
    samples = np.zeros(RATE, dtype="<f4")
    samples[5] = np.nan
    with av.open(str(folder / "nan.wav"), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    (folder / "file").write_text("")
    good = {"audio": speech}
    return {
        "no face": ({**good, "portrait": folder / "noise.png"}, [], "no face"),
        "20x20": ({**good, "portrait": folder / "tiny.png"}, [], "20x20"),
        "text as picture": ({**good, "portrait": folder / "words.txt"}, [], "not a picture"),
        "missing picture": ({**good, "portrait": folder / "nope.png"}, [], "there is no picture"),
        "text as audio": ({"audio": folder / "words.wav"}, [], "words.wav"),
        "missing audio": ({"audio": folder / "nope.wav"}, [], "there is no audio file"),
        "NaN": ({"audio": folder / "nan.wav"}, [], "NaN"),
        "no such stretch": (good, ["--start", "99"], "no sound from 99 s"),
        "unwritable": (good, ["--out", str(folder / "file" / "v.mp4")], "can't write"),
        "out is a folder": (good, ["--out", str(folder)], "is a folder"),
        "other weights": (
            good, ["--checkpoint", str(folder / "other.safetensors")], "other.safetensors",
        ),
        "html page": (good, ["--checkpoint", str(folder / "page.pth")], "page.pth"),
        "missing weights": (good, ["--checkpoint", str(folder / "nope.pth")], "nope.pth"),
        "steps": (good, ["--steps", "0"], "steps"),
        "device": (good, ["--device", "warp"], "warp"),
        "style": (good, ["--style", str(folder / "nope.npz")], "nope.npz"),
        "face 7": (good, ["--face", "7"], "face 7"),
    }  # fmt: skip


_NAMES = (
    "no face", "20x20", "text as picture", "missing picture", "text as audio", "missing audio",
    "NaN", "no such stretch", "unwritable", "out is a folder", "other weights", "html page",
    "missing weights", "steps", "device", "style", "face 7",
)  # fmt: skip


@pytest.mark.parametrize("name", _NAMES)
def test_bad_input_is_one_clear_line(folder: Path, speech_wav: Path, capsys, name: str) -> None:
    inputs = _bad_inputs(folder, speech_wav)
    assert set(inputs) == set(_NAMES)
    arguments, options, expected = inputs[name]
    before = {p for p in folder.iterdir() if p.name != "out.mp4"}
    assert talk(folder, *options, **arguments) == 1  # type: ignore[arg-type]
    errors = [x for x in capsys.readouterr().err.splitlines() if x.startswith("dreamtalk: error")]
    assert len(errors) == 1
    assert expected in errors[0]
    assert set(folder.iterdir()) == before, "nothing half-written"


COMMANDS_WITH_A_DEVICE = (
    "hear --audio S", "visemes --audio S --out v.json", "serve --portrait P --port 0",
    "idle --portrait P --out v.mp4 --seconds 2", "dub --video S --audio S --out v.mp4",
    "bench --portrait P --audio S --duration 0.2",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS_WITH_A_DEVICE)
def test_a_device_that_is_not_there(folder: Path, speech_wav: Path, capsys, command: str) -> None:
    places = {"P": folder / "portrait.png", "S": speech_wav}
    words = [str(places.get(w, folder / w if w.startswith("v.") else w)) for w in command.split()]
    assert main([*words, "--device", "warp"]) == 1
    assert "the device 'warp' can't be used here" in capsys.readouterr().err


def test_no_network_is_loaded_onto_a_device_that_is_not_there() -> None:
    for load in (load_model, FaceLandmarker, load_renderer, load_painter):
        name = ("difftalk",) if load in (load_renderer, load_painter) else ()
        with pytest.raises(DreamTalkError, match="'warp' can't be used"):
            load(*name, device="warp")  # type: ignore[operator]


def test_bench(folder: Path, speech_wav: Path, capsys) -> None:
    command = ["bench", "--portrait", str(folder / "portrait.png"), "--audio", str(speech_wav)]
    command += ["--duration", "0.4,0.8", "--size", "128", "--threads", "1"]
    command += ["--json", str(folder / "b.json"), "--plot", str(folder / "b.png")]
    assert main([*command, "--out", str(folder / "b.md")]) == 0
    printed = capsys.readouterr().out
    for stage in ("denoiser", "renderer set-up", "video", "total"):
        assert f"| {stage} |" in printed
    assert "10 frames of 128x128" in printed
    assert (folder / "b.md").read_text().strip() == printed.strip()
    found = [case["result"] for case in json.loads((folder / "b.json").read_text())["cases"]]
    assert [(r["frames"], r["width"], r["threads"]) for r in found] == [(10, 128, 1), (20, 128, 1)]
    assert all(r["peak_memory"] > 50 << 20 or sys.platform == "win32" for r in found)
    with Image.open(folder / "b.png") as picture:
        assert picture.width == 900
    assert main([*command[:-2], "--size", "-5"]) == 1
    assert "can't be -5" in capsys.readouterr().err


def test_plot(folder: Path, speech_wav: Path) -> None:
    Motion(torch.zeros(30, len(FACE)), torch.zeros(30, 6)).save(folder / "p.npz")
    out = folder / "p.png"
    command = ["plot", "--motion", str(folder / "p.npz"), "--audio", str(speech_wav)]
    assert main([*command, "--out", str(out)]) == 0
    with Image.open(out) as picture:
        assert picture.width >= 1000


def test_style_track(folder: Path, speech_wav: Path) -> None:
    def animate(*options: str) -> Motion:
        out = str(folder / "t.npz")
        command = ["animate", "--audio", str(speech_wav), "--out", out, "--liveliness", "0"]
        assert main([*command, *options]) == 0
        return Motion.load(out)

    track = animate("--style-track", "0:neutral 1.2:happy")
    neutral, happy = animate(), animate("--emotion", "happy")
    width = [m.channel("mouthWidth") for m in (track, neutral, happy)]
    assert torch.allclose(width[0][:10], width[1][:10], atol=0.01)
    assert torch.allclose(width[0][-10:], width[2][-10:], atol=0.01)
    assert main(["animate", "--audio", str(speech_wav), "--out", "x", "--style-track", "0:?"]) == 1


def test_convert_refuses_what_is_no_checkpoint(folder: Path, capsys) -> None:
    (folder / "page.pth").write_text("<!DOCTYPE html><html></html>")
    assert main(["convert", str(folder / "page.pth"), str(folder / "page.safetensors")]) == 1
    assert "page.pth" in capsys.readouterr().err
    assert not (folder / "page.safetensors").exists()


def test_help_comes_without_loading_torch() -> None:
    code = (
        "import sys; from dreamtalk.cli import build_parser; print(build_parser().format_help());"
    )
    code += "assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "talk" in done.stdout


def test_native_messages_stay_off_the_terminal(folder: Path) -> None:
    save_image(torch.rand(100, 100, 3), folder / "noise2.png")
    short = write_wav(folder / "short.wav", 0.2 * np.sin(np.arange(RATE // 5) * 0.3))
    command = [sys.executable, "-m", "dreamtalk", "talk", "--portrait", str(folder / "noise2.png")]
    command += ["--audio", str(short), "--out", str(folder / "never.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 2, "what the first stage took, and the error"
    assert lines[1].startswith("dreamtalk: error: no face")


def test_two_people_talk(
    folder: Path, portrait_image: torch.Tensor, capsys: pytest.CaptureFixture[str]
) -> None:
    pair, voice = folder / "pair.png", folder / "voice.wav"
    save_image(torch.cat([portrait_image, portrait_image.flip(1)], 1), pair)
    time = np.arange(RATE) / RATE
    write_wav(voice, 0.3 * np.sign(np.sin(2 * np.pi * 130 * time)) * (np.abs(time - 0.5) > 0.1))
    quick = ("--steps", 1, "--save-motion", folder / "pair.npz", "--styles", "right=sad")

    assert talk(folder, "--speakers", "0:left 0.5:right", *quick, portrait=pair, audio=voice) == 0
    assert lengths(folder / "out.mp4") == (1.0, 1.0, 25)
    left, right = (Motion.load(folder / f"pair-{i}.npz") for i in (1, 2))
    aperture = [m.channel("lipAperture") for m in (left, right)]
    assert float(aperture[0][:10].max()) > 0.02 > float(aperture[1][:5].max())
    assert float(aperture[1][15:].max()) > 0.02 > float(aperture[0][22:].max())

    assert talk(folder, "--other-audio", voice, "--other-at", 0.6, *quick, "--faces", "2, 1",
                portrait=pair, audio=voice) == 0  # fmt: skip
    assert lengths(folder / "out.mp4")[2] == 40
    first = Motion.load(folder / "pair-1.npz").channel("lipAperture")
    assert float(first[:5].max()) < 0.01, "the first of --faces is the right one, who speaks later"

    for options, said in (
        (("--speakers", "0:left 2:top"), "'top' names no face"),
        (("--speakers", "stereo"), "needs a recording with two channels"),
        (("--speakers", "0:left", "--other-audio", voice), "each is one face's"),
        (("--styles", "left=sad"), "who speaks when"),
        (("--faces", "1 2"), "who speaks when"),
        (("--speakers", "0:3"), "'3' can't speak: 2 faces take part"),
        (("--other-at", 2), "who speaks when"),
        (("--speakers", " "), "who speaks when"),
        (("--speakers", "0:left", "--face", "2"), "--face names one who talks alone"),
        (("--speakers", "0:left", "--faces", "1 1"), "face 1 is named twice"),
        (("--speakers", "0:left", "--points", "nose 5,5"), "leave them out where several"),
        (("--speakers", "0:left", "--open-mouth", pair), "leave them out where several"),
    ):
        capsys.readouterr()
        assert talk(folder, *options, portrait=pair, audio=voice) == 1
        errors = capsys.readouterr().err
        assert said in errors
        assert "faces in the picture" not in errors
    assert talk(folder, "--speakers", "0:1 0.5:2", audio=voice) == 1
    assert "shows 1 face: a conversation needs two" in capsys.readouterr().err
