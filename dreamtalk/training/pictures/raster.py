"""Draws a person's head with OpenGL (moderngl over EGL, so no screen is needed)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ...errors import DreamTalkError
from ...face.topology import EYE_OUTER_LEFT, EYE_OUTER_RIGHT
from .crops import OVER, SIDE, crop_matrix
from .head import GUM, SKIN, Head
from .mouth import MouthModel
from .person import Person
from .shaders import BACKDROP_VERTEX, FRAGMENT, PHOTO_FRAGMENT, PLAIN_VERTEX, VERTEX
from .visemes import Shape

Array = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]

_PLAIN = 0.12  # cm from the lips' line: beyond it the skin is the photo's, and its shader short
_GRID = 27
_ANCHORS = 500
_DEPTH = 40.0  # cm


@dataclass(frozen=True)
class Frame:
    """A drawn frame.

    Attributes:
        image: (128, 128, 3) uint8 RGB.
        points: (N, 3) cm before posing.
        marks: (68, 2) px of the crop, where the model's landmarks lie.
    """

    image: Picture
    points: Array
    marks: Array


@dataclass(frozen=True)
class _Layer:
    """Triangles of one shader."""

    array: Any
    index: Any
    triangles: npt.NDArray[np.int32]

    def render(self, shown: npt.NDArray[np.bool_]) -> None:
        """Draw those that have a vertex which may show."""
        some = np.ascontiguousarray(self.triangles[shown[self.triangles].any(axis=1)])
        if some.size:
            self.index.write(some.tobytes())
            self.array.render(vertices=some.size)


class Rasterizer:
    """An OpenGL context with the head in it.

    Args:
        model: what all persons share.

    Raises:
        DreamTalkError: if moderngl or an EGL driver is missing.
    """

    def __init__(self, model: MouthModel) -> None:
        self.model, self._head = model, model.head
        self._context = _context()
        context = self._context
        self._side = SIDE * OVER
        self._target = context.framebuffer(
            [context.texture((self._side, self._side), 4)],
            context.depth_renderbuffer((self._side, self._side)),
        )
        self._program = context.program(vertex_shader=VERTEX, fragment_shader=FRAGMENT)
        self._plain = context.program(vertex_shader=PLAIN_VERTEX, fragment_shader=PHOTO_FRAGMENT)
        self._behind = context.program(
            vertex_shader=BACKDROP_VERTEX, fragment_shader=PHOTO_FRAGMENT
        )
        count = len(self._head.neutral)
        self._moving = context.buffer(reserve=count * 11 * 4, dynamic=True)
        self._uv = context.buffer(reserve=count * 2 * 4, dynamic=True)
        fixed = context.buffer(_fixed(self._head).tobytes())
        triangles = self._head.triangles.astype(np.int32)
        far = (self._head.kind == SKIN) & (self._head.rim > _PLAIN)
        plain = far[triangles].all(axis=1)
        moving = (self._moving, "3f 3f 3f 1f 1f", "at", "place", "normal", "shade", "gap")
        of_skin = (self._moving, "3f 24x 1f 4x", "at", "shade")
        uv = (self._uv, "2f", "uv")
        self._layers = (
            self._layer(self._plain, [of_skin, uv], triangles[plain]),
            self._layer(
                self._program, [moving, uv, (fixed, "4f 2f", "part", "of_part")], triangles[~plain]
            ),
        )
        nodes = np.stack(np.meshgrid(*[np.linspace(0, 1, _GRID)] * 2), axis=-1).reshape(-1, 2)
        self._nodes = nodes.astype(np.float32)
        first = np.arange(_GRID * (_GRID - 1)).reshape(_GRID - 1, _GRID)[:, :-1].ravel()
        quads = np.stack([first, first + 1, first + _GRID, first + _GRID + 1], axis=1)
        cells = np.concatenate([quads[:, :3], quads[:, 1:]]).astype(np.int32)
        self._grid = context.buffer(reserve=len(nodes) * 4 * 4, dynamic=True)
        self._backdrop = context.vertex_array(
            self._behind, [(self._grid, "2f 2f", "at", "uv")], context.buffer(cells.tobytes())
        )
        self._photo: Any = None
        self._person: Person | None = None

    def show(self, person: Person) -> None:
        """The person that the next frames are of."""
        photo = person.photo
        if self._photo is not None:
            self._photo.release()
        self._photo = self._context.texture(photo.shape[1::-1], 3, photo.tobytes(), alignment=1)
        self._photo.repeat_x = self._photo.repeat_y = False
        size = np.array(photo.shape[1::-1], np.float32)
        self._uv.write(((person.uv + 0.5) / size).astype(np.float32).tobytes())
        self._person, self._size = person, size
        self._place_grid(person)
        set_ = self._set
        set_("lip_colour", person.lips)
        set_("teeth", person.teeth)
        set_("key", person.key)
        look = person.look
        set_("look", (look.reach, look.gaps, look.shade, look.bounce))
        set_("shine", look.shine)

    def draw(self, shape: Shape) -> Frame:
        """Draw the person with a mouth shape.

        Raises:
            DreamTalkError: before :meth:`show`.
        """
        person, head = self._person, self._head
        if person is None:
            raise DreamTalkError("nobody is shown: call show(person) before draw(shape)")
        points, gaps = self.model.mesh(person.identity, person.base, shape, person.denture)
        placed, flat = person.posed(points, shape.turn)
        matrix = crop_matrix(person.irises, self._side)
        crop = flat @ matrix[:, :2].T + matrix[:, 2]
        normals = head.normals(placed)
        light = person.light
        ratio = (light[0] + normals @ light[1:]) / np.maximum(person.lit, 1e-3)
        moving = np.empty((len(points), 11), np.float32)
        moving[:, :2] = (crop + 0.5) * 2 / self._side - 1
        moving[:, 2] = -placed[:, 2] / _DEPTH
        moving[:, 3:6] = placed
        moving[:, 6:9] = normals
        moving[:, 9] = 1 + 0.8 * (np.clip(ratio, 0.72, 1.3) - 1)
        moving[:, 10] = gaps
        self._moving.write(moving.tobytes())
        lips = placed[self._opening].astype(np.float32)
        self._set("lips", lips)
        self._move_grid(flat, matrix)
        self._target.use()
        context = self._context
        context.clear(0, 0, 0, 0)
        self._photo.use(0)
        context.disable(context.DEPTH_TEST)
        self._backdrop.render()
        context.enable(context.DEPTH_TEST)
        shown = self._visible(moving, lips)
        for layer in self._layers:
            layer.render(shown)
        drawn = np.frombuffer(self._target.read(components=4, alignment=1), np.uint8)
        image = _finished(drawn.reshape(self._side, self._side, 4))
        marks = ((crop[head.landmarks] + 0.5) / OVER - 0.5).astype(np.float32)
        return Frame(image, points, marks)

    def _layer(self, program: Any, content: list[Any], triangles: npt.NDArray[np.int32]) -> _Layer:
        index = self._context.buffer(reserve=triangles.nbytes, dynamic=True)
        return _Layer(self._context.vertex_array(program, content, index), index, triangles)

    def _visible(self, moving: Array, lips: Array) -> npt.NDArray[np.bool_]:
        """Which vertices may show: most do not."""
        low, high = lips[:, :2].min(axis=0) - 0.3, lips[:, :2].max(axis=0) + 0.3
        place = moving[:, 3:5]
        through = ((place > low) & (place < high)).all(axis=1)
        ahead = (np.abs(moving[:, :2]) < 1.05).all(axis=1) & (moving[:, 8] > -0.15)
        shown: npt.NDArray[np.bool_] = np.where(
            self._head.kind == SKIN, ahead | ((self._head.rim < 0) & through), through
        )
        return shown

    def _set(self, name: str, value: Any) -> None:
        value = np.asarray(value, np.float32)
        self._program[name].write(value.tobytes())

    @property
    def _opening(self) -> npt.NDArray[np.int64]:
        """Twelve vertices around the opening."""
        upper, lower = self._head.upper, self._head.lower
        over = upper[np.linspace(0, len(upper) - 1, 7).round().astype(int)]
        under = lower[np.linspace(0, len(lower) - 1, 7).round().astype(int)]
        return np.r_[over, under[-2:0:-1]]

    def _place_grid(self, person: Person) -> None:
        """How the backdrop's nodes follow the visible vertices: a Gaussian regression."""
        head = self._head
        seen = head.normals(person.identity @ person.rotation.T)[:, 2] > 0.1
        seen &= (head.kind == SKIN) & (head.rim > 0) & (head.neutral[:, 2] > 0)
        anchors = np.flatnonzero(seen)
        anchors = anchors[np.linspace(0, len(anchors) - 1, _ANCHORS).astype(int)]
        nodes = self._nodes * (self._size - 1)
        # a wider grid than the photo, so that the crop is covered: its edge colours go on
        nodes = (nodes - self._size / 2) * 1.5 + self._size / 2
        corners = person.points[[EYE_OUTER_LEFT, EYE_OUTER_RIGHT], :2]
        iod = float(np.linalg.norm(corners[0] - corners[1]))
        apart = np.square(nodes[:, None] - person.uv[anchors]).sum(axis=-1)
        weight = np.exp(-apart / (2 * (0.16 * iod) ** 2))
        weight /= weight.sum(axis=1, keepdims=True) + 0.8
        self._anchors, self._follow = anchors, weight.astype(np.float32)
        self._at_rest = nodes.astype(np.float32)

    def _move_grid(self, flat: Array, matrix: Array) -> None:
        person = self._person
        assert person is not None
        moved = self._at_rest + self._follow @ (flat - person.uv)[self._anchors]
        crop = moved @ matrix[:, :2].T + matrix[:, 2]
        data = np.c_[(crop + 0.5) * 2 / self._side - 1, (self._at_rest + 0.5) / self._size]
        self._grid.write(data.astype(np.float32).tobytes())


