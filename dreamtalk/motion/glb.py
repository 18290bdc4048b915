"""A motion as glTF: our plain head with the 52 ARKit shapes as morph targets, and their weights.

Blender, Unreal, Unity, Godot and three.js read the file; the animation plays on any other head
whose morph targets have ARKit's names.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from ..errors import MotionError
from ..face.head_mesh import COLOURS, Part, head_mesh, neck_mesh, vertex_normals
from ..face.head_shapes import shape_offsets
from ..face.pose import angles_to_rotation
from ..face.units import NECK
from ..files.gltf import INDICES, VERTICES, Buffer
from .motion import Motion
from .rig import rig_scores
from .spaces import ARKIT_CHANNELS

METRES = 0.09
"""Metres between the outer eye corners; glTF counts in metres."""
_HEAD, _NECK = "head", "neck"


def render_glb(motion: Motion) -> bytes:
    """Write a motion as a glTF 2.0 binary.

    The scene has a node ``neck``, which stands still, and a node ``head`` above it, which turns and
    moves; y is up, the face looks along +z. The animation has a key for every frame.

    Args:
        motion: in any space; the weights are its ARKit scores, see :mod:`.rig`.

    Returns:
        The contents of a ``.glb``.

    Raises:
        MotionError: if there are no frames.
    """
    if len(motion) == 0:
        raise MotionError("a motion without frames can't be animated")
    scores = rig_scores(motion)
    weights = scores.expression.cpu().numpy().astype(np.float32)
    head = scores.head.cpu().double().numpy()
    buffer, pivot = Buffer(), np.array(NECK)
    times = buffer.add((np.arange(len(scores)) / scores.fps).astype(np.float32), bounds=True)
    place = (METRES * (pivot + head[:, 3:])).astype(np.float32)
    channels = {
        "weights": buffer.add(weights.ravel()),
        "rotation": buffer.add(_quaternions(head[:, :3])),
        "translation": buffer.add(place),
    }
    return buffer.to_glb({
        "asset": {"version": "2.0", "generator": "ComfyUI-DreamTalk"},
        "scene": 0,
        "scenes": [{"name": "DreamTalk", "nodes": [0, 1]}],
        "nodes": [
            {"name": _HEAD, "mesh": 0, "translation": (METRES * pivot).tolist()},
            {"name": _NECK, "mesh": 1, "translation": (METRES * pivot).tolist()},
        ],
        "meshes": [
            _mesh(buffer, _HEAD, head_mesh(), ARKIT_CHANNELS),
            _mesh(buffer, _NECK, neck_mesh(), ()),
        ],
        "materials": [{
            "name": "plain", "doubleSided": True,
            "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.65},
        }],
        "animations": [{
            "name": "motion",
            "samplers": [
                {"input": times, "output": output, "interpolation": "LINEAR"}
                for output in channels.values()
            ],
            "channels": [
                {"sampler": index, "target": {"node": 0, "path": path}}
                for index, path in enumerate(channels)
            ],
        }],
    })  # fmt: skip


def _mesh(buffer: Buffer, name: str, part: Part, shapes: tuple[str, ...]) -> dict[str, object]:
    """A glTF mesh of one primitive, about the point that the head turns on."""
    points, normals = part.points - NECK, vertex_normals(part.points, part.triangles)
    colours = np.array(COLOURS)[part.kind]
    primitive: dict[str, object] = {
        "attributes": {
            "POSITION": buffer.add(_metres(points), VERTICES, bounds=True),
            "NORMAL": buffer.add(normals.astype(np.float32), VERTICES),
            "COLOR_0": buffer.add(colours.astype(np.float32), VERTICES),
        },
        "indices": buffer.add(part.triangles.astype(np.uint16).ravel(), INDICES),
        "material": 0,
    }
    if not shapes:
        return {"name": name, "primitives": [primitive]}
    primitive["targets"] = [
        {
            "POSITION": buffer.add(_metres(moved), VERTICES, bounds=True),
            "NORMAL": buffer.add(
                (vertex_normals(part.points + moved, part.triangles) - normals).astype(np.float32),
                VERTICES,
            ),
        }
        for moved in shape_offsets(shapes, part)
    ]
    return {
        "name": name, "primitives": [primitive], "weights": [0.0] * len(shapes),
        "extras": {"targetNames": list(shapes)},
    }  # fmt: skip


def _metres(lengths: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    return (METRES * lengths).astype(np.float32)


def _quaternions(angles: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Pitch, yaw, roll (T, 3) -> x, y, z, w (T, 4); neighbours on the same side, as glTF mixes."""
    turns = Rotation.from_matrix(angles_to_rotation(angles)).as_quat()
    same = np.where((turns[1:] * turns[:-1]).sum(1) < 0, -1.0, 1.0)
    turns[1:] *= np.cumprod(same)[:, None]
    return turns.astype(np.float32)
