"""The small DiffTalk: geometry, conditions, painting into frames, weights files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dreamtalk.checkpoints import convert, read_checkpoint
from dreamtalk.difftalk import DiffTalk, load_any, load_difftalk
from dreamtalk.difftalk.conditioning import ibug_landmarks
from dreamtalk.difftalk.config import UNetConfig
from dreamtalk.difftalk.mouth.config import CUT_LEFT, CUT_TOP, MouthConfig
from dreamtalk.difftalk.mouth.crop import crop_matrices, cut_crop, to_crop
from dreamtalk.difftalk.mouth.file import load_mouth_painter, save_mouth_painter
from dreamtalk.difftalk.mouth.geometry import (
    MAP_CHANNELS,
    bending,
    carried_landmarks,
    cut_grid,
    inner_mask,
    lip_maps,
    place,
    signed_distance,
)
from dreamtalk.difftalk.mouth.light import LEAST, MOST, light_gains, relight
from dreamtalk.difftalk.mouth.model import MouthConditions, MouthPainterNet, hidden_part
from dreamtalk.difftalk.mouth.painter import MouthFrames, MouthOptions, PersonMouthPainter
from dreamtalk.difftalk.mouth.patches import Patches
from dreamtalk.difftalk.mouth.sampling import sample_clean
from dreamtalk.difftalk.posteriors import ALPHABET, SPELLING, symbol_rows, symbol_windows
from dreamtalk.difftalk.schedule import Schedule
from dreamtalk.errors import CheckpointError, DreamTalkError, SpaceMismatchError
from dreamtalk.face import Portrait
from dreamtalk.motion.spaces import LIP_CHANNELS
from dreamtalk.speech.speech import Features
from dreamtalk.training.corpus.phones import PHONES

TINY = MouthConfig(UNetConfig(16, (1, 2), 1, (1,), head_dim=16, groups=4), code_dim=32)


def tiny(seed: int = 0, hears: bool = True) -> MouthPainterNet:
    """A network whose output layer is not zero, as if it were trained."""
    torch.manual_seed(seed)
    network = MouthPainterNet(TINY).eval()
    torch.nn.init.normal_(network.unet.out[2].weight, std=0.02)
    network.patches.fit(torch.rand(20, 3, 64, 80) * 2 - 1)
    network.hears = hears
    return network


def face_points(aperture: float = 4.0) -> Tensor:
    """iBUG's points of a made-up face in the crop, (1, 68, 2)."""
    points = torch.zeros(1, 68, 2)
    angle = torch.linspace(0, torch.pi, 17)
    points[0, :17] = torch.stack([64 - 52 * angle.cos(), 20 + 88 * angle.sin()], -1)
    points[0, 17:27] = torch.stack([torch.linspace(26, 102, 10), torch.full((10,), -8.0)], -1)
    points[0, 27:31] = torch.stack([torch.full((4,), 64.0), torch.linspace(10, 38, 4)], -1)
    points[0, 31:36] = torch.stack([torch.linspace(54, 74, 5), torch.full((5,), 46.0)], -1)
    for first, x in ((36, 38.0), (42, 90.0)):
        turn = torch.arange(6) * torch.pi / 3
        points[0, first : first + 6] = torch.stack([x - 10 * turn.cos(), 8 - 4 * turn.sin()], -1)
    for first, count, wide, high in ((48, 12, 24.0, 8.0), (60, 8, 18.0, 0.0)):
        turn = torch.arange(count) * 2 * torch.pi / count
        y = 68.25 - (high + aperture / 2) * turn.sin()
        points[0, first : first + count] = torch.stack([64 - wide * turn.cos(), y], -1)
    return points


def conditions(seed: int = 1, count: int = 1) -> MouthConditions:
    draw = torch.Generator().manual_seed(seed)
    pictures = [torch.rand(count, 3, 64, 80, generator=draw) * 2 - 1 for _ in range(3)]
    points = face_points().expand(count, -1, -1)
    numbers = torch.randn(count, 16, generator=draw)
    maps = lip_maps(points, points)
    return MouthConditions(*pictures, maps, points[:, :39], numbers)


def test_patches_keep_what_they_can() -> None:
    draw = torch.Generator().manual_seed(0)
    smooth = torch.nn.functional.interpolate(
        torch.rand(12, 3, 8, 10, generator=draw), (64, 80), mode="bicubic"
    )
    whole, few = Patches(4, 48), Patches(4, 16)
    assert whole.fit(smooth) == pytest.approx(1)
    assert torch.allclose(whole.decode(whole.encode(smooth)), smooth, atol=1e-4)
    assert 0.98 < few.fit(smooth) < 1
    assert few.encode(smooth).shape == (12, 16, 16, 20)
    assert (few.decode(few.encode(smooth)) - smooth).abs().mean() < 0.02
    assert few.encode(smooth)[:, 0].std() > few.encode(smooth)[:, 5].std()


