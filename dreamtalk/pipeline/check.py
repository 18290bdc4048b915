"""What can be known of a job's files before its work begins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..face.image import check_picture_name
from ..files.clashes import Paths, check_outputs
from ..motion.files import check_motion_name
from ..render.background import background_of, needs_file
from ..render.video import container_of
from .jobs import Dub, Performance, Shot, Talk


def check_talk(job: Talk) -> None:
    """Refuse outputs of an unknown kind, or that would be written over an input or each other.

    Raises:
        OutputError: on the first that can't be; nothing has been written then.
    """
    _check(job.shot, _sources(job.performance), job.save_motion)


def check_performance(job: Performance, out: Path) -> None:
    """The same for the motion file that a performance is written to."""
    check_motion_name(out)
    check_outputs({"the motion": out}, _sources(job))


def check_shot(
    job: Shot, sources: Mapping[str, Paths] | None = None, motion: Path | None = None
) -> None:
    """The same for a video.

    Args:
        sources: what else is read, as :func:`check_outputs` takes it: the motions.
        motion: a motion file that is written too.
    """
    _check(job, sources or {}, motion)


def check_dub(job: Dub) -> None:
    """The same for a dubbed film.

    Raises:
        OutputError: on the first output that can't be; nothing has been written then.
    """
    container_of(job.out)
    if job.save_motion is not None:
        check_motion_name(job.save_motion)
    check_outputs(
        {"the video": job.out, "the motion": job.save_motion},
        {
            "the film": job.video,
            "the recording": job.speech.audio,
            "the style's clip": job.style.clip if job.style else None,
            "the checkpoint": job.checkpoint,
            "the painter": job.painter,
        },
    )


def _sources(job: Performance) -> dict[str, Paths]:
    return {
        "the recording": job.speech.audio,
        "the style's clip": job.style.clip,
        "the checkpoint": job.checkpoint,
    }


def _check(job: Shot, sources: Mapping[str, Paths], motion: Path | None = None) -> None:
    behind = background_of(job.background)
    container_of(job.out, transparent=behind is not None and behind.transparent)
    if motion is not None:
        check_motion_name(motion)
    if job.debug is not None:
        check_picture_name(job.debug)
    check_outputs(
        {"the video": job.out, "the motion": motion, "the layers": job.debug},
        {
            "the portrait": job.portrait,
            "the open mouth": job.open_mouth,
            "the sound": job.audio,
            "the renderer": job.renderer,
            "the background": job.background if needs_file(job.background) else None,
            **sources,
        },
    )
