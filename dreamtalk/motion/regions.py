"""Names for groups of channels, the same in every space that can tell them apart."""

from __future__ import annotations

from ..errors import MotionError
from .spaces import LIP_CHANNELS, space

HEAD_REGIONS: dict[str, tuple[str, ...]] = {
    "head": ("pitch", "yaw", "roll"),
    "position": ("x", "y", "z"),
}
"""Regions of ``Motion.head``: they exist in every space."""

REGIONS: tuple[str, ...] = (
    "expression", "mouth", "lips", "jaw", "eyes", "lids", "gaze", "brows", "cheeks", "nose",
    "upper", "head", "position",
)  # fmt: skip
"""``mouth`` = lips and jaw, ``eyes`` = lids and gaze, ``upper`` = all but the mouth."""

# By how channel names begin; a longer beginning wins over a shorter one.
_PREFIXES: dict[str, dict[str, str]] = {
    "face": {
        "lip": "lips", "mouth": "lips", "chin": "jaw", "jaw": "jaw", "lid": "lids",
        "gaze": "gaze", "brow": "brows", "cheek": "cheeks", "nose": "nose",
    },
    "arkit": {
        "mouth": "lips", "tongue": "lips", "jaw": "jaw", "eye": "lids", "eyeLook": "gaze",
        "brow": "brows", "cheek": "cheeks", "nose": "nose",
    },
}  # fmt: skip
# Coefficients that the official decoder's mouth branch predicts (DreamTalk's upper/lower split).
_BFM_MOUTH = (0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13, 14)
_UNIONS: dict[str, tuple[str, ...]] = {"mouth": ("lips", "jaw"), "eyes": ("lids", "gaze")}


def region_channels(space_name: str, name: str) -> tuple[str, ...]:
    """Channels of a region, or the one channel of that name.

    Raises:
        MotionError: if the space has neither; names the ones it has.
    """
    members = space(space_name)
    if name in members.index:
        return (name,)
    if name == "expression":
        return members.channels
    if space_name == "bfm":
        mouth = tuple(members.channels[i] for i in _BFM_MOUTH)
        known = {"mouth": mouth, "upper": tuple(c for c in members.channels if c not in mouth)}
    else:
        known = _by_prefix(space_name, members.channels)
    if name not in known:
        raise MotionError(
            f"a '{space_name}' motion has no region or channel '{name}': regions are expression, "
            f"{', '.join(known)}, {', '.join(HEAD_REGIONS)}"
        )
    return known[name]


def _by_prefix(space_name: str, channels: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    prefixes = _PREFIXES[space_name]
    groups: dict[str, tuple[str, ...]] = {}
    for channel in channels:
        prefix = max((p for p in prefixes if channel.startswith(p)), key=len)
        groups[prefixes[prefix]] = (*groups.get(prefixes[prefix], ()), channel)
    for union, parts in _UNIONS.items():
        groups[union] = tuple(c for part in parts for c in groups[part])
    mouth = set(LIP_CHANNELS) if space_name == "face" else set(groups["mouth"])
    groups["upper"] = tuple(c for c in channels if c not in mouth)
    return groups