def test_signed_distance() -> None:
    square = torch.tensor([[[30.0, 50.0], [60.0, 50.0], [60.0, 80.0], [30.0, 80.0]]])
    places = torch.tensor([[[45.0, 65.0], [45.0, 52.0], [45.0, 45.0], [63.0, 84.0]]])
    assert signed_distance(square, places)[0, 0].tolist() == pytest.approx([15, 2, -5, -5])


def test_maps_tell_where_closed_lips_meet() -> None:
    closed, low = face_points(0.0), face_points(0.0)
    low[:, 48:] += torch.tensor([0.0, 6.0])
    maps, moved = lip_maps(closed, closed), lip_maps(low, closed)
    assert maps.shape == (1, MAP_CHANNELS, 16, 20)
    assert inner_mask(closed, 0.0, 0.01).sum() == 0  # there is no opening, and yet
    assert (maps - moved)[:, 4:8].abs().max() > 0.5  # the inner outline's maps differ
    assert torch.equal(maps[:, 8:], moved[:, 8:])  # the reference's don't
    assert inner_mask(face_points(8.0)).sum() == pytest.approx(torch.pi * 18 * 4, rel=0.15)


def test_bending_brings_lips_where_they_are_wanted() -> None:
    here, there = face_points(2.0), face_points(14.0)
    still = bending(here, here)
    assert still.shape == (1, 32, 40, 2)
    assert still.abs().max() < 1e-3
    moved = bending(there, here)[0]
    x, y = there[0, 57]  # middle of the lower lip
    column, row = int((x - CUT_LEFT) / 2), int((y - CUT_TOP) / 2)
    assert (cut_grid(2)[row, column] - there[0, 57]).abs().max() < 2
    shift = moved[row, column]
    assert shift[1] == pytest.approx(float((here - there)[0, 57, 1]), abs=1.5)
    assert shift[0].abs() < 0.5
    picture = torch.rand(1, 3, 128, 128)
    seen = place(picture, (0, 0), still)
    assert torch.allclose(seen, picture[:, :, 46:110, 24:104], atol=1e-3)


def test_carried_lips_follow_the_eyes_alone() -> None:
    reference, angle = face_points(), torch.tensor(0.1)
    turn = torch.stack(
        [torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])]
    )
    frame = 1.05 * reference @ turn.T + torch.tensor([3.0, -2.0])
    wrong = frame.clone()
    wrong[:, 48:] += 9
    still = torch.zeros_like(reference)
    for shown in (frame, wrong):
        assert torch.allclose(carried_landmarks(reference, still, shown), frame, atol=1e-3)


def test_nothing_hidden_reaches_the_network() -> None:
    network, given = tiny(), conditions()
    other = given.shown.clone()
    other[..., hidden_part(4)] = torch.rand_like(other[..., hidden_part(4)])
    first, second = network.know(given), network.know(replace(given, shown=other))
    assert torch.equal(first.channels, second.channels)
    rim = given.shown.clone()
    rim[..., :3, :] = 0.5
    assert not torch.equal(first.channels, network.know(replace(given, shown=rim)).channels)


def test_lips_and_speech_may_be_missing() -> None:
    network = tiny()
    given = replace(conditions(), windows=torch.randn(1, 8, 16, 29))
    no, yes = torch.tensor([False]), torch.tensor([True])
    deaf = network.know(replace(given, has_speech=no)).token
    assert torch.equal(deaf, network.know(replace(given, windows=None)).token)
    assert not torch.equal(deaf, network.know(replace(given, has_speech=yes)).token)
    blind = replace(given, has_lips=no)
    assert torch.equal(
        network.know(blind).token, network.know(replace(blind, lips=given.lips + 1)).token
    )


def test_samplers_end_where_a_sure_network_points() -> None:
    schedule, aim = Schedule.of(), torch.full((2, 3, 4, 4), 0.3)
    for steps in (1, 4, 10):
        made = sample_clean(
            lambda x, t: aim, torch.randn(2, 3, 4, 4), schedule, schedule.even_times(steps)
        )
        assert torch.equal(made, aim)
    seen: list[Tensor] = []

    def predict(x: Tensor, t: Tensor) -> Tensor:
        seen.append(x)
        return aim

    noise = torch.randn(2, 3, 4, 4)
    times = schedule.even_times(3)
    sample_clean(predict, noise, schedule, times)
    bar = schedule.alphas_cumprod[times[1]]
    first = schedule.alphas_cumprod[times[0]]
    drawn = (noise - first.sqrt() * aim) / (1 - first).sqrt()
    assert torch.allclose(seen[1], bar.sqrt() * aim + (1 - bar).sqrt() * drawn, atol=1e-5)


