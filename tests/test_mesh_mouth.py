"""The mouth of the mesh renderer: what a portrait shows itself, and where its parts go."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from dreamtalk.face import Portrait, analyze_portrait
from dreamtalk.face import topology as t
from dreamtalk.motion import FACE, Motion
from dreamtalk.render.mesh import MeshRenderer
from dreamtalk.render.mesh.mouth.interior import tongue_and_tuck
from dreamtalk.render.mesh.mouth.layer import soften
from dreamtalk.render.mesh.mouth.own_mouth import OwnMouth, find_own_mouth
from dreamtalk.render.mesh.mouth.seam import Mouth, find_mouth
from dreamtalk.render.mesh.mouth.teeth import ToothColours
from dreamtalk.render.mesh.portrait.geometry import FaceGeometry, face_geometry
from dreamtalk.render.mesh.portrait.softness import edge_softness
from dreamtalk.render.mesh.warp.textures import make_sampler

SKIN = np.array([0.80, 0.60, 0.50], np.float32)
TONGUE = (0.55, 0.36, 0.35)
RED = (0.78, 0.42, 0.40)
DARK = (0.10, 0.05, 0.05)
TOOTH = (0.88, 0.84, 0.78)
COLOURS = ToothColours(np.array(TOOTH, np.float32), np.array([0.6, 0.35, 0.33], np.float32), 1.0)


@pytest.fixture(scope="module")
def portrait(portrait_image: torch.Tensor) -> Portrait:
    return analyze_portrait(portrait_image)


@pytest.fixture(scope="module")
def opened(portrait: Portrait) -> tuple[FaceGeometry, Mouth]:
    """A face whose lips are 14 mm apart."""
    face = face_geometry(portrait)
    marks = face.landmarks.copy()
    shape = np.linspace(-1, 1, len(t.UPPER_INNER))
    opening = 7 * face.mm * (1 - 0.8 * shape**2)[:, None] * face.down
    middle = (marks[list(t.UPPER_INNER), :2] + marks[list(t.LOWER_INNER), :2]) / 2
    marks[list(t.UPPER_INNER), :2] = middle - opening
    marks[list(t.LOWER_INNER), :2] = middle + opening
    face = FaceGeometry(**{**vars(face), "landmarks": marks})
    height, width = face.crop.height, face.crop.width
    return face, find_mouth(np.zeros((height, width, 3), np.float32), face)


def paint(
    face: FaceGeometry,
    mouth: Mouth,
    bands: list[tuple[float, tuple[float, ...]]],
    spans: list[tuple[float, float]] | None = None,
) -> OwnMouth:
    """Fill the opening with horizontal bands that end at given shares of its height.

    Each lies over those after it; ``spans`` are their left and right ends in mm.
    """
    image = np.broadcast_to(SKIN, (face.crop.height, face.crop.width, 3)).copy()
    u = np.linspace(-mouth.reach, mouth.reach, len(mouth.upper))
    everywhere = [(-np.inf, np.inf)] * len(bands)
    for (end, colour), (left, right) in reversed(
        list(zip(bands, spans or everywhere, strict=True))
    ):
        inner = (np.abs(u) < mouth.half_width) & (u > left * face.mm) & (u < right * face.mm)
        low = mouth.upper + end * (mouth.lower - mouth.upper)
        edge = [mouth.to_picture(np.stack([u, v], -1)[inner]) for v in (mouth.upper, low)]
        polygon = np.round(np.concatenate([edge[0], edge[1][::-1]])).astype(np.int32)
        cv2.fillPoly(image, [polygon], colour)
    own = find_own_mouth(image, face, mouth, SKIN, COLOURS)
    assert own is not None
    return own


def test_rows_of_teeth_are_told_apart(opened: tuple[FaceGeometry, Mouth]) -> None:
    face, mouth = opened
    both = paint(face, mouth, [(0.25, TOOTH), (0.75, DARK), (1.0, TOOTH)])
    assert both.upper_edge is not None
    assert both.lower_edge is not None
    assert both.upper_edge < both.lower_edge - 2
    assert both.back[..., 3].max() > 0.9
    upper = paint(face, mouth, [(0.4, TOOTH), (1.0, DARK)])
    assert upper.upper_edge is not None
    assert upper.lower_edge is None
    lower = paint(face, mouth, [(0.6, DARK), (1.0, TOOTH)])
    assert lower.upper_edge is None
    assert lower.lower_edge is not None


def test_clenched_rows_are_two(opened: tuple[FaceGeometry, Mouth]) -> None:
    face, mouth = opened
    own = paint(face, mouth, [(0.5, TOOTH), (0.58, (0.5, 0.4, 0.35)), (1.0, TOOTH)])
    assert own.upper_edge is not None
    assert own.lower_edge is not None
    assert abs(own.upper_edge - own.lower_edge) < 3


def test_a_tongue_is_no_tooth(opened: tuple[FaceGeometry, Mouth]) -> None:
    face, mouth = opened
    own = paint(face, mouth, [(0.3, DARK), (1.0, TONGUE)])
    assert own.upper_edge is None
    assert own.lower_edge is None
    assert own.upper.max() == own.lower.max() == 0
    assert own.tint is None


def test_teeth_go_on_behind_the_lip(opened: tuple[FaceGeometry, Mouth]) -> None:
    face, mouth = opened
    own = paint(face, mouth, [(0.4, TOOTH), (1.0, DARK)])
    middle = len(mouth.upper) // 2
    hidden = mouth.to_picture(np.array([[0.0, mouth.upper[middle] - 1.5 * face.mm]]))[0]
    x, y = np.round(hidden - [own.box.x0, own.box.y0]).astype(int)
    cover = own.upper[y, x, 3]
    assert cover > 0.8
    assert own.upper[y, x, :3].mean() / cover > 0.7  # enamel, not lip


def at(own: OwnMouth, layer: np.ndarray, point: np.ndarray) -> np.ndarray:
    """(4,) what a layer has at a point of the crop."""
    x, y = np.round(point - [own.box.x0, own.box.y0]).astype(int)
    return layer[y, x]


@pytest.fixture(scope="module")
def narrow(opened: tuple[FaceGeometry, Mouth]) -> tuple[OwnMouth, Mouth, FaceGeometry]:
    """Teeth that show 9 mm to either side; beyond, the opening is as red as lips."""
    face, mouth = opened
    bands = [(0.4, TOOTH), (1.0, RED)]
    return paint(face, mouth, bands, [(-9, 9), (-np.inf, np.inf)]), mouth, face


def test_red_corners_are_no_teeth(narrow: tuple[OwnMouth, Mouth, FaceGeometry]) -> None:
    own, _, _ = narrow
    assert own.lower_edge is None
    assert own.upper_span == pytest.approx((-9, 9), abs=1.5)


def test_the_arch_goes_on_where_no_tooth_shows(
    narrow: tuple[OwnMouth, Mouth, FaceGeometry],
) -> None:
    own, mouth, face = narrow
    assert own.upper_edge is not None
    front, side, far = (
        at(own, own.upper, mouth.to_picture(np.array([u, own.upper_edge - 3.0]) * face.mm))
        for u in (3.0, 14.0, 22.0)
    )
    assert min(front[3], side[3], far[3]) > 0.8
    light = [float(c[:3].mean()) for c in (front, side, far)]
    assert light[0] > light[1] > light[2] > 0.1  # into the shadow of the cheek
    assert side[0] / side[1] < 1.25  # a tooth, not the lip that was there


def test_gum_goes_on_above_a_row(narrow: tuple[OwnMouth, Mouth, FaceGeometry]) -> None:
    own, mouth, face = narrow
    assert own.upper_edge is not None
    for above in (11.5, 16.0):
        gum = at(
            own, own.upper, mouth.to_picture(np.array([3.0, own.upper_edge - above]) * face.mm)
        )
        assert gum[3] > 0.9
        assert gum[0] > 1.3 * gum[1]


def test_a_spike_of_light_is_no_fang(opened: tuple[FaceGeometry, Mouth]) -> None:
    face, mouth = opened
    bands = [(0.7, TOOTH), (0.4, TOOTH), (1.0, DARK)]
    own = paint(face, mouth, bands, [(2.5, 5.5), (-12, 12), (-np.inf, np.inf)])
    assert own.upper_edge is not None
    fang, tooth = (
        at(own, own.upper, mouth.to_picture(np.array([4.0, own.upper_edge + off]) * face.mm))[3]
        for off in (2.5, -1.5)
    )
    assert tooth > 0.9
    assert fang < 0.2


def test_skin_between_the_lips_is_no_row_of_teeth(opened: tuple[FaceGeometry, Mouth]) -> None:
    face, mouth = opened
    light = tuple((SKIN * 1.08).tolist())
    own = paint(face, mouth, [(0.5, light), (1.0, DARK)])
    assert own.upper_edge is None
    assert own.tint is None
    assert own.upper.max() == 0


@pytest.mark.parametrize("parted", [False, True])
def test_a_grey_picture_stays_grey(portrait: Portrait, parted: bool) -> None:
    grey = portrait.image.mean(-1, keepdim=True).expand(-1, -1, 3).contiguous()
    marks = portrait.landmarks.clone()
    if parted:
        marks[list(t.LOWER_INNER), 1] += 0.06 * float((marks[33] - marks[263]).norm())
    renderer = MeshRenderer(replace(portrait, image=grey, landmarks=marks))
    expression = torch.zeros(3, 31)
    for name, value in (("lipAperture", 0.2), ("mouthWidth", 0.08), ("browInnerLeftY", -0.06)):
        expression[1:, FACE.index[name]] = value
    expression[2, FACE.index["mouthCornerLeftY"]] = 0.06
    frames = torch.cat(list(renderer.frames(Motion(expression, torch.zeros(3, 6))))).int()
    assert (frames[1] != frames[0]).any()
    assert int((frames.amax(-1) - frames.amin(-1)).max()) <= 4


def test_a_smile_is_no_wider_than_people_smile(portrait: Portrait) -> None:
    renderer = MeshRenderer(portrait)
    channel = FACE.index["mouthWidth"]
    expression = torch.zeros(4, 31)
    expression[:, channel] = torch.tensor([0.0, 0.02, 0.3, 3.0])
    marks = renderer.landmarks(Motion(expression + renderer.rest.cpu(), torch.zeros(4, 6)))
    eyes = float((marks[0, t.EYE_OUTER_LEFT] - marks[0, t.EYE_OUTER_RIGHT]).norm())
    width = (marks[:, t.MOUTH_LEFT] - marks[:, t.MOUTH_RIGHT]).norm(dim=-1) / eyes
    assert width[1] - width[0] == pytest.approx(0.02, rel=0.25)  # small ones are as told
    assert width[1] < width[2] <= width[3] < 0.88


def test_lower_teeth_follow_the_jaw(portrait: Portrait) -> None:
    renderer = MeshRenderer(portrait)
    expression = torch.zeros(2, len(FACE))
    for name, value in (("lipAperture", 0.3), ("lipLowerY", -0.2), ("chinY", -0.2)):
        expression[1, FACE.index[name]] = value
    closed, wide = torch.cat(list(renderer.frames(Motion(expression, torch.zeros(2, 6)))))
    assert (closed.int() - wide.int()).abs().max() > 40


def test_tongue_and_tuck_are_guessed_from_lips_and_jaw(portrait: Portrait) -> None:
    """A lip drawn under the teeth, and lips apart over a jaw that hardly opens; not a vowel."""
    renderer = MeshRenderer(portrait)
    interior = replace(renderer.mouth_layer.interior, own=None)
    axes, mm = torch.from_numpy(renderer.face.axes), renderer.face.mm

    def pose(gap: float, chin: float, lower: float, back: float) -> tuple[float, float]:
        moved = torch.zeros(1, 478, 3)
        moved[:, 14] = -axes[:, 1] * gap * mm
        moved[:, list(t.CHIN_PATCH)] = -axes[:, 1] * chin * mm
        moved[:, [84, 17, 314]] = -axes[:, 1] * lower * mm - torch.tensor([0, 0, back * mm])
        lift, tuck = tongue_and_tuck(interior, moved)
        return float(lift[0]), float(tuck[0])

    assert pose(gap=2.8, chin=1.0, lower=-0.2, back=4.5) == (0.0, 1.0)  # f
    lift, tuck = pose(gap=8.0, chin=2.2, lower=4.9, back=2.4)  # l
    assert lift > 3
    assert tuck == 0
    assert pose(gap=18.0, chin=8.5, lower=12.4, back=5.4) == (0.0, 0.0)  # a


def test_softness_of_a_picture_is_measured(portrait: Portrait) -> None:
    face = face_geometry(portrait)
    sharp = np.ascontiguousarray(portrait.image.numpy()[face.crop.slices].astype(np.float32))
    found = edge_softness(sharp, face)
    softer = edge_softness(cv2.GaussianBlur(sharp, (0, 0), 0.8), face)
    assert 0.2 < found < 1.0
    # blurs add in squares
    assert softer == pytest.approx((found**2 + 0.8**2) ** 0.5, rel=0.15)
    assert edge_softness(np.full_like(sharp, 0.5), face) <= max(0.8 * face.mm, 1.2)


@pytest.mark.parametrize("backend", ["opencv", "torch"])
def test_what_is_not_drawn_is_not_softened(backend: str) -> None:
    sampler = make_sampler(torch.device("cpu"), backend)
    pixels, drawn = torch.rand(2, 20, 30, 3), torch.zeros(2, 20, 30)
    assert torch.equal(soften(pixels, drawn, 0.8, sampler), pixels)
    drawn[:, 8:12, 10:20] = 1
    made = soften(pixels, drawn, 0.8, sampler)
    assert torch.equal(made[:, :3], pixels[:, :3])
    inside = (slice(None), slice(9, 11), slice(12, 18))
    assert made[inside].std() < 0.7 * pixels[inside].std()


def test_both_backends_soften_alike() -> None:
    pixels, drawn = torch.rand(2, 20, 30, 3), torch.zeros(2, 20, 30)
    drawn[0, :5, :5], drawn[1, 8:12, 10:30] = 0.5, 1.0
    ways = [make_sampler(torch.device("cpu"), name) for name in ("opencv", "torch")]
    one, other = (soften(pixels, drawn, 1.7, sampler) for sampler in ways)
    assert torch.allclose(one, other, atol=1e-5)


def test_teeth_hang_from_the_seam_of_a_smile(portrait: Portrait) -> None:
    """The middle of a smile lies below its corners, from which the mouth's origin is taken."""
    from dreamtalk.render.mesh.mouth.interior import UPPER_EDGE_MM, _edges

    face = face_geometry(portrait)
    mouth = MeshRenderer(portrait).mouth
    level = replace(mouth, upper=0 * mouth.upper, lower=0 * mouth.lower, is_open=False)
    low = replace(level, upper=level.upper + 2 * face.mm)
    assert _edges(level, None, face.mm)[0] == pytest.approx(UPPER_EDGE_MM)
    assert _edges(low, None, face.mm)[0] == pytest.approx(UPPER_EDGE_MM + 2)


