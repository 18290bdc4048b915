"""The style predictor from end to end: its training on seconds of data, the command, the nodes."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dreamtalk.cli import main
from dreamtalk.errors import DreamTalkError
from dreamtalk.model import load_model
from dreamtalk.model.style_predictor import load_style_predictor
from dreamtalk.motion.files import load_motion
from dreamtalk.pipeline import choose_style
from dreamtalk.training.corpus.emodb import HELD_OUT, LETTERS, joined_speech, read_emodb
from dreamtalk.training.corpus.recordings import build_corpus
from dreamtalk.training.data.heard import acted_sounds
from dreamtalk.training.data.speakers import make_speaker
from tests.comfy_pack import load_pack, run_node
from tests.conftest import babble

load_pack()
RECIPE = """
batch = 6
tokens = 8
people = 3
clips = 2
joined = 8
calm = 4
[shares]
emodb = 0.5
acted = 0.3
calm = 0.2
[loop]
steps = 4
save_every = 2
[network]
d_model = 16
heads = 2
layers = 1
ff = 16
"""


@pytest.fixture(scope="module")
def emodb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips named as EmoDB's, of babbling actors."""
    folder = tmp_path_factory.mktemp("emodb")
    for i, name in enumerate(("03a01Wa", "08a01Wa", "08a02Wb", "08a01Nc", "09a01Fa", "09a02Na")):
        samples = np.concatenate([np.zeros(2000), babble(0.8, seed=i), np.zeros(9000)])
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes((samples * 30000).astype("<i2"))
    (folder / "readme.txt").write_text("no clip")
    return folder


def test_left_out_actors_are_not_heard_and_silence_is_cut(emodb: Path) -> None:
    clips = read_emodb(emodb)
    assert [c.actor for c in clips] == ["03", "08", "08", "08", "09", "09"]
    assert all(len(c.waveform) <= 0.81 * 16_000 for c in clips)
    heard = list(acted_sounds(clips, 12, 0, HELD_OUT))
    assert {voice.split("/")[1] for *_, voice in heard} == {"08", "09"}
    assert {emotion for _, emotion, _, _ in heard} == {"angry", "neutral", "happy"}
    assert LETTERS["L"] == "neutral"
    with pytest.raises(DreamTalkError, match="is it EmoDB"):
        read_emodb(emodb.parent)


def test_clips_are_joined_to_speech_of_many_lengths(emodb: Path) -> None:
    import random

    draw, clips = random.Random(0), [c for c in read_emodb(emodb) if c.actor == "08"]
    lengths = [len(joined_speech(clips, draw, 3)) for _ in range(12)]
    assert max(lengths) > 2 * min(lengths)


def test_a_made_up_person_shows_habits_that_the_face_tells() -> None:
    people = [make_speaker(0, i, 16) for i in range(400)]
    shapes = np.stack([p.shape for p in people])
    manners = np.stack([p.manners for p in people])
    fit = np.linalg.lstsq(shapes, manners, rcond=None)[0]
    told = [np.corrcoef((shapes @ fit)[:, k], manners[:, k])[0, 1] for k in range(6)]
    assert min(told) > 0.6
    again = make_speaker(0, 7, 16)
    np.testing.assert_array_equal(again.posture, people[7].posture)


