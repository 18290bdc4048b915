"""Nodes that bring motion in from videos and files, and write it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_api.latest import io

from ..dreamtalk.errors import MotionError
from ..dreamtalk.motion.files import is_motion_file
from . import runtime
from .inputs import choice, option_input
from .schema import schema
from .sockets import DTMotion, FaceLandmarks

if TYPE_CHECKING:
    from ..dreamtalk.tracking.track import Tracked

_CATEGORY = "DreamTalk/motion"
FORMATS = ("npz", "mat", "npy", "csv", "jsonl", "glb")


class DreamTalkTrackMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkTrackMotion",
            display_name="DreamTalk Track Motion",
            category=_CATEGORY,
            description=(
                "Reads what a face does in a video: lips, jaw, eyes, brows and head, frame by "
                "frame. Use it to take a style from a clip, to copy a performance onto a portrait, "
                "or to get a head motion."
            ),
            inputs=[
                io.Video.Input(
                    "video", optional=True, tooltip="The video to track, of any length."
                ),
                io.Image.Input(
                    "images", optional=True, tooltip="Or its frames, as a batch of pictures."
                ),
                FaceLandmarks.Input(
                    "face_landmarks",
                    optional=True,
                    tooltip="Or what ComfyUI's own face landmark detector found in the frames: "
                    "then nothing is looked for here.",
                ),
                option_input(
                    "frame_rate",
                    "Frame rate of the pictures. A video knows its own.",
                    "images_fps",
                ),
                option_input(
                    "neutral",
                    "What counts as the resting face. mean: the average face, so a lasting "
                    "smile stays in the motion. clip: the person's own, which takes it out. none: "
                    "absolute values, for measuring.",
                ),
                option_input(
                    "track.smoothing",
                    "Takes the tracker's tremor out, in seconds. Closed lips and blinks are kept.",
                ),
            ],
            outputs=[
                DTMotion.Output(display_name="motion", tooltip="The motion, at 25 frames a second.")
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        images_fps: float,
        neutral: str,
        smoothing: float,
        video: Any = None,
        images: Any = None,
        face_landmarks: Any = None,
    ) -> io.NodeOutput:
        from ..dreamtalk.face.points import landmarks_from_comfy, same_person
        from ..dreamtalk.tracking.track import track_frames, track_landmarks, track_video

        settings: dict[str, Any] = {
            "neutral": neutral,
            "smoothing": smoothing,
            "progress": runtime.Bar(),
        }
        if video is None and images is None and face_landmarks is None:
            raise MotionError("connect a video, a batch of images or face landmarks to track")
        device = runtime.ModelHost().device()

        def track() -> Tracked:
            if video is not None:
                with runtime.video_file(video) as path:
                    return track_video(path, device=device, **settings)
            if images is not None:
                return track_frames(images, images_fps, device=device, **settings)
            faces = same_person(landmarks_from_comfy(face_landmarks))
            return track_landmarks(faces, images_fps, **settings)

        found = runtime.cancellable(track)
        if found.missing:
            gaps = ", ".join(f"{start:.1f}-{end:.1f} s" for start, end in found.missing)
            runtime.notice(cls, f"no face at {gaps}")
        if found.cuts:
            cuts = ", ".join(f"{cut:.1f} s" for cut in found.cuts)
            runtime.notice(cls, f"cuts at {cuts}: every shot is tracked by itself")
        return io.NodeOutput(found.motion)


class DreamTalkLoadMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkLoadMotion",
            display_name="DreamTalk Load Motion",
            category=_CATEGORY,
            description=(
                "Loads motion from a file: .npz of this pack, .mat of Deep3DFaceRecon, .npy of the "
                "official tools, .csv of Live Link Face on an iPhone, or .jsonl."
            ),
            inputs=[
                io.Combo.Input(
                    "file",
                    options=runtime.input_files(is_motion_file),
                    tooltip="A motion file in ComfyUI's input folder. Upload one with the button, "
                    "or drop it on the node.",
                ),
                option_input(
                    "file.fps",
                    "Frame rate, if the file doesn't say it or says it wrongly. 0 takes "
                    "the file's own (25 for official ones).",
                ),
                DTMotion.Input(
                    "neutral",
                    optional=True,
                    tooltip="Motion of the same person who acts nothing: what their face is like "
                    "at rest is taken off, so that only the expression is left. For .mat, .npy "
                    "and .csv, which carry it.",
                ),
            ],
            outputs=[
                DTMotion.Output(
                    display_name="motion", tooltip="The motion, in the space of the file."
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, file: str | None) -> bool | str:
        if not file:
            return "choose a motion file, or upload one"
        return runtime.input_problem(file) or True

    @classmethod
    def fingerprint_inputs(cls, file: str, fps: float | None, **_: Any) -> str:
        # ComfyUI also passes what is connected, and follows changes there by itself
        return f"{runtime.file_stamp(file)} {fps}"

    @classmethod
    def execute(cls, file: str, fps: float, neutral: Any = None) -> io.NodeOutput:
        from ..dreamtalk.motion.files import load_motion

        return io.NodeOutput(load_motion(runtime.input_path(file), fps, neutral))


class DreamTalkSaveMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkSaveMotion",
            display_name="DreamTalk Save Motion",
            category=_CATEGORY,
            description=(
                "Writes motion into ComfyUI's output folder, for later or for other programs: "
                "Blender and Unreal read the Live Link Face .csv, all 3-D programs the .glb."
            ),
            inputs=[
                DTMotion.Input("motion", tooltip="The motion to write."),
                io.String.Input(
                    "filename_prefix",
                    default="dreamtalk/motion",
                    tooltip="Beginning of the file name; may name a subfolder.",
                ),
                io.Combo.Input(
                    "format",
                    options=list(FORMATS),
                    default="npz",
                    tooltip="npz: this pack's own, exact. mat, npy: for the official tools. csv: "
                    "Live Link Face (52 ARKit blendshapes). jsonl: one frame a line. glb: a plain "
                    "3-D head that moves, with those shapes as morph targets.",
                ),
            ],
            outputs=[
                DTMotion.Output(display_name="motion", tooltip="The same motion, to go on with.")
            ],
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, motion: Any, filename_prefix: str, format: str) -> io.NodeOutput:
        from ..dreamtalk.motion.files import save_motion

        suffix = "." + choice("format", format, FORMATS)
        path, _ = runtime.output_file(filename_prefix, suffix)
        save_motion(motion, path)
        runtime.notice(cls, f"wrote {path.name}", important=False)
        return io.NodeOutput(motion, ui={"text": (str(path),)})
