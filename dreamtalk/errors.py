"""Every error that a user can cause, as one small hierarchy.

The message says what was wrong, with the value, and what to do about it. The command line prints
it as one line; ComfyUI shows it on the node.
"""

_MOST = 600  # characters: more than a few lines nobody reads
_END = 200


class DreamTalkError(Exception):
    """Base of all errors that this package raises on purpose.

    Messages quote what they refuse, and that can be of any length: what is too long loses its
    middle, so that what is wrong (at the beginning) and what to do (at the end) both stay. What no
    file or socket takes (halves of a pair of UTF-16, which JSON can spell) becomes question marks.
    """

    def __init__(self, message: str = "") -> None:
        if len(message) > _MOST:
            message = f"{message[: _MOST - _END]} [...] {message[-_END:]}"
        super().__init__(message.encode("utf-8", "replace").decode())


class AudioError(DreamTalkError):
    """A recording can't be read, or holds no usable waveform."""


class ImageError(DreamTalkError):
    """A picture can't be read, or can't serve as a portrait."""


class FaceNotFoundError(ImageError):
    """No face was found where one is needed."""


class MotionError(DreamTalkError):
    """A motion file or value is malformed."""


class SpaceMismatchError(DreamTalkError):
    """Two values live in different motion spaces or belong to different checkpoints."""


class CheckpointError(DreamTalkError):
    """A weights file is not what it should be."""


class ModelNotFoundError(DreamTalkError):
    """A model file that is needed is not on this machine."""


class OutputError(DreamTalkError):
    """A result can't be written."""


class MissingDependencyError(DreamTalkError):
    """An optional package is needed for what was asked."""