def test_light_changes_the_opening_alone_and_by_no_more_than_it_may() -> None:
    lips = face_points(8.0)
    inside = inner_mask(lips, 2.0)[0, 0].numpy() > 0
    middle = inner_mask(lips, -2.0)[0, 0].numpy() == 1
    grey, bright, dark = (torch.full((1, 3, 64, 80), level) for level in (-0.2, 0.9, -1.0))
    assert np.allclose(light_gains(grey, grey, lips), 1)
    (more,), (less,) = light_gains(bright, grey, lips), light_gains(dark, grey, lips)
    for gain in (more, less):
        assert (gain[~inside] == 1).all()
        assert np.ptp(gain[middle]) < 0.01  # it doesn't fade towards the lips
    assert 1.2 < more[middle].min() <= more.max() <= MOST
    assert LEAST <= less.min() <= less[middle].max() < 0.9
    # the network errs to the dark, so that is believed less
    assert more.max() - 1 > 1 - less.min()
    # what is finer than a pixel of the crop stays: a third of the network's stripes at most is seen
    stripes = grey + 0.4 * (torch.arange(80) % 2 - 0.5)
    assert np.ptp(light_gains(stripes, grey, lips)[0][middle]) < 0.3 * np.ptp(
        light_gains(grey + 0.2, grey - 0.2, lips)
    )


def test_the_dark_behind_teeth_is_not_lit() -> None:
    lips = face_points(8.0)
    middle = inner_mask(lips, -2.0)[0, 0].numpy() == 1
    bright = torch.full((1, 3, 64, 80), 0.9)
    inside = inner_mask(lips, 1.0)
    cavity = 0.2 + inside * (-0.85 - 0.2)  # skin of 153, a cavity of 19
    assert light_gains(bright, cavity, lips)[0][middle].max() < 1.01
    assert light_gains(torch.full_like(bright, -1.0), cavity, lips)[0][middle].min() < 0.97


def test_relit_frames_keep_colours_and_surroundings(portrait: Portrait) -> None:
    frame = (portrait.image.numpy() * 255).astype(np.uint8).clip(0, 180)
    (matrix,) = crop_matrices(portrait.landmarks.numpy()[None])
    gain = np.ones((64, 80), np.float32)
    same = frame.copy()
    relight(same, gain, matrix)
    assert np.array_equal(same, frame)
    gain[20:40, 30:50] = 1.25
    lit = frame.copy()
    relight(lit, gain, matrix)
    y, x = np.nonzero((lit != frame).any(-1))
    places = to_crop(np.stack([x, y], -1)[None], matrix[None])[0] - [CUT_LEFT, CUT_TOP]
    assert (places > [27, 17]).all()
    assert (places < [52, 42]).all()
    middle = (np.abs(places - [40, 30]) < 8).all(-1)
    assert middle.sum() > 50
    wanted = 1.25 * frame[y[middle], x[middle]].astype(np.float32)
    assert np.abs(lit[y[middle], x[middle]] - wanted).max() <= 1


def test_crop_puts_the_irises_in_their_places(portrait: Portrait) -> None:
    marks = portrait.landmarks.numpy()[None]
    matrices = crop_matrices(marks)
    points = to_crop(marks, matrices)[0]
    assert np.allclose(points[468], (38, 8), atol=1e-3)
    assert np.allclose(points[473], (90, 8), atol=1e-3)
    picture = (portrait.image.numpy() * 255).astype(np.uint8)
    assert cut_crop(picture, matrices[0]).shape == (128, 128, 3)
    with pytest.raises(DreamTalkError, match="too small"):
        crop_matrices(0.01 * marks)


def scene(
    portrait: Portrait, options: MouthOptions | None = None
) -> tuple[PersonMouthPainter, MouthFrames]:
    picture = (portrait.image.numpy() * 255).astype(np.uint8)
    marks = portrait.landmarks.numpy()
    painter = PersonMouthPainter(tiny(), picture, marks, portrait.rest[:13], options)
    frames = MouthFrames(
        np.stack(3 * [picture]),
        np.stack(3 * [marks]),
        np.stack(3 * [marks]),
        torch.zeros(3, len(LIP_CHANNELS)),
    )
    return painter, frames


def test_painting_stays_in_its_box(portrait: Portrait) -> None:
    painter, frames = scene(portrait)
    made, masks = painter.paint(frames)
    assert made.shape == frames.pictures.shape
    assert made.dtype == np.uint8
    assert masks.shape == made.shape[:3]
    assert masks.min() == 0
    assert masks.max() == pytest.approx(1)
    chin, nose = portrait.landmarks[152, :2], portrait.landmarks[4, :2]
    lips = portrait.landmarks[13, :2].int()
    assert masks[0, lips[1], lips[0]] > 0.999
    assert masks[0, int(nose[1]) - 8, int(nose[0])] == 0
    assert masks[0, int(chin[1]) + 40].max() == 0
    assert np.array_equal(made[0], made[1])  # one noise: what is asked alike looks alike
    assert not np.array_equal(made[0], frames.pictures[0])
    alone, _ = painter.paint(frames[1:2])
    assert np.array_equal(alone[0], made[1])


