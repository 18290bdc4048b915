"""The mesh renderer on a public-domain portrait: what has to stay, and what has to move."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from dreamtalk.errors import ImageError, SpaceMismatchError
from dreamtalk.face import FaceBasis, FaceLandmarker, Portrait
from dreamtalk.face.pose import euler_matrix
from dreamtalk.motion import FACE, Motion
from dreamtalk.render.group import together
from dreamtalk.render.mesh import MeshRenderer, debug_sheet, debug_views
from dreamtalk.render.mesh.mouth.contact import contact_gap, settle_lips
from dreamtalk.render.mesh.warp.head_motion import torso_transform
from dreamtalk.render.mesh.warp.inverse import invert_displacement, sample_grid
from dreamtalk.render.mesh.warp.thin_plate import thin_plate, thin_plate_operator


def motion(rows: list[dict[str, float]], head: list[list[float]] | None = None) -> Motion:
    expression = torch.zeros(len(rows), len(FACE))
    for i, row in enumerate(rows):
        for name, value in row.items():
            expression[i, FACE.index[name]] = value
    turns = torch.tensor(head) if head else torch.zeros(len(rows), 6)
    return Motion(expression, turns)


def opening(amount: float) -> dict[str, float]:
    return {
        "lipAperture": amount,
        "lipLowerY": -0.62 * amount,
        "lipUpperInnerY": 0.2 * amount,
        "lipUpperY": 0.12 * amount,
        "chinY": -0.5 * amount,
    }


@pytest.fixture(scope="module")
def renderer(portrait: Portrait) -> MeshRenderer:
    return MeshRenderer(portrait)


def render(renderer: MeshRenderer, m: Motion, chunk: int = 8) -> Tensor:
    return torch.cat(list(renderer.frames(m, chunk=chunk)))


def test_rest_frame_is_the_portrait(renderer: MeshRenderer, portrait: Portrait) -> None:
    still = Motion(renderer.rest.repeat(3, 1), torch.zeros(3, 6))
    frames = render(renderer, still)
    picture = (portrait.image * 255).round().to(torch.uint8)
    assert frames.dtype == torch.uint8
    assert frames.shape == (3, *picture.shape)
    assert torch.equal(frames[1], picture)


def test_background_is_bit_identical(renderer: MeshRenderer) -> None:
    m = motion(
        [opening(0.2), {"browInnerLeftY": 0.05}],
        [[0.1, 0.2, 0.1, 0.1, 0.0, 0.3], [-0.1, -0.25, -0.2, 0, 0.05, -0.2]],
    )
    frames = render(renderer, m)
    still = renderer.mask() == 0
    assert 0.05 < float(still.float().mean()) < 0.95
    for frame in frames:
        assert torch.equal(frame[still], renderer.picture[still])
        assert not torch.equal(frame, renderer.picture)


def test_lips_follow_the_motion(renderer: MeshRenderer) -> None:
    wanted = np.array([0.0, 0.05, 0.1, 0.15, 0.2, 0.12, 0.03])
    frames = render(renderer, motion([opening(float(a)) for a in wanted]))
    basis = FaceBasis.load()
    marks = np.stack([faces[0] for faces in FaceLandmarker().landmarks(frames)])
    seen = basis.encode(marks)[0][:, FACE.index["lipAperture"]].numpy()
    assert np.corrcoef(wanted, seen)[0, 1] > 0.95
    assert 0.6 < np.ptp(seen) / np.ptp(wanted) < 1.4


def test_blink_closes_the_eyes(renderer: MeshRenderer) -> None:
    shut = {"lidUpperLeftY": -0.09, "lidUpperRightY": -0.09}
    half = {"lidUpperLeftY": -0.045, "lidUpperRightY": -0.045}
    frames = render(renderer, motion([{}, half, shut]))
    marks = [faces[0] for faces in FaceLandmarker().landmarks(frames)]
    gaps = [float(m[145, 1] - m[159, 1]) for m in marks]
    assert gaps[2] < 0.5 * gaps[0]
    assert gaps[0] > gaps[1] > gaps[2]


def test_head_turns_the_way_it_says(renderer: MeshRenderer) -> None:
    still = [0.0] * 6
    turns = [still, [0.15, 0, 0, 0, 0, 0], [0, 0.15, 0, 0, 0, 0], [0, 0, 0.15, 0, 0, 0]]
    frames = render(renderer, motion([{}] * 4, turns))
    marks = np.stack([faces[0] for faces in FaceLandmarker().landmarks(frames)])
    head = FaceBasis.load().encode(marks)[1].numpy()
    change = head[1:, :3] - head[:1, :3]
    for axis in range(3):
        assert change[axis, axis] > 0.06, "the axis that was turned"
        assert np.abs(np.delete(change[axis], axis)).max() < 0.06, "the others"


@pytest.mark.parametrize("size", [(131, 97), (96, 96), (260, 200), (200, 600), (401, 530)])
def test_any_size(portrait: Portrait, size: tuple[int, int]) -> None:
    height, width = size
    old_height, old_width = portrait.size
    image = torch.nn.functional.interpolate(
        portrait.image.permute(2, 0, 1)[None], size=size, mode="bilinear", antialias=True
    )[0].permute(1, 2, 0)
    scale = torch.tensor([width / old_width, height / old_height, width / old_width])
    resized = Portrait(
        image.clamp(0, 1), portrait.landmarks * scale, portrait.rotation, portrait.expression
    )
    renderer = MeshRenderer(resized)
    frames = render(renderer, motion([opening(0.1)] * 3, [[0.05, 0.1, 0.0, 0, 0, 0]] * 3), chunk=2)
    assert frames.shape == (3, height, width, 3)
    assert torch.equal(frames[0], frames[2]), "chunks don't matter"
    still = renderer.mask() == 0
    assert torch.equal(frames[0][still], renderer.picture[still]), "of any values in 0..1"
    assert torch.equal(
        render(renderer, Motion(renderer.rest, torch.zeros(1, 6)))[0], renderer.picture
    )


def test_mask_of_the_user_is_taken(portrait: Portrait) -> None:
    mask = torch.zeros(portrait.size)
    mask[40:, 60:200] = 1
    given = Portrait(
        portrait.image, portrait.landmarks, portrait.rotation, portrait.expression, mask=mask
    )
    renderer = MeshRenderer(given)
    assert float(renderer.matte[5, 5]) == 0
    frame = render(renderer, motion([{}], [[0, 0.2, 0, 0, 0, 0]]))[0]
    assert torch.equal(frame[:, :10], renderer.picture[:, :10])


def test_other_spaces_are_refused(renderer: MeshRenderer) -> None:
    other = Motion(torch.zeros(2, 52), torch.zeros(2, 6), space="arkit")
    with pytest.raises(SpaceMismatchError, match="arkit"):
        next(renderer.frames(other))


def live_bytes() -> int:
    """Of every torch tensor made since ``gc.freeze()``, each storage once, and of everything that
    Python and NumPy allocated since ``tracemalloc.start()``, to which torch doesn't report."""
    gc.collect()
    sizes = {}
    for thing in gc.get_objects():
        if issubclass(type(thing), Tensor):
            storage = thing.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
    return sum(sizes.values()) + tracemalloc.get_traced_memory()[0]


