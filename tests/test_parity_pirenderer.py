"""PIRenderer's face generator against numbers from the public research code."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import nn

from dreamtalk.checkpoints import read_checkpoint
from dreamtalk.cpu import speed_up
from dreamtalk.cpu.row_conv import RowConv2d
from dreamtalk.cpu.winograd import WinogradConv2d, WinogradUpConv2d
from dreamtalk.errors import CheckpointError, MotionError
from dreamtalk.face.portrait import Portrait
from dreamtalk.motion.motion import Motion
from dreamtalk.networks.pirenderer import UpConv2d, is_dead
from dreamtalk.render.box import Box
from dreamtalk.render.pirenderer import (
    FaceGenerator,
    PIRenderer,
    PIRendererOptions,
    load_pirenderer,
)
from dreamtalk.render.pirenderer.coefficients import (
    STILL_POSE,
    motion_coefficients,
    semantic_windows,
    with_pose,
)
from dreamtalk.render.square import colour_match, crop_box, feathering, official_crop
from tests.parity_weights import checks, fill, fill_module, manifest, numbers


def close(actual: torch.Tensor, expected: torch.Tensor, largest: float, mean: float = 1.0) -> None:
    assert actual.shape == expected.shape
    error = (actual.double() - expected.double()).abs()
    assert error.max() <= largest, f"off by {error.max():.2e}, allowed {largest:.0e}"
    assert error.mean() <= mean, f"off by {error.mean():.2e} on average, allowed {mean:.0e}"


@pytest.fixture(scope="module")
def generator() -> FaceGenerator:
    made = FaceGenerator()
    fill_module(made)
    return made


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.no_grad():
        yield


def picture(image: torch.Tensor) -> torch.Tensor:
    """(H, W, 3) uint8 -> (1, 3, H, W) in -1..1."""
    return image.permute(2, 0, 1)[None].float() / 127.5 - 1


def test_rule_gives_the_reference_weights():
    for name, check in checks("pirenderer").items():
        values = fill(name, tuple(manifest("pirenderer")[name]))
        assert values.ravel()[:3] == pytest.approx(check["first"][:3], rel=1e-6)
        assert values.astype("f8").sum() == pytest.approx(check["sum"], rel=1e-9, abs=1e-9)


def test_state_dict_is_the_published_one_without_the_dead_weights(generator):
    ours = {k: list(v.shape) for k, v in generator.state_dict().items()}
    published = manifest("pirenderer")
    assert ours == {k: v for k, v in published.items() if not is_dead(k)}
    assert sum(is_dead(k) for k in published) == 6 * 8


@pytest.mark.parametrize("fast", [False, True])
def test_generator(fast):
    n, generator = numbers("pirenderer"), FaceGenerator()
    fill_module(generator)
    if fast:
        keys = list(generator.state_dict())
        speed_up(generator)
        assert list(generator.state_dict()) == keys
        kinds = Counter(type(part) for part in generator.modules())
        assert [kinds[kind] for kind in (WinogradConv2d, WinogradUpConv2d, RowConv2d)] == [20, 3, 2]
    source = generator.encode_source(picture(n["image_u8"]))
    z, warp = generator.warp(source, n["windows"])
    close(z, n["descriptor"][..., 0], 1e-4)
    close(warp.flow, n["flow_field"], 1e-4)
    close(warp.deformation, n["deformation_64"], 1e-4)
    close(warp.image[0], n["warp_image_0"], 3e-4, 1e-5)
    close(warp.image[1:, :, ::4, ::4], n["warp_image_12_every4"], 3e-4, 1e-5)
    images = generator(source, n["windows"])
    close(images[0], n["fake_image_0"], 3e-4, 1e-5)
    close(images[1:, :, ::4, ::4], n["fake_image_12_every4"], 3e-4, 1e-5)


def test_windows():
    n = numbers("preprocessing")
    for frames in (40, 5):
        index = torch.arange(frames)[:, None].float()
        assert torch.equal(
            semantic_windows(index)[:, 0].long(), n[f"seq_index_n{frames}_r13"].long()
        )
    whole = semantic_windows(torch.randn(40, 73))
    assert whole.shape == (40, 73, 27)


def portrait_of(image: torch.Tensor, iod: float | None = None) -> Portrait:
    """A portrait with made-up landmarks: eyes in the upper half, ``iod`` px apart."""
    height, width = image.shape[:2]
    iod = iod or 0.35 * width
    marks = torch.zeros(478, 3)
    marks[:] = torch.tensor([width / 2, height / 2, 0.0])
    marks[33, 0], marks[263, 0] = width / 2 - iod / 2, width / 2 + iod / 2
    return Portrait(image.float() / 255, marks, torch.eye(3), torch.zeros(31))


def bfm(coefficients: torch.Tensor) -> Motion:
    frames = len(coefficients)
    return Motion(coefficients[:, :64], torch.zeros(frames, 6), 25.0, "bfm", coefficients[:, 64:])


def one_level(frames: torch.Tensor, expected: torch.Tensor) -> None:
    assert frames.dtype == torch.uint8
    assert (frames[:, ::2, ::2].int() - expected.int()).abs().max() <= 1


def test_video_loop(generator):
    n = numbers("pirenderer_video")
    renderer = PIRenderer(
        generator, portrait_of(n["image_u8"]), PIRendererOptions(paste_back=False)
    )
    motion, seen = bfm(n["coeffs_73"]), []
    chunks = list(renderer.frames(motion, chunk=2, progress=lambda *s: seen.append(s)))
    assert [len(c) for c in chunks] == [2, 2, 1]
    assert seen == [(0, 5), (2, 5), (4, 5), (5, 5)]
    one_level(torch.cat(chunks), n["frames_73_every2"])


def test_threads_do_not_show(generator):
    n = numbers("pirenderer_video")
    options = PIRendererOptions(paste_back=False)
    threads, made = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            renderer = PIRenderer(generator, portrait_of(n["image_u8"]), options)
            made.append(list(renderer.frames(bfm(n["coeffs_73"][:3]))))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(threads)
    assert [[len(c) for c in chunks] for chunks in made] == [[1, 1, 1], [2, 1]]
    # the portrait is encoded by all of torch's threads
    assert (torch.cat(made[0]).int() - torch.cat(made[1]).int()).abs().max() <= 1


def test_video_loop_without_head_motion(generator):
    n = numbers("pirenderer_video")
    portrait = portrait_of(n["image_u8"])
    still = PIRenderer(generator, portrait, PIRendererOptions(paste_back=False, move_head=False))
    one_level(torch.cat(list(still.frames(bfm(n["coeffs_73_no_move"])))),
              n["frames_73_no_move_every2"])  # fmt: skip
    expression = n["coeffs_257"][:, 80:144]
    pose = torch.tensor(STILL_POSE).expand(len(expression), 9)
    motion = Motion(expression, torch.zeros(len(expression), 6), 25.0, "bfm", pose)
    fixed = PIRenderer(generator, portrait, PIRendererOptions(paste_back=False))
    one_level(torch.cat(list(fixed.frames(motion))), n["frames_257_every2"])


def test_official_crop():
    for row in numbers("preprocessing")["crop_h_w_box_ltrb_result_ltrb"].tolist():
        assert official_crop(row[0], row[1], Box(*row[2:6])) == Box(*row[6:])


def test_crop_is_taken_only_where_needed():
    square = portrait_of(torch.zeros(256, 256, 3), iod=90)
    assert crop_box(square) == Box(0, 0, 256, 256)
    assert crop_box(square, crop=True) != Box(0, 0, 256, 256)
    tall = portrait_of(torch.zeros(900, 700, 3), iod=100)
    box = crop_box(tall)
    assert box.size[0] == pytest.approx(box.size[1], abs=2)
    assert box.size[0] == pytest.approx(1.58 * 1.8 * 100, abs=4)
    assert crop_box(tall, crop=False) == Box(0, 0, 700, 900)


def test_paste_back_touches_only_the_crop(generator):
    image = numbers("pirenderer_video")["image_u8"]
    big = torch.nn.functional.interpolate(
        image.permute(2, 0, 1)[None].float(), (420, 360), mode="bilinear"
    )[0].permute(1, 2, 0)
    renderer = PIRenderer(generator, portrait_of(big, iod=60))
    frames = next(renderer.frames(bfm(numbers("pirenderer_video")["coeffs_73"][:1])))
    assert frames.shape == (1, 420, 360, 3)
    mask = renderer.mask()
    assert mask.shape == (420, 360)
    assert renderer.size == (420, 360)
    outside = (frames[0].float() - big.round()).abs()[mask == 0]
    assert outside.max() <= 1
    assert (frames[0].float() - big).abs()[mask == 1].mean() > 5  # made-up weights render noise
    edge = torch.zeros_like(mask)
    edge[:, 1:] = (frames[0, :, 1:].float() - frames[0, :, :-1].float()).abs().mean(-1)
    assert edge[(mask > 0) & (mask < 0.02)].mean() < 8  # no seam


def test_two_videos_of_one_renderer_do_not_disturb_each_other(generator):
    coefficients = numbers("pirenderer_video")["coeffs_73"]
    image = numbers("pirenderer_video")["image_u8"]
    renderer = PIRenderer(generator, portrait_of(image, iod=60), PIRendererOptions(crop=True))
    motion = bfm(coefficients[:2])
    other = bfm(coefficients[2:3] + 1.0)  # its frames have other colours
    alone = list(renderer.frames(motion, chunk=1))
    video = renderer.frames(motion, chunk=1)
    first = next(video)
    next(renderer.frames(other, chunk=1))
    assert torch.equal(first, alone[0])
    assert torch.equal(next(video), alone[1])


def test_colour_match_undoes_a_tint():
    original = torch.rand(3, 20, 30, generator=torch.Generator().manual_seed(0))
    tint = torch.tensor([0.9, 1.0, 1.1])[:, None, None]
    gain, offset = colour_match(original * tint + 0.05, original, torch.ones(20, 30))
    assert ((original * tint + 0.05) * gain + offset - original).abs().max() < 1e-5


def test_feathering_spares_the_edges_of_the_picture():
    share = feathering(Box(0, 10, 50, 60), 60, 100, 0.1)
    assert share.shape == (50, 50)
    assert (share[-1, :30] == 1).all()  # the picture's lower edge
    assert (share[20:, 0] == 1).all()
    assert (share[0] < 0.1).all()
    assert (share[:, -1] < 0.1).all()


def test_motion_of_other_spaces_and_without_pose():
    motion = Motion(torch.rand(4, 31) * 0.1, torch.zeros(4, 6), 25.0, "face")
    assert motion_coefficients(motion).shape == (4, 73)
    bare = Motion(torch.rand(4, 64), torch.zeros(4, 6), 25.0, "bfm")
    turned = bare.with_(head=torch.tensor([0.1, 0.0, 0.0, 0.0, 0.0, 0.0]).expand(4, 6))
    still, moved = motion_coefficients(bare), motion_coefficients(turned)
    assert (moved - still)[:, 64].mean() == pytest.approx(0.1, abs=1e-3)
    assert torch.equal(still[:, :64], moved[:, :64])


def test_short_pose_holds_its_last_row():
    motion = Motion(torch.zeros(5, 64), torch.zeros(5, 6), 25.0, "bfm")
    pose = torch.arange(27.0).view(3, 9)
    assert torch.equal(with_pose(motion, pose).pose, pose[[0, 1, 2, 2, 2]])
    assert torch.equal(with_pose(motion, pose.repeat(3, 1)).pose, pose[[0, 1, 2, 0, 1]])
    with pytest.raises(MotionError):
        with_pose(motion, pose[:0])


def test_checkpoint_files(generator, tmp_path):
    state = generator.state_dict()
    dead = {k: torch.ones(shape) for k, shape in manifest("pirenderer").items() if is_dead(k)}
    whole = state | dead
    torch.save({"net_G_ema": whole, "net_G": {}, "current_epoch": 3}, tmp_path / "renderer.pt")
    loaded = load_pirenderer(tmp_path / "renderer.pt")
    for key, value in loaded.state_dict().items():
        assert torch.equal(value, state[key])
    assert read_checkpoint(tmp_path / "renderer.pt").kind == "pirenderer"
    whole.pop("mapping_net.first.0.weight")
    torch.save({"net_G_ema": whole}, tmp_path / "less.pt")
    with pytest.raises(CheckpointError, match=r"1 missing: mapping_net\.first\.0\.weight"):
        load_pirenderer(tmp_path / "less.pt")


@pytest.mark.parametrize("shape", [(1, 32, 8, 12), (2, 48, 64, 64), (1, 64, 256, 256)])
def test_fast_convolutions_equal_the_plain_ones(shape):
    torch.manual_seed(0)
    x = torch.randn(shape)
    channels = shape[1]
    for plain, twin in (
        (nn.Conv2d(channels, 40, 3, 1, 1), WinogradConv2d),
        (UpConv2d(channels, 24, 3, 1, 1), WinogradUpConv2d),
        (nn.Conv2d(channels, 3, 7, 1, 3), RowConv2d),
    ):
        conv = speed_up(plain)
        assert type(conv) is twin
        fast = conv(x)
        with torch.enable_grad():
            plain = conv(x)
        close(fast, plain, 1e-4, 1e-5)
        conv.weight.mul_(2)  # what was transformed before must not be used again
        with torch.enable_grad():
            plain = conv(x)
        close(conv(x), plain, 2e-4, 2e-5)
