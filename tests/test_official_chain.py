"""From the published containers to a video, with made-up weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from dreamtalk.face.portrait import Portrait
from dreamtalk.model import load_model
from dreamtalk.motion.files import load_motion
from dreamtalk.render.pirenderer import PIRenderer, load_pirenderer
from dreamtalk.render.pirenderer.coefficients import motion_coefficients, with_pose
from dreamtalk.speech.wav2vec import load_rows
from tests.parity_weights import numbers, write_official_files


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("official")
    write_official_files(made)
    n = numbers("end_to_end")
    clip = {"coeff": n["coeff"].numpy(), "transform_params": n["transform_params"].numpy()}
    savemat(made / "clip.mat", clip)
    np.save(made / "speech_wav2vec.npy", n["wav2vec"].numpy())
    return made


def test_the_official_routine_from_files(folder):
    """Features, style, pose and x_T as files -> the (T, 73) of the published script."""
    n = numbers("end_to_end")
    model = load_model(folder / "denoising_network.pth")
    features = load_rows(folder / "speech_wav2vec.npy")
    clip = load_motion(folder / "clip.mat")
    motion = model.sample(features, model.encode_style(clip), guidance=1.0, noise=n["x_T"][0])
    rows = motion_coefficients(with_pose(motion, clip.pose))
    assert (rows - n["out"]).abs().max() < 1e-5
    shorter = motion_coefficients(with_pose(motion, clip.pose[:10]))
    assert torch.equal(shorter[10:, 64:], rows[9:10, 64:].expand(20, -1))


def test_frames_of_the_whole_picture(folder):
    model = load_model(folder / "denoising_network.pth")
    features = load_rows(folder / "speech_wav2vec.npy")
    motion = model.sample(features, model.null_style(), steps=2)
    image = torch.rand(300, 280, 3, generator=torch.Generator().manual_seed(0))
    marks = torch.full((478, 3), 140.0)
    marks[33, 0], marks[263, 0] = 110.0, 170.0
    portrait = Portrait(image, marks, torch.eye(3), torch.zeros(31))
    renderer = PIRenderer(load_pirenderer(folder / "renderer.pt"), portrait)
    frames = [next(renderer.frames(motion, chunk=1)), next(renderer.frames(motion, chunk=2))]
    assert [f.shape for f in frames] == [(1, 300, 280, 3), (2, 300, 280, 3)]
    # the second is computed together with another frame
    assert (frames[0][0].int() - frames[1][0].int()).abs().max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("part", ["denoiser", "renderer"])
def test_half_precision_stays_near(folder, part):
    """docs/official.md states these errors."""
    if part == "denoiser":
        features = load_rows(folder / "speech_wav2vec.npy")
        results = []
        for dtype in (torch.float32, torch.bfloat16):
            model = load_model(folder / "denoising_network.pth", dtype=dtype)
            results.append(model.sample(features, model.null_style()).expression)
        assert (results[0] - results[1]).abs().max() < 0.06 * results[0].std()
    else:
        n, results = numbers("pirenderer"), []
        image = n["image_u8"].permute(2, 0, 1)[None].float() / 127.5 - 1
        for dtype in (torch.float32, torch.bfloat16):
            net = load_pirenderer(folder / "renderer.pt", dtype=dtype)
            with torch.no_grad():
                source = net.encode_source(image.to(dtype))
                results.append(net(source, n["windows"][:1].to(dtype)).float())
        assert (results[0] - results[1]).abs().mean() < 0.01