Frames = Callable[[Motion], Iterator[Tensor]]


def most_held(frames: Frames, length: int) -> int:
    """The most bytes that live between two chunks, none of which is kept here."""
    held = []
    for chunk in frames(motion([opening(0.1)] * length)):
        del chunk
        held.append(live_bytes())
    return max(held)


def holds_one_chunk(frames: Frames) -> bool:
    """Whether four chunks hold less than one more than one chunk does; a chunk is two frames."""
    size = next(frames(motion([opening(0.1)] * 2))).nbytes
    gc.collect()
    gc.freeze()  # only what is made from now on is looked at
    tracemalloc.start()
    try:
        return most_held(frames, 8) - most_held(frames, 2) < size
    finally:
        tracemalloc.stop()
        gc.unfreeze()


def test_generator_holds_one_chunk(renderer: MeshRenderer) -> None:
    """Memory does not grow with the length of the motion."""
    assert holds_one_chunk(lambda m: renderer.frames(m, chunk=2))


def blank_chunks(m: Motion) -> Iterator[Tensor]:
    for _ in range(0, len(m), 2):
        yield torch.zeros(2, 256, 256, 3, dtype=torch.uint8)


def chunks_kept(m: Motion) -> Iterator[Tensor]:
    kept = []
    for chunk in blank_chunks(m):
        kept.append(chunk[1:])  # a view is enough
        yield chunk


