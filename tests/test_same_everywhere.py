"""The same settings give the same motion and the same frames as a graph and as a command."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dreamtalk.cli import main
from dreamtalk.face import save_image
from dreamtalk.motion import Motion
from tests.comfy_pack import COMFYUI_DIR, load_pack, run_node, use_folders
from tests.test_cli import lengths

load_pack()
SECONDS = 0.8


@pytest.fixture
def made_by_the_command(
    portrait_image: torch.Tensor, speech_wav: Path, tmp_path: Path
) -> tuple[Motion, Path]:
    save_image(portrait_image, tmp_path / "p.png")
    out, kept = tmp_path / "v.mp4", tmp_path / "m.npz"
    command = [
        "talk", "--portrait", tmp_path / "p.png", "--audio", speech_wav, "--out", out,
        "--save-motion", kept, "--duration", SECONDS, "--emotion", "angry", "--intensity", 1.4,
        "--guidance", 1.2, "--seed", 7, "--steps", 6, "--quality", 20, "--liveliness", 0.8,
    ]  # fmt: skip
    assert main([str(word) for word in command]) == 0
    return Motion.load(kept), out


@pytest.mark.skipif(bool(COMFYUI_DIR), reason="the device may be another one there")
def test_graph_and_command(
    made_by_the_command: tuple[Motion, Path], speech_wav: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    use_folders(tmp_path / "comfy", monkeypatch)
    inputs = tmp_path / "comfy" / "input"
    (inputs / "a.wav").write_bytes(speech_wav.read_bytes())
    from dreamtalk.face import load_image

    (audio,) = run_node("DreamTalkLoadSpeech", audio="a.wav", duration=SECONDS, normalize=False)
    (model,) = run_node("DreamTalkLoadModel")
    features, _ = run_node("DreamTalkSpeechFeatures", model=model, audio=audio)
    (style,) = run_node("DreamTalkStylePreset", model=model, emotion="angry", intensity=1.4)
    (bare,) = run_node(
        "DreamTalkSampler", model=model, features=features, style=style, seed=7, steps=6,
        guidance=1.2,
    )  # fmt: skip
    life = dict.fromkeys(("blinks", "gaze", "head", "breathing"), 0.8)
    (motion,) = run_node("DreamTalkNaturalMotion", motion=bare, audio=audio, seed=7, **life)
    portrait, _ = run_node("DreamTalkPortrait", image=load_image(tmp_path / "p.png")[None])
    (video,) = run_node(
        "DreamTalkRenderVideo", portrait=portrait, motion=motion, audio=audio, quality=20
    )

    expected, file = made_by_the_command
    assert torch.equal(motion.expression, expected.expression)
    assert torch.equal(motion.head, expected.head)
    assert _pictures(Path(video.get_stream_source())) == _pictures(file)
    assert lengths(Path(video.get_stream_source()))[2] == 20


def _pictures(path: Path) -> list[bytes]:
    import av

    with av.open(str(path)) as container:
        return [bytes(frame.planes[0]) for frame in container.decode(video=0)]
