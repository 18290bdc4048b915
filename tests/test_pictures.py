"""Training pictures, on a head made of rings around a mouth; on ICT-FaceKit where it is at hand."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from dreamtalk.errors import DreamTalkError
from dreamtalk.face.channels import LIP_CHANNELS
from dreamtalk.face.pose import angles_to_rotation
from dreamtalk.training.pictures import head as heads
from dreamtalk.training.pictures.colours import Colours, guessed_teeth
from dreamtalk.training.pictures.crops import IRISES, crop_matrix
from dreamtalk.training.pictures.driven import Driver, own_face
from dreamtalk.training.pictures.fit import fit_heads
from dreamtalk.training.pictures.head import SKIN, Head
from dreamtalk.training.pictures.mouth import MouthModel, gap, lip_channels, solve_closure
from dreamtalk.training.pictures.people import Measure, find_people
from dreamtalk.training.pictures.visemes import NAMES, VISEMES, Shape, draw_shape, expression_row

ROOT = Path(__file__).resolve().parents[1]
ICT = os.environ.get("DREAMTALK_ICT_HEAD", "")
SPOKES, RINGS = 40, 14
MOUTH = np.array([0.0, -3.4])
# where the 68 landmarks lie on the face, about, in cm; the lips come from the rings
JAW = [(-7.4 * np.cos(a), 3.0 - 10.5 * np.sin(a)) for a in np.linspace(0, np.pi, 17)]
BROWS = [(x, 6.0) for x in (-5.8, -4.9, -3.8, -2.4, -1.2, 1.2, 2.4, 3.8, 4.9, 5.8)]
NOSE = [
    (0, 3.7),
    (0, 2.6),
    (0, 1.6),
    (0, 0.4),
    (-1.2, -1),
    (-0.6, -1),
    (0, -1),
    (0.6, -1),
    (1.2, -1),
]
EYES = [(-4.5, 3.4), (-3.9, 3.9), (-2.8, 3.9), (-1.8, 3.2), (-2.7, 3.1), (-3.9, 3.1)]
OUTSIDE = [*JAW, *BROWS, *NOSE, *EYES, *[(-x, y) for x, y in (*EYES[3::-1], *EYES[:3:-1])]]


@pytest.fixture(scope="module")
def head() -> Head:
    """Rings around a mouth, and single vertices for the other landmarks."""
    angle = np.pi - 2 * np.pi * np.arange(SPOKES) / SPOKES  # from the right corner over the top
    rings = []
    for ring in range(RINGS):
        out = max(0.0, 0.14 * (ring - 1) + 0.03 * max(0, ring - 6) ** 2)
        flat = np.c_[(2.2 + out) * np.cos(angle), (0.04 + 1.6 * out) * np.sin(angle)] + MOUTH
        rings.append(np.c_[flat, np.full(SPOKES, 11.0 if ring else 10.5) - 0.1 * flat[:, 0] ** 2])
    far = np.array(OUTSIDE)
    points = np.concatenate([*rings, np.c_[far, 11.5 - 0.06 * np.square(far).sum(axis=1)]])
    at = np.arange(RINGS * SPOKES).reshape(RINGS, SPOKES)
    a, b, c, d = (
        x.ravel() for x in (at[:-1], np.roll(at, -1, 1)[:-1], at[1:], np.roll(at, -1, 1)[1:])
    )
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
    inner = at[1][[0, 5, 10, 15, 20, 25, 30, 35]]
    outer = at[5][np.round(np.arange(12) * SPOKES / 12).astype(int)]
    number = np.full(26719, -1)
    number[list(heads.LANDMARKS)] = np.r_[RINGS * SPOKES + np.arange(48), outer, inner]
    number[heads._MOUTH_HOLE] = at[0, 0]
    names = tuple(
        {name for viseme in VISEMES.values() for name in viseme.weights}
        | {"mouthDimple", "mouthFrown", "mouthShrugUpper", "mouthClose", "jawLeft", "jawRight"}
    )
    names = tuple(sorted(names))
    expression = np.random.default_rng(0).normal(0, 0.002, (len(names), len(points), 3))
    low = np.clip((MOUTH[1] + 0.02 - points[:, 1]) / 0.04, 0, 1)
    across = np.clip(1 - np.square(points[:, 0] / 2.2), 0, 1)
    expression[names.index("jawOpen"), :, 1] = -2.9 * low * across
    expression[names.index("mouthClose"), :, 1] = 3.7 * low * across
    wave = np.arange(1, 7)[:, None, None]
    modes = 0.15 * np.sin(0.25 * wave * points + wave * [1, 2, 3])
    f32 = np.float32
    return heads._described(
        points.astype(f32), modes.astype(f32), expression.astype(f32), names, triangles,
        np.full(len(points), SKIN), number, np.arange(len(points)),
    )  # fmt: skip


def shape(head: Head, viseme: str) -> Shape:
    row = expression_row(head, VISEMES[viseme].weights)
    return Shape(row, np.zeros(4, np.float32), NAMES.index(viseme), VISEMES[viseme].closed)


def base(head: Head) -> np.ndarray:
    return np.zeros(len(head.names), np.float32)


def test_the_loops_run_around_the_mouth(head: Head):
    assert len(head.upper) == len(head.lower) == SPOKES // 2 + 1
    assert head.upper[0] == head.lower[0]
    assert head.upper[-1] == head.lower[-1]
    assert (np.diff(head.neutral[head.upper, 0]) > 0).all()
    assert len(set(head.outer)) == SPOKES
    inside = head.rim[:SPOKES]
    assert (inside < 0).all()
    assert (head.rim[SPOKES : 2 * SPOKES] == 0).all()
    assert (np.diff(head.rim[10 : RINGS * SPOKES : SPOKES][1:]) > 0).all()
    assert head.below[2 * SPOKES + 30]
    assert not head.below[2 * SPOKES + 10]


@pytest.mark.parametrize("viseme", ["rest", "PP", "PPo"])
def test_closed_lips_touch_along_their_whole_line(head: Head, viseme: str):
    points, gaps = MouthModel.of(head).mesh(head.neutral, base(head), shape(head, viseme))
    upper, lower = points[head.upper], points[head.lower]
    between = upper[:, 1] - np.interp(upper[:, 0], lower[:, 0], lower[:, 1])
    assert np.abs(between).max() < 0.01
    assert gaps[head.upper].max() < 0.01
    aperture = lip_channels(head, points, head.neutral)[0]
    assert aperture < 1e-3


def test_closing_takes_the_weight_that_the_gap_asks_for(head: Head):
    row = expression_row(head, {"jawOpen": 0.3})
    solved = solve_closure(head, head.neutral, row, closed=True)
    left = gap(head, head.neutral + np.tensordot(solved, head.expression, 1))
    assert left == pytest.approx(-0.01, abs=1e-4)
    same = solve_closure(head, head.neutral, row, closed=False)
    assert np.array_equal(same, row)


def test_open_lips_stay_open_and_crossed_ones_don_t(head: Head):
    model = MouthModel.of(head)
    opened, _ = model.mesh(head.neutral, base(head), shape(head, "aa"))
    assert gap(head, opened) > 0.5
    crossed = head.neutral.copy()
    crossed[head.lower, 1] += 0.3
    mended, _ = model.mesh(crossed, base(head), shape(head, "schwa"))
    upper, lower = mended[head.upper], mended[head.lower]
    assert (upper[:, 1] - np.interp(upper[:, 0], lower[:, 0], lower[:, 1])).min() > -0.01


def test_contact_fades_with_the_distance_from_the_lips(head: Head):
    model = MouthModel.of(head)
    opened = head.neutral + 0.1 * head.expression[head.weight("jawOpen")]
    points, _ = model.mesh(opened, base(head), Shape(base(head), closed=True))
    moved = np.abs(points - opened)[:, 1][10 : RINGS * SPOKES : SPOKES]
    assert moved[1] > 4 * moved[-1]


def test_channels_are_what_a_motion_has(head: Head):
    points = head.neutral.copy()
    iod = np.linalg.norm(np.subtract(*points[head.landmarks[[36, 45]]]))
    points[head.landmarks[54], 0] += 0.02 * iod  # the left corner, to the subject's left
    points[head.landmarks[[61, 62, 63]], 1] += 0.05 * iod
    found = dict(zip(LIP_CHANNELS, lip_channels(head, points, head.neutral), strict=True))
    assert found["mouthWidth"] == pytest.approx(0.02, abs=1e-4)
    assert found["lipX"] == pytest.approx(0.02 / 4, abs=1e-4)
    assert found["lipUpperInnerY"] == pytest.approx(0.05, abs=1e-4)
    assert found["lipAperture"] == pytest.approx(0.05 + gap(head, head.neutral) / iod, abs=1e-4)
    assert found["chinY"] == found["lipLowerY"] == pytest.approx(0, abs=1e-6)


def test_shapes_are_the_seed_s(head: Head):
    first, again = (draw_shape(head, np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(first.weights, again.weights)
    assert first.viseme == again.viseme
    drawn = [draw_shape(head, np.random.default_rng([1, i])) for i in range(200)]
    assert 0.03 < np.mean([s.closed for s in drawn]) < 0.25
    assert all(not s.closed or VISEMES[NAMES[s.viseme]].closed for s in drawn)


def test_lips_follow_a_motion(head: Head):
    driver, model = Driver(head, head.neutral, base(head)), MouthModel.of(head)
    for aperture in (0.0, 0.05, 0.12):
        wanted = np.zeros(13, np.float32)
        wanted[0], wanted[LIP_CHANNELS.index("lipLowerY")] = aperture, -aperture
        wanted[LIP_CHANNELS.index("chinY")] = -aperture
        shape = driver.shape(wanted)
        points, _ = model.mesh(head.neutral, base(head), shape)
        found = lip_channels(head, points, head.neutral)
        assert shape.closed == (aperture < 0.012)
        assert found[0] == pytest.approx(aperture, abs=0.01)


def test_a_talker_s_own_face_is_taken_out():
    rng = np.random.default_rng(0)
    lips = rng.normal(0, 0.002, (400, 13)).astype(np.float32)
    lips[:, 0] = np.abs(rng.normal(0, 0.06, 400))
    lips[:, LIP_CHANNELS.index("mouthWidth")] += 0.2 - 0.1 * (lips[:, 0] < 0.01)
    lips[:, LIP_CHANNELS.index("chinY")] += -0.1 - lips[:, 0]
    rest = own_face(lips)
    assert rest[0] == 0
    assert rest[LIP_CHANNELS.index("mouthWidth")] == pytest.approx(0.2, abs=0.005)
    assert rest[LIP_CHANNELS.index("chinY")] == pytest.approx(-0.1, abs=0.01)


def test_the_fit_finds_a_head_from_its_own_landmarks(head: Head):
    rng = np.random.default_rng(1)
    count, marks = 5, head.landmarks
    identity = rng.normal(0, 0.7, (count, len(head.identity)))
    angles = np.radians(rng.normal(0, 8, (count, 3)))
    points = head.neutral + np.einsum("pi,inc->pnc", identity, head.identity)
    turned = np.einsum("pnc,pdc->pnd", points, angles_to_rotation(angles))
    flat = turned[..., :2] * [18.0, -18.0] + [225, 275]
    eyes = flat[:, marks]
    irises = np.stack([eyes[:, 36:42].mean(axis=1), eyes[:, 42:48].mean(axis=1)], axis=1)
    bias = np.zeros((68, 2))
    bias[60] = 5.0  # a landmarker that sees one corner elsewhere, in everybody
    fit = fit_heads(head, (eyes + bias).astype(np.float32), irises.astype(np.float32), (120, 150))
    assert fit.errors(slice(17, 68)).max() < 0.05
    assert np.degrees(np.abs(fit.angles[:, 2] - angles[:, 2])).max() < 2
    assert np.abs(fit.scale / 18 - 1).max() < 0.1
    assert np.linalg.norm(fit.bias[17:], axis=1).argmax() == 60 - 17
    assert np.allclose(fit.bias[60], 5 / 18, atol=0.1)


def test_irises_lie_where_every_crop_has_them():
    irises = np.array([[100.0, 130.0], [180.0, 142.0]], np.float32)
    matrix = crop_matrix(irises)
    assert np.allclose(irises @ matrix[:, :2].T + matrix[:, 2], IRISES, atol=1e-3)


def test_portraits_that_don_t_serve_are_refused():
    good = Measure(spread=50, lip_error=0.8, face_error=0.9, iod=70, chin=110, yaw=-5)
    assert good.refusals() == []
    for change, reason in (
        ({"spread": 10}, "black and white"), ({"lip_error": 1.4}, "lips"), ({"yaw": -25}, "turned"),
        ({"chin": 125}, "chin"), ({"iod": 40}, "small"), ({"face_error": 1.2}, "face does not fit"),
    ):  # fmt: skip
        (refused,) = Measure(**{**vars(good), **change}).refusals()
        assert reason in refused


def test_teeth_that_nobody_sees_are_guessed_from_the_skin():
    rng = np.random.default_rng(2)
    light = rng.uniform(0.2, 0.7, 60)
    nan, white = np.full(3, np.nan), np.array([1.4, 1.2, 1.0])
    skin, sclera, lips = np.array([[1, 0.7, 0.6], [1.2, 1.1, 1.1], [0.8, 0.4, 0.4]])
    people = [
        Colours(x * skin, x * sclera, x * lips, nan if i % 5 == 0 else x * white, 40.0)
        for i, x in enumerate(light)
    ]
    teeth = guessed_teeth(people)
    assert np.allclose(teeth, light[:, None] * white, rtol=0.15)
    red = Colours(skin / 2, sclera / 2, lips / 2, lips / 2, 40.0)  # lips taken for teeth
    assert guessed_teeth([*people, red])[-1, 1] > 0.75 * guessed_teeth([*people, red])[-1, 0]


def test_a_portrait_becomes_frames_and_a_run_goes_on(head: Head, tmp_path: Path):
    pytest.importorskip("moderngl", reason="drawing needs moderngl")
    from dreamtalk.training.pictures.frames import write_shards
    from dreamtalk.training.pictures.raster import Rasterizer

    try:
        raster = Rasterizer(MouthModel.of(head))
    except DreamTalkError as error:
        pytest.skip(str(error))
    portraits = tmp_path / "portraits"
    portraits.mkdir()
    shutil.copy(ROOT / "samples" / "portrait.png", portraits)
    people = find_people(head, portraits, tmp_path / "portraits.npz", steps=(40, 40))
    again = find_people(head, portraits, tmp_path / "portraits.npz")
    assert again.seen.names == people.seen.names == ("portrait.png",)
    assert np.array_equal(again.fit.rest, people.fit.rest)
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        write_shards(people, [0], raster, folder, frames=4, seed=3)
    first, second = ((folder / "shard_00000.npz").read_bytes() for folder in folders)
    assert first == second
    before = (folders[0] / "shard_00000.npz").stat().st_mtime_ns
    write_shards(people, [0], raster, folders[0], frames=4, seed=3)
    assert (folders[0] / "shard_00000.npz").stat().st_mtime_ns == before
    with pytest.raises(DreamTalkError, match="another set"):
        write_shards(people, [0], raster, folders[0], frames=6, seed=3)
    with np.load(folders[0] / "shard_00000.npz") as shard:
        assert shard["images"].shape == (5, 128, 128, 3)
        assert shard["images"].std() > 10
        assert shard["lips"].shape == (5, 13)
        assert shard["landmarks"].shape == (5, 68, 2)
        assert shard["rest"].tolist() == [True, False, False, False, False]
        assert shard["real"].tolist() == [False, False, False, False, True]
        eyes = shard["landmarks"][-1]
    iris_line = (eyes[36:42].mean(axis=0) + eyes[42:48].mean(axis=0)) / 2
    assert np.allclose(iris_line, IRISES.mean(axis=0), atol=4)


def test_what_is_no_head_is_refused(tmp_path: Path):
    wrong = tmp_path / "head.npz"
    with pytest.raises(DreamTalkError, match="not the head"):
        heads.load_head(wrong)
    np.savez(wrong, V=np.zeros((4, 3)), F=np.zeros((1, 4)), expr=0, iden=0, names=np.array(["a"]))
    with pytest.raises(DreamTalkError, match="4 vertices"):
        heads.load_head(wrong)


@pytest.mark.skipif(not Path(ICT).is_file(), reason="DREAMTALK_ICT_HEAD names no ICT-FaceKit file")
def test_ict_facekit_closes_and_opens():
    head = heads.load_head(ICT)
    assert len(head.upper) + len(head.lower) == 76
    assert head.rim.min() == pytest.approx(-0.92, abs=0.02)
    assert int(head.tongue.sum()) == 614
    assert int(head.tooth.max()) == 24
    gaps = gap(head, head.expression)
    assert gaps[head.weight("jawOpen")] == pytest.approx(2.89, abs=0.01)
    assert gaps[head.weight("mouthClose")] == pytest.approx(-3.72, abs=0.01)
    model = MouthModel.of(head)
    for name in VISEMES:
        points, _ = model.mesh(head.neutral, base(head), shape(head, name))
        aperture = lip_channels(head, points, head.neutral)[0]
        assert (aperture < 2e-3) == VISEMES[name].closed, name