def arrays_kept(m: Motion) -> Iterator[Tensor]:
    kept = []
    for chunk in blank_chunks(m):
        kept.append(chunk.numpy().copy())
        yield chunk


def all_made_first(m: Motion) -> Iterator[Tensor]:
    yield from list(blank_chunks(m))


def test_held_frames_are_seen(renderer: MeshRenderer) -> None:
    """The measure above is not blind."""
    assert holds_one_chunk(blank_chunks)
    for holding in (chunks_kept, arrays_kept, all_made_first):
        assert not holds_one_chunk(holding), holding.__name__

    def renderer_keeps(m: Motion) -> Iterator[Tensor]:
        kept = []
        for chunk in renderer.frames(m, chunk=2):
            kept.append(chunk)
            yield chunk

    assert not holds_one_chunk(renderer_keeps)


def test_progress_reports_and_cancels(renderer: MeshRenderer) -> None:
    calls: list[tuple[int, int]] = []
    list(renderer.frames(motion([{}] * 5), chunk=2, progress=lambda a, b: calls.append((a, b))))
    assert calls == [(2, 5), (4, 5), (5, 5)]

    def cancel(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(renderer.frames(motion([{}] * 5), chunk=2, progress=cancel))


def test_newton_inverts_strong_stretches() -> None:
    rows, columns = 48, 56
    y, x = torch.meshgrid(torch.arange(rows) * 1.0, torch.arange(columns) * 1.0, indexing="ij")
    bump = torch.exp(-((x - 28) ** 2 + (y - 24) ** 2) / 60)
    forward = torch.stack([2.5 * bump, -4.0 * bump])[None]
    source = invert_displacement(forward, steps=8)
    at = x[None] + source[:, 0], y[None] + source[:, 1]
    landed = sample_grid(forward, *at)
    error = torch.hypot(at[0] + landed[:, 0] - x, at[1] + landed[:, 1] - y)[0, 4:-4, 4:-4]
    assert float(error.max()) < 0.05


def test_lips_touch_but_do_not_cross() -> None:
    assert float(contact_gap(torch.tensor(-3.0), 1.0)) == 0
    assert float(contact_gap(torch.tensor(8.0), 1.0)) == pytest.approx(8)
    points = torch.zeros(478, 3)
    points[291, 0] = 50.0
    down, right = torch.tensor([0.0, 1.0, 0.0]), torch.tensor([1.0, 0.0, 0.0])
    crossing = torch.zeros(1, 478, 3)
    crossing[:, 14, 1] = -5.0
    settled = settle_lips(crossing, points, right, down, softness=1.0, is_open=False)
    assert float(settled[0, 14, 1] - settled[0, 13, 1]) == pytest.approx(0, abs=1e-5)
    still = settle_lips(torch.zeros(1, 478, 3), points, right, down, 1.0, is_open=False)
    assert float(still.abs().max()) == 0


def test_thin_plates_are_exact_from_single_precision() -> None:
    rng = np.random.default_rng(0)
    controls = rng.uniform(0, 1, (200, 2)).astype(np.float32)
    controls[100:110] = controls[:10] + np.float32(1e-4)  # nearly the same points
    targets = rng.uniform(-0.2, 1.2, (50, 2)).astype(np.float32)
    operator = thin_plate_operator(controls, targets, ridge=6e-4)
    exact = thin_plate_operator(controls.astype(float), targets.astype(float), ridge=6e-4)
    np.testing.assert_allclose(operator, exact, atol=1e-6)
    # planes come through a spline unbent
    plane = controls @ [[2.0, 0.3], [-0.5, 1.0]] + 3
    np.testing.assert_allclose(operator @ plane, targets @ [[2.0, 0.3], [-0.5, 1.0]] + 3, atol=2e-5)
    values = rng.normal(size=(200, 3))
    np.testing.assert_allclose(
        thin_plate(controls, values, targets, 6e-4), operator @ values, atol=2e-5
    )


def test_backends_agree(portrait: Portrait, renderer: MeshRenderer) -> None:
    other = MeshRenderer(portrait, backend="torch")
    m = motion(
        [opening(0.12), {"lidUpperLeftY": -0.05, "gazeLeftX": 0.02}, {"mouthWidth": 0.06}],
        [[0.05, 0.1, 0.05, 0.02, 0, 0.2]] * 3,
    )
    a, b = render(renderer, m).float(), render(other, m).float()
    assert float((a - b).abs().mean()) < 0.5
    assert float((a - b).abs().amax(-1).flatten().quantile(0.999)) < 8


@pytest.mark.parametrize("backend", ["opencv", "torch"])
def test_half_precision_around_it_changes_nothing(portrait: Portrait, backend: str) -> None:
    """Under autocast, with a motion of halves: positions and colours stay float32 inside."""
    m = motion([opening(0.12), {"lidUpperLeftY": -0.05}], [[0.05, 0.1, 0.05, 0.02, 0, 0.2]] * 2)
    made = MeshRenderer(portrait, backend=backend)
    expected = render(made, m)
    half = m.with_(expression=m.expression.half(), head=m.head.half())
    for dtype in (torch.float16, torch.bfloat16):
        with torch.autocast("cpu", dtype=dtype):
            assert torch.equal(render(made, m), expected)
            assert float((render(made, half).float() - expected.float()).abs().mean()) < 0.1


def test_threads_change_nothing(renderer: MeshRenderer) -> None:
    m = motion([opening(0.03 * (i % 7)) for i in range(40)])
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = render(renderer, m)
        torch.set_num_threads(3)
        shared = render(renderer, m)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(alone, shared)


def test_a_cancel_ends_the_workers(renderer: MeshRenderer) -> None:
    def cancel(done: int, total: int) -> None:
        raise KeyboardInterrupt

    threads, others = torch.get_num_threads(), threading.active_count()
    try:
        torch.set_num_threads(2)
        with pytest.raises(KeyboardInterrupt):
            list(renderer.frames(motion([opening(0.03)] * 60), progress=cancel))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert threading.active_count() == others


def test_several_faces_and_debug_views(renderer: MeshRenderer, portrait: Portrait) -> None:
    two = torch.cat([portrait.image, portrait.image], 1)
    offset = torch.tensor([float(portrait.size[1]), 0.0, 0.0])
    right = Portrait(two, portrait.landmarks + offset, portrait.rotation, portrait.expression, 2)
    left = Portrait(two, portrait.landmarks, portrait.rotation, portrait.expression, 2)
    faces = [left, right]
    renderers = [MeshRenderer(face) for face in faces]
    still = Motion(renderers[0].rest.repeat(2, 1), torch.zeros(2, 6))
    seen: list[tuple[int, int]] = []
    group, longest = together(faces, renderers, [still, motion([opening(0.2)] * 3)])
    frames = torch.cat(list(group.frames(longest, progress=lambda *s: seen.append(s))))
    assert seen[-1] == (3, 3)
    assert group.size == left.size
    assert torch.equal(group.mask(), torch.maximum(renderers[0].mask(), renderers[1].mask()))
    half = portrait.size[1]
    assert len(frames) == 3
    assert torch.equal(frames[1][:, : half // 2], renderers[0].picture[:, : half // 2])
    mouth = (portrait.landmarks[14, :2] + offset[:2]).round().long().tolist()
    around = (slice(mouth[1] - 4, mouth[1] + 8), slice(mouth[0] - 6, mouth[0] + 6))
    assert not torch.equal(frames[1][around], renderers[0].picture[around])
    quick = Motion(torch.zeros(60, len(FACE)), torch.zeros(60, 6), fps=50.0)
    group, longest = together(faces, renderers, [still, quick])
    assert sum(len(f) for f in group.frames(longest)) == len(longest) == 30
    with pytest.raises(ImageError, match="2 faces and 1 motions"):
        together(faces, renderers, [still])
    with pytest.raises(ImageError, match="face 2 is one that has a motion already"):
        together([left, left], [renderers[0]] * 2, [still, still])
    views = debug_views(renderer)
    assert {"landmarks", "matte", "plate", "motion", "grid"} <= views.keys()
    assert debug_sheet(renderer, height=80).ndim == 3


def test_a_cut_head_may_leave_the_picture_but_brings_nothing_in(portrait: Portrait) -> None:
    """The frame cuts the hair: looking up moves it out, looking down must not pull a gap in."""
    top = int(portrait.landmarks[10, 1]) - 12
    cropped = Portrait(
        portrait.image[top:],
        portrait.landmarks - torch.tensor([0.0, top, 0.0]),
        portrait.rotation,
        portrait.expression,
    )
    renderer = MeshRenderer(cropped)
    column = int(cropped.landmarks[10, 0])
    head = [[0.0, 0.0, 0.0, 0.0, 0.2, 0.0], [0.0, 0.0, 0.0, 0.0, -0.2, 0.0]]
    up, down = render(renderer, motion([{}, {}], head)).float()
    edge = renderer.picture[:3, column - 4 : column + 5].float()
    assert float((down[:3, column - 4 : column + 5] - edge).abs().mean()) < 6
    hairline = renderer.picture[8:14, column - 4 : column + 5].float()
    assert float((up[:3, column - 4 : column + 5] - hairline.mean(0)).abs().mean()) < 45


def test_shoulders_follow_and_breathe(renderer: MeshRenderer) -> None:
    turn, shift = torso_transform(torch.zeros(1, 6))
    assert torch.equal(turn[0], torch.eye(2))
    assert float(shift.abs().max()) == 0
    _, breath = torso_transform(torch.tensor([[0.0, 0, 0, 0, 0.008, 0]]))
    assert 0.01 < -float(breath[0, 1]) < 0.02, "up, and more than the head"
    face = renderer.face
    shoulders = face.points[152] + 0.62 * face.face_height * face.down
    y, x = (int(v) for v in shoulders[::-1])
    frame = render(renderer, motion([{}], [[0, 0, 0, 0, 0.06, 0]]))[0]
    changed = (frame != renderer.picture).any(-1)
    assert bool(changed[y - 4 : y + 4, x - 30 : x + 30].any())


def test_depth_has_no_cliffs(renderer: MeshRenderer) -> None:
    """A head at its limits squeezes what it would hide; a fold would tear the outline."""
    head = motion([{}] * 2, [[0, 0.6, 0, 0, 0, 0], [0, -0.6, 0, 0, 0, 0]])
    for i in range(2):
        source = renderer.source_map(torch.zeros(1, len(FACE)), head.head[i : i + 1])
        assert np.diff(source[..., 0], axis=1).min() > 0


def test_chunks_do_not_matter(renderer: MeshRenderer) -> None:
    rows = [opening(a) for a in (0.0, 0.05, 0.25, 0.1, 0.3, 0.02)]
    rows[2]["lidUpperLeftY"] = rows[3]["lidUpperRightY"] = -0.09
    head = [[0.02 * i, -0.04 * i, 0.03 * i, 0.01 * i, 0, 0.1 * i] for i in range(6)]
    m = motion(rows, head)
    a, b = render(renderer, m, chunk=1).float(), render(renderer, m, chunk=6).float()
    assert float((a - b).abs().max()) <= 2


def test_notes_say_what_is_wrong(renderer: MeshRenderer, portrait: Portrait) -> None:
    assert renderer.notes == []
    dark = Portrait(
        portrait.image * 0.05, portrait.landmarks, portrait.rotation, portrait.expression
    )
    assert any("dark" in note for note in MeshRenderer(dark).notes)
    yaw = euler_matrix(torch.tensor([0.0, 0.6, 0.0]))
    turned = Portrait(portrait.image, portrait.landmarks, yaw, portrait.expression)
    assert any("turned by 34 degrees" in note for note in MeshRenderer(turned).notes)
