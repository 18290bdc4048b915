"""``import dreamtalk as dt``: what the README's few lines need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import dreamtalk as dt
from dreamtalk.errors import DreamTalkError
from dreamtalk.motion import Motion
from dreamtalk.pipeline import Sampling
from tests.test_cli import lengths


def test_importing_it_costs_nothing() -> None:
    code = "import sys, dreamtalk; print({'torch', 'cv2', 'numpy'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_name_is_there() -> None:
    for name in dt.__all__:
        assert getattr(dt, name).__name__ == name
        assert name in dir(dt)
    with pytest.raises(AttributeError, match="nosuch"):
        dt.nosuch  # noqa: B018


def test_a_job_from_plain_options() -> None:
    job = dt.Talk.of(
        "p.png", "a.wav", "v.mp4", emotion="sad", intensity=1.5, seed=3, steps=4, quality=30,
        start=1.0, device="cuda", face="leftmost", renderer="mesh", save_motion="m.npz",
    )  # fmt: skip
    assert (job.performance.style.emotion, job.performance.style.intensity) == ("sad", 1.5)
    assert job.performance.sampling == Sampling(steps=4, seed=3)
    assert (job.performance.speech.start, job.shot.start) == (1.0, 1.0)
    assert (job.performance.device, job.shot.device) == ("cuda", "cuda")
    assert (job.shot.faces, job.shot.quality) == (("leftmost",), 30)
    assert job.save_motion == Path("m.npz")
    said = dt.Talk.of("p.png", "a.wav", "v.mp4", mark=True, no_label=True).shot
    assert (said.visible_mark, said.label) == (True, False)
    with pytest.raises(DreamTalkError, match="no option emotoin"):
        dt.Talk.of("p.png", "a.wav", "v.mp4", emotoin="sad")
    with pytest.raises(DreamTalkError, match="steps can't be 0"):
        dt.Talk.of("p.png", "a.wav", "v.mp4", steps=0)


def test_job_and_single_steps_give_the_same(
    portrait_image: torch.Tensor, speech_wav: Path, tmp_path: Path
) -> None:
    from dreamtalk.face import save_image

    save_image(portrait_image, tmp_path / "p.png")
    job = dt.Talk.of(
        tmp_path / "p.png", speech_wav, tmp_path / "v.mp4", emotion="happy", duration=0.6, seed=2
    )
    motion = dt.talk(job)
    assert isinstance(motion, Motion)

    model = dt.load_model()
    speech = dt.load_speech(speech_wav, duration=0.6)
    same = dt.animate(speech, model, model.preset("happy"), seed=2)
    assert torch.equal(same.expression, motion.expression)
    assert torch.equal(same.head, motion.head)
    renderer = dt.open_renderer("mesh", dt.analyze_portrait(dt.load_image(tmp_path / "p.png")))
    assert dt.render_video(renderer, same, tmp_path / "w.mp4", dt.Sound(speech_wav)) == 15
    assert lengths(tmp_path / "w.mp4") == lengths(tmp_path / "v.mp4")
    assert (tmp_path / "w.mp4").read_bytes() == (tmp_path / "v.mp4").read_bytes()
