"""The portrait node: find the face once."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from comfy_api.latest import io, ui

from ..dreamtalk.errors import FaceNotFoundError, ImageError
from ..dreamtalk.face.portrait import Portrait
from ..dreamtalk.options import FACE_CHOICES
from . import runtime
from .convert import choice, first_image, fit, mask_of, option_input
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
                    "image", tooltip="The picture of a person. Of a batch, the first one is used."
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
                DTPortrait.Output(display_name="portrait", tooltip="For the render nodes."),
                io.Mask.Output(display_name="face mask", tooltip="The oval of the face, 1 inside."),
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
        whole = first_image(image, cls)
        picture = fit(whole, max_size)
        matte = None
        if person_mask is not None:
            height, width = picture.shape[:2]
            matte = mask_of(person_mask, height, width, cls)
        scale = picture.shape[1] / whole.shape[1]
        known = known_face(picture, scale, face, points, bounding_box, face_landmarks)
        portrait = find_face(picture, face, matte, known)
        if portrait.faces > 1:
            runtime.notice(cls, f"{portrait.faces} faces found: used is the one called {face}")
        if portrait.turned:
            runtime.notice(cls, f"the picture was turned by {portrait.turned} degrees: upright now")
        portrait = with_open_mouth(portrait, open_mouth, cls)
        mask = oval_mask(portrait)
        marked = portrait.image * (0.55 + 0.45 * mask[..., None])
        return io.NodeOutput(portrait, mask[None], ui=ui.PreviewImage(marked[None], cls=cls))


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


def oval_mask(portrait) -> torch.Tensor:
    """(H, W) float32, 1 inside the outline of the face's landmarks."""
    import cv2

    points = portrait.landmarks[:, :2].numpy().round().astype(np.int32)
    canvas = np.zeros(portrait.size, np.uint8)
    cv2.fillConvexPoly(canvas, cv2.convexHull(points), 255, lineType=cv2.LINE_AA)
    return torch.from_numpy(canvas).float() / 255
