"""``Style``: how somebody speaks, as a code of a checkpoint's style encoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DreamTalkError
from ..options import EMOTIONS, checked

__all__ = ["EMOTIONS", "Style"]

if TYPE_CHECKING:  # the names of the emotions are wanted where torch is not loaded yet
    from torch import Tensor


@dataclass(frozen=True)
class Style:
    """A style code.

    Attributes:
        code: (d,) float32, or (T, d) for a style that changes over time: one code per motion frame
            at 25 fps, the last one holds beyond the end.
        model: fingerprint of the checkpoint that it belongs to.
        intensity: guidance scale w of classifier-free guidance that shows it as meant: 0 is the
            null style, 1 as recorded, above 2 lip sync suffers (DreamTalk, section 3.3).
            (T,) for one that changes along with the code.
        name: for people.

    Raises:
        DreamTalkError: if code or intensity have another shape or are not finite, or the
            intensity is out of its range.
    """

    code: Tensor
    model: str
    intensity: float | Tensor = 1.0
    name: str = ""

    def __post_init__(self) -> None:
        import torch

        if self.code.ndim not in (1, 2) or 0 in self.code.shape:
            raise DreamTalkError(f"a style code is (d,) or (T, d), not {tuple(self.code.shape)}")
        if not isinstance(self.intensity, torch.Tensor):
            checked(intensity=self.intensity)
        intensity = torch.as_tensor(self.intensity, dtype=torch.float64)
        if intensity.ndim > 1 or intensity.numel() == 0:
            raise DreamTalkError(f"a style's intensity is a number or (T,), not {intensity.shape}")
        for what, value in (("code", self.code), ("intensity", intensity)):
            if not torch.isfinite(value).all():
                raise DreamTalkError(f"the {what} of the style '{self.name}' is not finite")
        for strength in (intensity.min(), intensity.max()):
            checked(intensity=round(float(strength), 6))  # float32 is not exactly 1.2

    def save(self, path: str | Path) -> None:
        """Write as ``.npz``: code, checkpoint, intensity, name; exactly.

        Raises:
            OutputError: if the file can't be written.
        """
        import numpy as np
        import torch

        from ..files.values import save_values

        intensity = self.intensity
        values = {
            "code": self.code.detach().float().cpu().numpy(),
            "model": np.array(self.model),
            "intensity": intensity.detach().float().cpu().numpy()
            if isinstance(intensity, torch.Tensor)
            else np.array(intensity, dtype=np.float64),
            "name": np.array(self.name),
        }
        save_values(path, "style", values)

    @classmethod
    def load(cls, path: str | Path) -> Style:
        """Read what :meth:`save` wrote. Whether it fits a checkpoint is told when it is used.

        Raises:
            DreamTalkError: if there is no such file, or it holds something else.
        """
        import numpy as np
        import torch

        from ..files.values import load_values, making

        values = load_values(path, "style", DreamTalkError, ("code", "model", "intensity", "name"))
        with making(path, "style", DreamTalkError):
            stored = values["intensity"]
            made = cls(
                torch.from_numpy(values["code"].astype(np.float32)),
                str(values["model"]),
                float(stored) if stored.ndim == 0 else torch.from_numpy(stored.astype(np.float32)),
                str(values["name"]),
            )
        return made
