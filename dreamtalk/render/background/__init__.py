"""Another background, or none: the person is cut out of the portrait and carried along."""

from .choice import KEEP, TRANSPARENT, Background, background_of, needs_file
from .cutout import Cutout, cut_out, with_mattes
from .stream import over_background

__all__ = [
    "KEEP",
    "TRANSPARENT",
    "Background",
    "Cutout",
    "background_of",
    "cut_out",
    "needs_file",
    "over_background",
    "with_mattes",
]
