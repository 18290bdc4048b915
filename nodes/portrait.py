"""The portrait node: find the face once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from comfy_api.latest import io, ui

from ..dreamtalk.errors import DreamTalkError, FaceNotFoundError, ImageError
from ..dreamtalk.face.portrait import Portrait
from ..dreamtalk.options import FACE_CHOICES
from . import runtime
from .convert import fit, mask_of, pictures_of
from .inputs import choice, option_input
from .schema import schema
from .sockets import BoundingBox, DTPortrait, FaceLandmarks

OPEN_MOUTH = (
    "Another picture of the same person, with a smile or an open mouth, whose teeth, tongue and "
    "mouth are shown instead of drawn ones. Of a batch, such as the frames of a video, the one "
    "that shows most teeth is taken. The built-in mesh renderer uses it; DiffTalk and PIRenderer "
    "don't."
)
FACES = (*FACE_CHOICES, "1", "2", "3", "4", "5")


class DreamTalkPortrait(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkPortrait",
            display_name="DreamTalk Portrait",
            category="DreamTalk",
            description=(
                "Finds the face in a picture and measures it, once. Photos, paintings and 3-D "
                "characters work, as long as the face looks roughly at the camera and both eyes "
                "are seen."
            ),
            inputs=[
                io.Image.Input(
                    "image",
                    tooltip="The picture of a person. A batch is worked through: each picture "
                    "becomes a portrait, and what follows runs once for each.",
                ),
                io.Combo.Input(
                    "face",
                    options=list(FACES),
                    default="largest",
                    tooltip="Which face to animate; numbers count from the left.",
                ),
                option_input(
                    "max_size",
                    "Larger pictures are scaled down to this many pixels on their longer "
                    "side, which keeps rendering fast. 0 keeps the full size.",
                ),
                io.Mask.Input(
                    "person_mask",
                    optional=True,
                    tooltip="1 where the person is, from any segmentation node. Without it the "
                    "person is found automatically; with it hair and shoulders come out cleaner.",
                ),
                io.String.Input(
                    "points",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="For faces that are not found, such as drawings and animals: where "
                    "they are, in pixels of the image, right and left as the face has them: "
                    "eyeRight 210,180; eyeLeft 290,178; mouthRight 220,260; mouthLeft 280,262; "
                    "nose 250,225; chin 250,310. Nose and chin may be left out.",
                ),
                BoundingBox.Input(
                    "bounding_box",
                    optional=True,
                    tooltip="A box around the wanted face, from Bounding Box or a detector.",
                    # else the editor makes a widget of it, which always holds some box
                    extra_dict={"forceInput": True},
                ),
                FaceLandmarks.Input(
                    "face_landmarks",
                    optional=True,
                    tooltip="From ComfyUI's own face landmark detector: then nothing is looked "
                    "for here.",
                ),
                open_mouth_input(),
            ],
            outputs=[
                DTPortrait.Output(
                    display_name="portrait", tooltip="For the render nodes.", is_output_list=True
                ),
                io.Mask.Output(
                    display_name="face mask",
                    tooltip="The oval of the face, 1 inside.",
                    is_output_list=True,
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        face: str,
        max_size: int,
        person_mask: torch.Tensor | None = None,
        points: str = "",
        bounding_box: Any = None,
        face_landmarks: Any = None,
        open_mouth: torch.Tensor | None = None,
    ) -> io.NodeOutput:
        choice("face", face, FACES)
        wholes = pictures_of(image)
        many = len(wholes)
        if many > 1 and (points.strip() or bounding_box is not None):
            raise ImageError(
                f"{many} pictures came in, and points or a bounding box are those of one: send one "
                "picture, or leave them out"
            )
        if many > 1 and open_mouth is not None:
            raise ImageError(
                f"{many} pictures came in, and an open mouth is that of one person: send one "
                "picture"
            )
        masks = _each(person_mask, many, "masks")
        found = _landmarks_each(face_landmarks, many)
        portraits = []
        for i, (whole, mask, marks) in enumerate(zip(wholes, masks, found, strict=True)):
            picture = fit(whole, max_size)
            scale = picture.shape[1] / whole.shape[1]
            with _naming(i, many):
                height, width = picture.shape[:2]
                matte = None if mask is None else mask_of(mask, height, width, cls)
                known = known_face(picture, scale, face, points, bounding_box, marks)
                portrait = find_face(picture, face, matte, known)
                portraits.append(with_open_mouth(portrait, open_mouth, cls))
        for notice in _notices(portraits, face):
            runtime.notice(cls, notice)
        ovals = [oval_mask(portrait) for portrait in portraits]
        marked = [
            portrait.image * (0.55 + 0.45 * oval[..., None])
            for portrait, oval in zip(portraits, ovals, strict=True)
        ]
        shown = torch.stack([m for m in marked if m.shape == marked[0].shape])
        return io.NodeOutput(
            portraits, [oval[None] for oval in ovals], ui=ui.PreviewImage(shown, cls=cls)
        )


def _each(values: Any, many: int, what: str) -> list[Any]:
    """One of a batch's values for each of so many pictures; a single one is for all of them."""
    if values is None or many == 1:
        return [values] * many
    if isinstance(values, torch.Tensor) and values.ndim == 2:
        values = values[None]
    if len(values) not in (1, many):
        raise ImageError(
            f"{many} pictures and {len(values)} {what} came in: give one for each picture"
        )
    one = len(values) == 1
    return [values[0:1] if one else values[i : i + 1] for i in range(many)]