def test_painted_mouths_differ_in_the_opening_alone(portrait: Portrait) -> None:
    expression = torch.zeros(3, len(FACE))
    expression[1, FACE.index["lipAperture"]] = 0.15
    expression[1, FACE.index["lipLowerY"]] = -0.12
    drawn, painted = MeshRenderer(portrait), MeshRenderer(portrait, mouth="painted")
    expression += drawn.rest * torch.tensor([1.0, 0.0, 1.0])[:, None]
    motion = Motion(expression, torch.zeros(3, 6))
    a, b = (torch.cat(list(r.frames(motion))) for r in (drawn, painted))
    assert torch.equal(b[0], drawn.picture)  # at rest a frame is the portrait
    assert torch.equal(b[2], drawn.picture)
    rows, columns = torch.nonzero((a[1] != b[1]).any(-1)).T
    assert len(rows) > 20
    marks = drawn.landmarks(motion)[1]
    lips = marks[[i for ring in (*t.UPPER_RINGS, *t.LOWER_RINGS) for i in ring]]
    pad = 3 * drawn.face.mm + 3
    assert columns.min() > lips[:, 0].min() - pad
    assert columns.max() < lips[:, 0].max() + pad
    assert rows.min() > lips[:, 1].min() - pad
    assert rows.max() < lips[:, 1].max() + pad
    # what is drawn is lit anew: brighter or darker, in its own colours
    before, after = (x[1][rows, columns].float() for x in (a, b))
    assert (after - before * (after.sum(1) / before.sum(1))[:, None]).abs().max() < 2
    alone = Motion(motion.expression[1:2], motion.head[1:2])
    (again,) = painted.frames(alone)
    assert torch.equal(again[0], b[1])  # a frame is a function of its motion alone