def test_training_goes_on_and_gives_a_predictor(
    emodb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, work, recipe = tmp_path / "corpus", tmp_path / "work", tmp_path / "tiny.toml"
    build_corpus(corpus, 0.01, engines=("formant",), seconds=6.2)
    build_corpus(corpus, 0.01, engines=("formant",), part="acted", seconds=6.2, acted=True)
    recipe.write_text(RECIPE)

    def run(folder: Path, *more: str) -> Path:
        arguments = ["--corpus", str(corpus), "--emodb", str(emodb), "--config", str(recipe)]
        command = ["train", "style-predictor", *arguments, "--work", str(folder), *more]
        assert main(command) == 0
        return Path(capsys.readouterr().out.splitlines()[0])

    made = run(work)
    whole = load_style_predictor(load_model(), made)
    assert len(list((work / "heard").glob("*.npz"))) == 4
    kept = made.stat().st_mtime_ns
    run(work)  # nothing left to do; what was heard is taken from the folder
    assert made.stat().st_mtime_ns >= kept
    other = run(work, "--variant", "no-speaker")
    assert other.parent.name == "style-predictor-no-speaker"
    assert whole.network.config.d_model == 16
    assert main(["train", "style-predictor", "--corpus", str(corpus), "--emodb", str(emodb),
                 "--work", str(work), "--variant", "half"]) == 1  # fmt: skip
    assert "no variant 'half'" in capsys.readouterr().err


def test_the_command_hears(
    speech_wav: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["hear", "--audio", str(speech_wav), "--out", str(tmp_path / "h.png")]) == 0
    assert (tmp_path / "h.png").stat().st_size > 5000
    words = capsys.readouterr().out.splitlines()
    assert words[0].count("%") == 8
    assert words[1].startswith("auto: 0:")


def test_style_auto_in_the_command(speech_wav: Path, tmp_path: Path) -> None:
    motions = []
    for name, more in (("one", ["--style", "auto"]), ("track", ["--style-track", "auto"])):
        out = tmp_path / f"{name}.npz"
        command = ["animate", "--audio", str(speech_wav), "--out", str(out), "--steps", "2"]
        assert main([*command, *more]) == 0
        motions.append(load_motion(out))
    assert len(motions[0]) == len(motions[1]) == 60


def test_style_from_a_picture_in_the_command(
    speech_wav: Path, tmp_path: Path, portrait_image: Tensor
) -> None:
    from dreamtalk.face import save_image

    save_image(portrait_image, tmp_path / "smile.png")
    out = tmp_path / "m.npz"
    arguments = ["--audio", str(speech_wav), "--style", str(tmp_path / "smile.png"), "--steps", "2"]
    assert main(["animate", *arguments, "--out", str(out)]) == 0
    assert len(load_motion(out)) == 60


def test_auto_without_speech_is_one_sentence() -> None:
    with pytest.raises(DreamTalkError, match="give the speech"):
        choose_style(load_model(), clip="auto")


def test_the_nodes(portrait_image: Tensor, caplog: pytest.LogCaptureFixture) -> None:
    waveform = torch.from_numpy(babble(2.0).astype(np.float32))[None, None]
    audio = {"waveform": waveform, "sample_rate": 16_000}
    (model,) = run_node("DreamTalkLoadModel", checkpoint="starter (built in)")
    portrait = run_node("DreamTalkPortrait", image=portrait_image[None])[0]
    features, _ = run_node("DreamTalkSpeechFeatures", model=model, audio=audio)
    style, heard, plot = run_node(
        "DreamTalkStylePredictor", model=model, audio=audio, seed=3, portrait=portrait
    )
    assert heard.count("%") == 8
    assert plot.ndim == 4
    known, *_ = run_node(
        "DreamTalkStylePredictor", model=model, audio=audio, seed=3, portrait=portrait,
        features=features, intensity=1.5,
    )  # fmt: skip
    torch.testing.assert_close(known.code, style.code)
    assert known.intensity == 1.5
    track, words, _ = run_node("DreamTalkStylePredictor", model=model, audio=audio, over_time=True)
    assert track.code.ndim == 2
    assert "auto: 0:" in words
    assert not [r for r in caplog.records if r.levelname == "WARNING"], "nothing is wrong"
    (smile,) = run_node(
        "DreamTalkStylePicture", model=model, image=portrait_image[None],
        resting=portrait_image[None],
    )  # fmt: skip
    (sampled,) = run_node("DreamTalkSampler", model=model, features=features, style=smile, steps=2)
    assert torch.isfinite(sampled.expression).all()