def test_fresh_noise_differs_from_frame_to_frame(portrait: Portrait) -> None:
    painter, frames = scene(portrait, MouthOptions(one_noise=False, steps=2))
    made, _ = painter.paint(frames)
    assert not np.array_equal(made[0], made[1])
    again, _ = painter.paint(frames[1:3])
    assert np.array_equal(again, made[1:])


def test_the_mask_tells_nothing_of_the_mouth(portrait: Portrait) -> None:
    painter, frames = scene(portrait)
    wide = frames.wanted.copy()
    wide[:, [14, 17, 152], 1] += 6
    _, still = painter.paint(frames)
    made, moved = painter.paint(replace(frames, wanted=wide))
    assert np.array_equal(still, moved)
    assert not np.array_equal(made, painter.paint(frames)[0])


def test_painting_from_speech_does_not_look_at_the_lips(portrait: Portrait) -> None:
    painter, frames = scene(portrait)
    heard = replace(frames, windows=torch.rand(3, 8, 16, 29))
    made, _ = painter.paint(heard)
    other, _ = painter.paint(replace(heard, lips=frames.lips + 0.1))
    assert np.array_equal(made, other)
    deaf, _ = painter.paint(frames)
    assert not np.array_equal(made, deaf)


@pytest.mark.parametrize(
    ("values", "message"),
    [({"placed": "x"}, "placed"), ({"steps": 0}, "not 0"), ({"strength": 2.0}, "strength")],
)
def test_options_are_checked(values: dict[str, object], message: str) -> None:
    with pytest.raises(DreamTalkError, match=message):
        MouthOptions(**values)  # type: ignore[arg-type]


def test_weights_file(tmp_path: Path) -> None:
    network, path = tiny(), tmp_path / "mouth.safetensors"
    save_mouth_painter(path, network, torch.float16, speech=True)
    loaded = load_any(path)
    assert isinstance(loaded, MouthPainterNet)
    assert loaded.hears
    assert loaded.config == TINY
    assert torch.equal(loaded.patches.basis, network.patches.basis)
    assert "mouth" in read_checkpoint(path).config
    convert(path, tmp_path / "again.safetensors")
    again = load_mouth_painter(tmp_path / "again.safetensors")
    for key, value in loaded.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key
    with pytest.raises(CheckpointError, match="mouths alone"):
        load_difftalk(path)


def test_the_published_form_is_told_apart(tmp_path: Path) -> None:
    from dreamtalk.difftalk import DiffTalkConfig, FirstStageConfig, save_difftalk

    sizes = FirstStageConfig(16, (1, 1, 2), 1, 3, 16, groups=4)
    unet = UNetConfig(16, (1, 2), 1, (1,), 16, 4)
    model = DiffTalk(DiffTalkConfig(sizes, unet, image_size=64))
    save_difftalk(tmp_path / "big.safetensors", model)
    assert isinstance(load_any(tmp_path / "big.safetensors"), DiffTalk)
    with pytest.raises(CheckpointError, match="whole squares"):
        load_mouth_painter(tmp_path / "big.safetensors")


def test_symbols_are_spelled_from_phones() -> None:
    assert tuple(phone for phone, _ in SPELLING) == PHONES
    posterior = torch.full((40, 96), -1.0)
    posterior[:, PHONES.index("SH")] = 0
    posterior[20:, PHONES.index("SH")] = -1
    posterior[20:, PHONES.index("sil")] = 0
    rows = symbol_rows(Features(posterior, "starter"))
    assert rows.shape == (40, 29)
    share = rows.softmax(-1)
    heard = {ALPHABET[i] for i in share[0].topk(2).indices}
    assert heard == {"s", "h"}
    assert ALPHABET[int(share[30].argmax())] == " "
    assert symbol_windows(Features(posterior, "starter")).shape == (20, 8, 16, 29)
    logits = torch.randn(10, 29)
    assert torch.equal(symbol_rows(Features(logits, "deepspeech")), logits)
    with pytest.raises(SpaceMismatchError, match="wav2vec"):
        symbol_rows(Features(torch.zeros(4, 1024), "wav2vec2-xlsr-53"))


def test_ibug_points_of_the_portrait_are_a_face(portrait: Portrait) -> None:
    points = ibug_landmarks(portrait.landmarks[None])[0]
    assert points[8, 1] > points[57, 1] > points[51, 1] > points[33, 1] > points[27, 1]
