"""The portrait node: find the face once."""

from __future__ import annotations

import torch
from comfy_api.latest import io, ui

from ..dreamtalk.face.portrait import Portrait
from . import runtime
from .convert import choice, first_image, fit, option_input
from .sockets import DTPortrait

FACES = ("largest", "leftmost", "rightmost", "1", "2", "3", "4", "5")


class DreamTalkPortrait(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
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
            ],
            outputs=[
                DTPortrait.Output(display_name="portrait", tooltip="For the render nodes."),
                io.Mask.Output(display_name="face mask", tooltip="The oval of the face, 1 inside."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, image, face: str, max_size: int, person_mask=None) -> io.NodeOutput:
        choice("face", face, FACES)
        picture = fit(first_image(image, cls), max_size)
        matte = None
        if person_mask is not None and person_mask.max() > 0:  # Load Image gives zeros for "none"
            matte = scaled_mask(person_mask, picture.shape[0], picture.shape[1])
        portrait = find_face(picture, face, matte)
        if portrait.faces > 1:
            runtime.notice(cls, f"{portrait.faces} faces found: used is the one called {face}")
        mask = oval_mask(portrait)
        marked = portrait.image * (0.55 + 0.45 * mask[..., None])
        return io.NodeOutput(portrait, mask[None], ui=ui.PreviewImage(marked[None], cls=cls))


def find_face(
    picture: torch.Tensor, which: str = "largest", matte: torch.Tensor | None = None
) -> Portrait:
    """Analyse a picture; a cancel stops waiting for it."""
    from ..dreamtalk.face.analysis import analyze_portrait

    return runtime.cancellable(lambda: analyze_portrait(picture, which, matte))


def scaled_mask(mask: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The first of a MASK batch at another size, (H, W) in 0..1."""
    matte = mask.reshape(-1, *mask.shape[-2:])[None, :1].float().cpu()
    scaled = torch.nn.functional.interpolate(matte, (height, width), mode="bilinear")
    return scaled[0, 0].clamp(0, 1)


def oval_mask(portrait) -> torch.Tensor:
    """(H, W) float32, 1 inside the outline of the face's landmarks."""
    import cv2
    import numpy as np

    points = portrait.landmarks[:, :2].numpy().round().astype(np.int32)
    canvas = np.zeros(portrait.size, np.uint8)
    cv2.fillConvexPoly(canvas, cv2.convexHull(points), 255, lineType=cv2.LINE_AA)
    return torch.from_numpy(canvas).float() / 255
