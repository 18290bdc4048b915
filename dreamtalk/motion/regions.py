"""Names for groups of channels, the same in every space that can tell them apart."""

from __future__ import annotations

from ..errors import MotionError
from .spaces import space

HEAD_REGIONS: dict[str, tuple[str, ...]] = {
    "head": ("pitch", "yaw", "roll"),
    "position": ("x", "y", "z"),
}
"""Regions of ``Motion.head``: they exist in every space."""


def region_channels(space_name: str, name: str) -> tuple[str, ...]:
    """Channels of a region, or the one channel of that name.

    ``mouth`` is lips and jaw, ``eyes`` lids and gaze, ``upper`` all but the mouth, ``expression``
    everything.

    Raises:
        MotionError: if the space has neither; names the ones it has.
    """
    members = space(space_name)
    if name in members.index:
        return (name,)
    if name == "expression":
        return members.channels
    if name not in members.regions:
        raise MotionError(
            f"a '{space_name}' motion has no region or channel '{name}': regions are expression, "
            f"{', '.join(members.regions)}, {', '.join(HEAD_REGIONS)}"
        )
    return members.regions[name]