def _fixed(head: Head) -> Array:
    """(N, 6) what never changes of a vertex: kind, rim, across, along, tongue, tooth's chance."""
    chance = np.random.default_rng(5).random(int(head.tooth.max()) + 1)
    along = np.where((head.kind == GUM), head.neutral[:, 2], head.along)
    return np.stack(
        [head.kind, head.rim, head.across, along, head.tongue, chance[head.tooth]], axis=1
    ).astype(np.float32)


def _finished(drawn: Picture) -> Picture:
    """Half the size; the inner mouth is as soft as the photo around it."""
    small = cv2.resize(drawn, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    image, inner = np.ascontiguousarray(small[..., :3]), small[..., 3]
    if not inner.any():
        return image
    mask = cv2.dilate(inner, np.ones((3, 3), np.uint8)).astype(np.float32) / 255
    mask = cv2.GaussianBlur(mask, (0, 0), 0.8)[..., None]
    soft = cv2.GaussianBlur(image, (0, 0), 0.55)
    return np.round(image * (1 - mask) + soft * mask).astype(np.uint8)


def _context() -> Any:
    try:
        import moderngl
    except ImportError as error:
        raise DreamTalkError("drawing pictures needs: pip install 'dreamtalk[train]'") from error
    failures = []
    choices: tuple[dict[str, Any], ...] = ({"backend": "egl"}, {})
    for options in choices:
        try:
            return moderngl.create_standalone_context(**options)
        except Exception as error:  # whatever the driver raises
            failures.append(str(error))
    raise DreamTalkError(
        f"OpenGL can't be started ({'; '.join(failures)}): install an EGL driver, on Debian "
        "libegl1 libegl-mesa0 libgl1-mesa-dri"
    )
