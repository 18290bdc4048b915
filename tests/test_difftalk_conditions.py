"""DiffTalk's conditions: landmarks, masks, windows of speech."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from dreamtalk.difftalk.conditioning import (
    SHOWN,
    hide,
    ibug_landmarks,
    kept_latents,
    mouth_box,
    shown_landmarks,
)
from dreamtalk.difftalk.deepspeech import audio_windows, read_deepspeech, windows_of_rows
from dreamtalk.errors import AudioError, DreamTalkError


def face(frames: int = 1) -> Tensor:
    """MediaPipe's points of a made-up frontal face, 90 px between the eyes' outer corners."""
    draw = torch.Generator().manual_seed(0)
    marks = 256 * torch.rand(frames, 478, 3, generator=draw)
    for index, place in {33: (83, 100), 263: (173, 100), 4: (128, 130)}.items():
        marks[:, index, :2] = torch.tensor(place, dtype=torch.float32)
    return marks


def test_landmarks_without_lips():
    marks = face(2)
    points = shown_landmarks(marks)
    assert points.shape == (2, 39, 2)
    assert torch.equal(points, ibug_landmarks(marks)[:, list(SHOWN)])
    assert torch.equal(points, shown_landmarks(ibug_landmarks(marks)))
    lips = {*range(48, 68)} | {*range(4, 13)}
    assert not lips & set(SHOWN)
    moved = ibug_landmarks(marks).clone()
    moved[:, sorted(lips)] += 10
    assert torch.equal(points, shown_landmarks(moved))
    with pytest.raises(DreamTalkError, match="70 landmarks"):
        shown_landmarks(torch.zeros(1, 70, 2))


def test_mask_covers_the_mouth_and_does_not_tell_its_shape():
    marks = face()
    box = mouth_box(marks, 256)
    assert box.shape == (1, 256, 256)
    assert not box[0, :130].any()
    assert box[0, 140:250, 60:196].all()  # lips, cheeks, and a jaw as low as it gets
    rigid = ibug_landmarks(torch.arange(478.0)[None, :, None].expand(1, 478, 2))[0, :, 0].long()
    for index in range(478):
        if index not in (int(rigid[36]), int(rigid[45]), int(rigid[30])):
            marks[0, index] += 20
    assert torch.equal(mouth_box(marks, 256), box)


def test_mask_follows_the_head():
    marks = face()
    turned = marks.clone()
    centre = torch.tensor([128.0, 128.0])
    spin = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])  # a quarter turn
    turned[..., :2] = (marks[..., :2] - centre) @ spin.T + centre
    area, box = mouth_box(marks, 256), mouth_box(turned, 256)
    assert abs(int(area.sum()) - int(box.sum())) < 0.05 * int(area.sum())
    assert (box[0].flip(0).T ^ area[0]).float().mean() < 0.02


def test_hiding():
    images = torch.rand(1, 3, 8, 8)
    hidden = torch.zeros(1, 8, 8, dtype=torch.bool)
    hidden[:, 5:, 2] = True
    shown = hide(images, hidden)
    assert (shown[:, :, 5:, 2] == -1).all()
    assert torch.equal(shown[:, :, :5], images[:, :, :5])
    kept = kept_latents(hidden, 2)
    assert kept[0, 0].tolist() == [[1, 1], [0, 1]]


def test_audio_windows(tmp_path):
    rows = torch.arange(1, 41.0)[:, None].expand(40, 29)  # row r holds r + 1
    windows = windows_of_rows(rows)
    assert windows.shape == (20, 16, 29)
    assert windows[0, :, 0].tolist() == 8 * [0] + list(range(1, 9))
    assert windows[10, :, 5].tolist() == list(range(13, 29))  # rows 12 .. 27
    assert windows[19, :, 0].tolist() == [*range(31, 41), *6 * [0]]
    whole = audio_windows(rows)
    assert whole.shape == (20, 8, 16, 29)
    assert torch.equal(whole[10], windows[6:14])
    assert torch.equal(whole[1, 3:], windows[0:5])
    assert (whole[1, :3] == 0).all()
    assert torch.equal(audio_windows(windows), whole)
    for name, content in (("rows", rows), ("windows", windows), ("frames", whole)):
        np.save(tmp_path / f"{name}.npy", content.numpy().astype(np.float64))
        assert torch.equal(read_deepspeech(tmp_path / f"{name}.npy"), whole)


def test_audio_files_that_are_something_else(tmp_path):
    path = tmp_path / "a.npy"
    for content, message in (
        (np.zeros((10, 30)), r"shape \(10, 30\)"),
        (np.zeros((1, 29)), "too short"),
        (np.full((10, 29), np.nan), "NaN"),
        (np.array(["a"]), "no array of numbers"),
        (np.array([{}]), "can't read"),
    ):
        np.save(path, content, allow_pickle=True)
        with pytest.raises(AudioError, match=message):
            read_deepspeech(path)
    path.write_text("words")
    with pytest.raises(AudioError, match="can't read"):
        read_deepspeech(path)