def _landmarks_each(landmarks: Any, many: int) -> list[Any]:
    """One frame's FACE_LANDMARKS for each of so many pictures."""
    if many == 1 or not isinstance(landmarks, dict):
        return [landmarks] * many
    frames = _each(landmarks.get("frames", ()), many, "frames of face_landmarks")
    return [{**landmarks, "frames": frame} for frame in frames]


@contextmanager
def _naming(index: int, many: int) -> Iterator[None]:
    """Say which picture of a batch an error is about."""
    try:
        yield
    except DreamTalkError as error:
        if many == 1:
            raise
        raise type(error)(f"picture {index + 1} of {many}: {error}") from error


def _notices(portraits: Sequence[Portrait], face: str) -> list[str]:
    """What to know of the portraits; said once, not once a picture."""
    notices = []
    if len(portraits) > 1:
        notices.append(f"{len(portraits)} pictures came in: what follows runs once for each")
    faces = max(portrait.faces for portrait in portraits)
    if faces > 1:
        notices.append(f"{faces} faces found: used is the one called {face}")
    turned = next((p.turned for p in portraits if p.turned), 0)
    if turned:
        notices.append(f"the picture was turned by {turned} degrees: upright now")
    return notices


def known_face(
    picture: torch.Tensor,
    scale: float,
    which: str,
    points: str,
    box: Any,
    landmarks: Any,
) -> np.ndarray | None:
    """Landmarks (478, 3) px of a face that somebody else has found; None if nobody has.

    Args:
        picture: (H, W, 3) in 0..1, scaled by ``scale`` from what points and box are in px of.
        which: of several faces.
        points: as :func:`parse_points` reads them.
        box: a BOUNDING_BOX: a mapping, or one of the lists of them that detectors give.
        landmarks: a FACE_LANDMARKS.
    """
    from ..dreamtalk.face import points as elsewhere
    from ..dreamtalk.face.analysis import choose_face
    from ..dreamtalk.face.image import as_rgb, to_uint8
    from ..dreamtalk.face.landmarker import FaceLandmarker

    if points.strip():
        marks = elsewhere.parse_points(points)
        scaled = {name: (x * scale, y * scale) for name, (x, y) in marks.items()}
        return elsewhere.landmarks_from_points(scaled)
    if landmarks is not None:
        height, width = picture.shape[:2]
        faces = elsewhere.landmarks_from_comfy(landmarks, (height, width))[:1]
        if not faces or not faces[0]:
            raise FaceNotFoundError("the connected face_landmarks hold no face for this picture")
        return choose_face(faces[0], which)
    if box is not None:
        place = tuple(scale * side for side in _box_of(box))
        pixels = to_uint8(as_rgb(picture))
        return runtime.cancellable(
            lambda: elsewhere.face_in_box(pixels, place, FaceLandmarker())  # type: ignore[arg-type]
        )
    return None


def _box_of(value: Any) -> tuple[float, float, float, float]:
    """The first box of a BOUNDING_BOX: left, top, width, height."""
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    try:
        left, top, width, height = (float(value[key]) for key in ("x", "y", "width", "height"))
    except (KeyError, TypeError, ValueError):
        raise ImageError(
            f"a bounding box has x, y, width and height, this one is {value!r}"
        ) from None
    return left, top, width, height


def find_face(
    picture: torch.Tensor,
    which: str = "largest",
    matte: torch.Tensor | None = None,
    known: np.ndarray | None = None,
) -> Portrait:
    """Analyse a picture; a cancel stops waiting for it."""
    from ..dreamtalk.face.analysis import analyze_portrait

    return runtime.cancellable(lambda: analyze_portrait(picture, which, matte, landmarks=known))


def open_mouth_input() -> Any:
    """The input for another picture of the person."""
    return io.Image.Input("open_mouth", optional=True, tooltip=OPEN_MOUTH)


def with_open_mouth(portrait: Portrait, pictures: torch.Tensor | None, cls: Any) -> Portrait:
    """The portrait with the mouth of an IMAGE, if there is one; says what will not look good."""
    from ..dreamtalk.face.open_mouth import add_open_mouth, open_mouth_notes

    if pictures is None:
        return portrait
    made = runtime.cancellable(lambda: add_open_mouth(portrait, pictures.float().cpu()))
    for note in open_mouth_notes(made):
        runtime.notice(cls, note)
    return made


def oval_mask(portrait: Portrait) -> torch.Tensor:
    """(H, W) float32, 1 inside the outline of the face's landmarks."""
    import cv2

    points = portrait.landmarks[:, :2].numpy().round().astype(np.int32)
    canvas = np.zeros(portrait.size, np.uint8)
    cv2.fillConvexPoly(canvas, cv2.convexHull(points), 255, lineType=cv2.LINE_AA)
    return torch.from_numpy(canvas).float() / 255
