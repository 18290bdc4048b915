"""Sizes of the small DiffTalk that paints a mouth, and the layout of the crop it works on.

Faces are brought to a crop of 128 px by their irises alone, so that nothing of the mouth decides
where it lies. In it the network paints a box around mouth and chin, the cut; a ring of one patch
along its edge is shown to the network, all inside is hidden.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..config import ScheduleConfig, UNetConfig, tuples

STARTER_FILE = Path(__file__).resolve().parents[2] / "weights" / "difftalk.safetensors"
"""The weights that come with the package."""
CROP = 128
"""Side of the crop, px."""
IRIS_RIGHT, IRIS_LEFT = (38.0, 8.0), (90.0, 8.0)
"""Where the irises' centres lie in it: the subject's right eye is on the left."""
CUT_LEFT, CUT_TOP, CUT_WIDTH, CUT_HEIGHT = 24, 46, 80, 64
"""The box that is painted, in the crop's middle. Of 879 people lips lie within x 33..95 and, in
rest, y 51..87; noses end between 41 and 54, chins between 93 and 117."""
LIP_NUMBERS = 16
"""Of the lip token: 13 channels against those of the reference, both apertures, and 1 where the
placed picture is the frame itself, wrong between the lips alone."""


@dataclass(frozen=True)
class MouthConfig:
    """Sizes of the mouth painter.

    Attributes:
        unet: of the denoising network.
        schedule: of the diffusion.
        patch: side of the blocks of pixels that become one place of the latent.
        latent_channels: numbers kept of a block.
        code_dim: of each of the three codes: speech, landmarks, lips.
    """

    unet: UNetConfig = field(
        default_factory=lambda: UNetConfig(48, (1, 2, 3), 1, (2,), head_dim=48, groups=16)
    )
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    patch: int = 4
    latent_channels: int = 16
    code_dim: int = 64

    @property
    def latent_size(self) -> tuple[int, int]:
        """(height, width) of the latent."""
        return CUT_HEIGHT // self.patch, CUT_WIDTH // self.patch

    @property
    def context_dim(self) -> int:
        """Numbers in the token."""
        return 3 * self.code_dim

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> MouthConfig:
        """The other way round. Raises TypeError on names that are not known."""
        parts = {"unet": UNetConfig, "schedule": ScheduleConfig}
        values = {
            name: parts[name](**tuples(value)) if name in parts else value
            for name, value in content.items()
        }
        return cls(**values)
