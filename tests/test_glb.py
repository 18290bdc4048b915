"""The plain head and its glTF, opened with pygltflib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pygltflib
import pytest
import torch

from dreamtalk.cli import main
from dreamtalk.errors import MotionError
from dreamtalk.face import topology as t
from dreamtalk.face.basis import FaceBasis
from dreamtalk.face.channels import FACE_CHANNELS, measure_channels
from dreamtalk.face.head_mesh import (
    LIP,
    TONGUE,
    head_mesh,
    neck_mesh,
    resting_face,
    vertex_normals,
)
from dreamtalk.face.head_shapes import landmark_offsets, shape_offsets
from dreamtalk.face.pose import angles_to_rotation
from dreamtalk.face.units import NECK
from dreamtalk.motion import Motion, space
from dreamtalk.motion.bridges import convert
from dreamtalk.motion.files import save_motion
from dreamtalk.motion.glb import METRES, render_glb
from dreamtalk.motion.rig import rig_scores
from dreamtalk.motion.spaces import ARKIT_CHANNELS

_DTYPES = {5126: "<f4", 5123: "<u2", 5125: "<u4"}
_WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}


def array(gltf: pygltflib.GLTF2, number: int) -> np.ndarray:
    """The values of an accessor, read from the binary part by hand."""
    accessor = gltf.accessors[number]
    view = gltf.bufferViews[accessor.bufferView]
    data = gltf.binary_blob()[view.byteOffset : view.byteOffset + view.byteLength]
    values = np.frombuffer(data, _DTYPES[accessor.componentType])
    assert len(values) == accessor.count * _WIDTHS[accessor.type]
    return values.reshape(accessor.count, -1)


def talking(frames: int = 25, fps: float = 25.0) -> Motion:
    """A mouth that opens and closes, a blink, a head that turns, nods, tips and moves."""
    time = torch.arange(frames) / fps
    expression = torch.zeros(frames, 31)
    channels = space("face").index
    gap = 0.1 * (1 - torch.cos(4 * torch.pi * time))
    expression[:, channels["lipAperture"]] = gap
    expression[:, channels["lipLowerY"]] = -0.6 * gap
    expression[:, channels["chinY"]] = -0.4 * gap
    expression[10:13, channels["lidUpperLeftY"]] = -0.1
    expression[10:13, channels["lidUpperRightY"]] = -0.1
    head = torch.zeros(frames, 6)
    head[:, 0], head[:, 1], head[:, 2] = 0.1 * time, 0.5 * time, -0.2 * time
    head[:, 3], head[:, 4], head[:, 5] = 0.3 * time, -0.1 * time, 0.2 * time
    return Motion(expression, head, fps)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> pygltflib.GLTF2:
    path = tmp_path_factory.mktemp("glb") / "motion.glb"
    save_motion(talking(), path)
    return pygltflib.GLTF2().load(str(path))


def test_what_is_in_the_file(opened: pygltflib.GLTF2) -> None:
    assert opened.asset.version == "2.0"
    assert [node.name for node in opened.nodes] == ["head", "neck"]
    head, neck = opened.meshes
    assert tuple(head.extras["targetNames"]) == ARKIT_CHANNELS
    assert len(head.primitives[0].targets) == len(head.weights) == 52
    assert not any(head.weights)
    assert not neck.primitives[0].targets
    for mesh, part in ((head, head_mesh()), (neck, neck_mesh())):
        attributes = mesh.primitives[0].attributes
        points = array(opened, attributes.POSITION)
        np.testing.assert_allclose(points, METRES * (part.points - NECK), atol=1e-6)
        accessor = opened.accessors[attributes.POSITION]
        np.testing.assert_allclose(accessor.min, points.min(0))
        np.testing.assert_allclose(accessor.max, points.max(0))
        np.testing.assert_allclose(
            np.linalg.norm(array(opened, attributes.NORMAL), axis=1), 1, atol=1e-5
        )
        assert array(opened, attributes.COLOR_0).min() >= 0
        indices = array(opened, mesh.primitives[0].indices)
        assert indices.max() == len(points) - 1
        assert len(indices) % 3 == 0
    # about the size of a head in metres, looking along +z
    size = np.ptp(array(opened, head.primitives[0].attributes.POSITION), axis=0)
    assert (size > [0.13, 0.19, 0.17]).all()
    assert (size < [0.18, 0.26, 0.25]).all()


def test_animation_is_the_motion(opened: pygltflib.GLTF2) -> None:
    motion = talking()
    (animation,) = opened.animations
    found: dict[str, tuple[Any, Any]] = {}
    for channel in animation.channels:
        sampler = animation.samplers[channel.sampler]
        assert channel.target.node == 0
        assert sampler.interpolation == "LINEAR"
        found[channel.target.path] = (array(opened, sampler.input), array(opened, sampler.output))
    assert set(found) == {"weights", "rotation", "translation"}
    for times, _ in found.values():
        np.testing.assert_allclose(times[:, 0], np.arange(25) / 25, atol=1e-6)
    weights = found["weights"][1].reshape(25, 52)
    np.testing.assert_allclose(weights, rig_scores(motion).expression, atol=1e-6)
    x, y, z, w = found["rotation"][1].astype(np.float64).T
    np.testing.assert_allclose(x * x + y * y + z * z + w * w, 1, atol=1e-5)
    turned = angles_to_rotation(motion.head[:, :3].double().numpy())
    # where the quaternion takes the nose's direction and the direction of the left ear
    np.testing.assert_allclose(
        np.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], 1),
        turned[:, :, 2], atol=1e-5,
    )  # fmt: skip
    np.testing.assert_allclose(
        np.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)], 1),
        turned[:, :, 0], atol=1e-5,
    )  # fmt: skip
    place = found["translation"][1]
    np.testing.assert_allclose(place, METRES * (NECK + motion.head[:, 3:].numpy()), atol=1e-6)
    assert turned[-1, 0, 2] > 0.3  # a turn to the subject's left is one towards +x


def played(gltf: pygltflib.GLTF2) -> np.ndarray:
    """(T, 468, 3) the landmarks of the skin in every frame, as a viewer computes them; IOD."""
    primitive, animation = gltf.meshes[0].primitives[0], gltf.animations[0]
    sampler = next(c.sampler for c in animation.channels if c.target.path == "weights")
    output = array(gltf, animation.samplers[sampler].output)
    weights = output.reshape(-1, 52)
    targets = np.stack([array(gltf, target["POSITION"]) for target in primitive.targets])
    points = array(gltf, primitive.attributes.POSITION) + np.einsum("ts,snc->tnc", weights, targets)
    return points[:, :468] / METRES + NECK


def test_the_head_shows_the_motion(opened: pygltflib.GLTF2) -> None:
    motion, points = talking(), played(opened)
    padded = np.concatenate([points, np.zeros((len(points), 10, 3))], axis=1)  # no irises
    shown = measure_channels(padded)
    gap = shown[:, FACE_CHANNELS.index("lipAperture")]
    wanted = motion.channel("lipAperture").numpy()
    assert np.corrcoef(gap, wanted)[0, 1] > 0.99
    np.testing.assert_allclose(gap, wanted, atol=0.025)
    assert gap[wanted < 0.01].max() < 0.02  # closed is closed
    # a blink shuts nine tenths of the opening
    opening = points[:, 159, 1] - points[:, 145, 1]
    assert opening[11] < 0.15 * opening[0]
    assert opening[20] > 0.9 * opening[0]


def test_rates_and_recorded_scores() -> None:
    recorded = convert(talking(13, 60.0), "arkit")
    gltf = pygltflib.GLTF2.load_from_bytes(render_glb(recorded))
    sampler = gltf.animations[0].samplers[0]
    times, weights = array(gltf, sampler.input), array(gltf, sampler.output)
    assert float(times[-1, 0]) == pytest.approx(0.2)
    # what a phone recorded goes along as it is
    np.testing.assert_allclose(weights.reshape(13, 52), recorded.expression, atol=1e-6)


# ------------------------------------------------------------------------------------ the head


def effect(name: str) -> dict[str, float]:
    """What a shape at 1 does, in channels of the face space."""
    rest = resting_face(FaceBasis.load())
    (moved,) = landmark_offsets((name,))
    changed = measure_channels(rest + moved) - measure_channels(rest)
    return dict(zip(FACE_CHANNELS, changed.tolist(), strict=True))


def test_mesh_is_closed_but_for_its_openings() -> None:
    """Every edge of the skin has two triangles, or is on a rim; all of them look outside."""
    head = head_mesh()
    skin = head.triangles[(head.triangles < 468).all(1)]
    assert set(np.unique(skin)) == set(range(468))
    edges = np.sort(skin[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    rims, counts = np.unique(edges, axis=0, return_counts=True)
    assert counts.max() == 2
    loose = set(np.unique(rims[counts == 1]))
    rim = {*t.OVAL, t.INNER_RIGHT, t.INNER_LEFT, *t.UPPER_INNER, *t.LOWER_INNER}
    for eye in t.EYES:
        rim |= {*eye["corners"], *eye["upper"], *eye["lower"]}
    assert loose == rim
    # euler: three holes and the outline leave a sphere with four holes
    assert 468 - len(rims) + len(skin) == 2 - 4
    assert (vertex_normals(head.points, head.triangles)[:468, 2] > -0.6).all()
    assert len(head.points) < 1 << 16


def test_head_is_symmetric() -> None:
    basis, head = FaceBasis.load(), head_mesh()
    flipped = head.points[basis.mirror[:468]] * [-1, 1, 1]
    np.testing.assert_allclose(head.points[:468], flipped, atol=2e-3)
    for kind in ("eyeBlink", "mouthSmile", "eyeLookIn", "browDown"):
        left, right = landmark_offsets((f"{kind}Left", f"{kind}Right"))
        np.testing.assert_allclose(left[basis.mirror] * [-1, 1, 1], right, atol=4e-3)


def test_shapes_do_what_they_are_called() -> None:
    jaw = effect("jawOpen")
    assert jaw["lipAperture"] > 0.3
    assert jaw["chinY"] < -0.2
    assert abs(jaw["browInnerLeftY"]) + abs(jaw["lidUpperLeftY"]) < 0.002
    both = measure_channels(
        resting_face(FaceBasis.load()) + landmark_offsets(("jawOpen", "mouthClose")).sum(0)
    )
    assert both[FACE_CHANNELS.index("lipAperture")] < 0.04  # lips meet over an open jaw
    smile = effect("mouthSmileLeft")
    assert smile["mouthCornerLeftY"] > 0.06
    assert abs(smile["mouthCornerRightY"]) < 0.005
    assert smile["mouthWidth"] > 0.05
    blink = effect("eyeBlinkRight")
    assert blink["lidUpperRightY"] < -0.08
    assert max(abs(v) for name, v in blink.items() if "lid" not in name) < 0.01
    assert abs(blink["lidUpperLeftY"]) < 0.001
    assert effect("eyeLookInLeft")["gazeLeftX"] < -0.04  # to the right
    assert effect("eyeLookOutLeft")["gazeLeftX"] > 0.04
    assert effect("eyeLookUpRight")["gazeRightY"] > 0.02
    assert effect("browInnerUp")["browInnerLeftY"] > 0.05
    assert effect("browDownLeft")["browInnerLeftY"] < -0.03
    assert effect("mouthPucker")["mouthWidth"] < -0.1
    assert effect("mouthPucker")["lipLowerZ"] > 0.04
    assert effect("jawLeft")["jawX"] > 0.05
    assert effect("mouthRight")["lipX"] < -0.08


def test_only_the_tongue_comes_out() -> None:
    head = head_mesh()
    (out,) = shape_offsets(("tongueOut",), head)
    tongue = head.kind == TONGUE
    assert out[tongue, 2].max() > 0.3
    assert not out[~tongue].any()
    tip = (head.points + out)[tongue, 2].max()
    assert tip > head.points[:468][head.kind[:468] == LIP, 2].max()  # beyond the lips


def test_no_frames(tmp_path: Path) -> None:
    with pytest.raises(MotionError, match="without frames"):
        save_motion(talking(0), tmp_path / "m.glb")
    assert not list(tmp_path.iterdir())


def test_command(tmp_path: Path) -> None:
    save_motion(talking(), tmp_path / "m.npz")
    speech = Path(__file__).resolve().parents[1] / "samples" / "speech.wav"
    out = tmp_path / "m.glb"
    command = ["animate", "--audio", str(speech), "--duration", "1", "--out", str(out)]
    assert main([*command, "--steps", "1"]) == 0
    assert out.read_bytes()[:4] == b"glTF"
