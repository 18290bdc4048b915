"""The denoiser, one frame after the other."""

from __future__ import annotations

import torch
from torch import Tensor

from ..curves.easing import minimum_jerk
from ..diffusion.closing import close_lips
from ..diffusion.guidance import guided
from ..diffusion.samplers import FrameNoise, sample_ddim
from ..errors import DreamTalkError, SpaceMismatchError
from ..model import DreamTalkModel
from ..model.sample import lip_closing
from ..networks.speech_encoder import heard_bilabials
from ..style.style import Style

_BLOCK = 32  # frames whose noise is drawn together
_ROWS_BESIDE = 3  # on each side of the middle one, which a frame and its neighbours take


class FrameSampler:
    """Samples the expression of single frames, as ``sample_motion`` samples those of a recording.

    The noise of a frame is the same as there. What settles the motion is different: each frame
    takes on a share of the one before it, not of both its neighbours, of which one is yet to come;
    and that silence will last isn't known ahead, so that lips are shut for b, m and p alone.

    Args:
        model: the checkpoint.
        style: of this checkpoint, one code that does not change over time.
        steps: of DDIM.
        guidance: multiplies the style's intensity.
        seed: of the noise.
    """

    def __init__(
        self, model: DreamTalkModel, style: Style, steps: int, guidance: float, seed: int
    ) -> None:
        self._model, self._steps, self._guidance = model, steps, guidance
        calibration = model.calibration
        channels = model.denoiser.config.expression_dim
        self._noise = FrameNoise(channels, seed, calibration.noise_smoothing)
        self._drawn: tuple[int, Tensor] = (-1, torch.zeros(0))
        self._network = model.denoiser.for_frames()
        with torch.no_grad():
            self._null = self._network.prepare(model.denoiser.encode_null_style())
        self._from = self._to = self._checked(style)
        self._since = self._length = 0
        self._prepared: tuple[Tensor, object] | None = None
        self._before: Tensor | None = None

    def _checked(self, style: Style) -> tuple[Tensor, float]:
        model = self._model
        if style.model != model.fingerprint:
            raise SpaceMismatchError(
                f"the style '{style.name or 'code'}' was made with the checkpoint {style.model}, "
                f"but '{model.title}' speaks: make the style with the same checkpoint"
            )
        if style.code.ndim != 1 or isinstance(style.intensity, Tensor):
            raise DreamTalkError(
                f"the style '{style.name}' changes over time, which a stream can't know ahead: "
                "give one style, and change it when it is time"
            )
        parameter = next(model.denoiser.parameters())
        code = style.code.to(parameter.device, parameter.dtype)
        return code, style.intensity * self._guidance

    def change_style(self, style: Style, frames: int) -> None:
        """Go over to another style within so many frames."""
        new = self._checked(style)
        self._from, self._to = self._style(), new
        self._since, self._length = 0, frames

    def _style(self) -> tuple[Tensor, float]:
        """Code and guidance scale of the moment."""
        if self._since >= self._length:
            return self._to
        share = float(minimum_jerk(torch.tensor((self._since + 1.0) / (self._length + 1.0))))
        (code, scale), (new_code, new_scale) = self._from, self._to
        return code + share * (new_code - code), scale + share * (new_scale - scale)

    @torch.no_grad()
    def next(self, frame: int, rows: Tensor) -> Tensor:
        """The expression (C,) float32 on the CPU of a frame.

        Args:
            frame: its number.
            rows: (W, feature_dim) of its window.
        """
        model = self._model
        device, dtype = model.motion_mean.device, next(model.denoiser.parameters()).dtype
        content = self._network.encode_content(rows[None, None].to(device, dtype))
        code, scale = self._style()
        self._since = min(self._since + 1, self._length)
        if self._prepared is None or self._prepared[0] is not code:
            self._prepared = (code, self._network.prepare(code[None]))
        network = self._network
        predict = guided(
            lambda x, t, style: network.predict(x, t, content, style),
            self._prepared[1],
            None if scale == 1.0 else self._null,
            scale,
            both=lambda x, t, *styles: network.predict_both(x, t, content, *styles),
        )
        x = model.calibration.noise_scale * self._noise_of(frame)
        x = sample_ddim(
            lambda x, t: predict(x.to(dtype), t).float(),
            x[None, None].to(device),
            model.schedule,
            self._steps,
        )
        found = (x[0, 0] * model.motion_std + model.motion_mean).cpu()
        # twice the share of one side: the same is taken off at the edge of what frames show
        share = 2 * model.calibration.settling
        before = found if self._before is None else self._before
        self._before = found
        return self._closed((1 - share) * found + share * before, rows)

    def _closed(self, expression: Tensor, rows: Tensor) -> Tensor:
        """Lips (C,) that are shut where b, m and p are heard, as ``sample_motion`` shuts them."""
        strength, middle = self._model.calibration.closing, len(rows) // 2
        if not strength or self._model.space != "face" or middle < _ROWS_BESIDE:
            return expression
        near = rows[middle - 2 : middle + 4].cpu()  # of the frame and its neighbours, two each
        closing = lip_closing(heard_bilabials(near)[1:2])
        return close_lips(expression[None], closing, strength)[0]

    def _noise_of(self, frame: int) -> Tensor:
        block = frame // _BLOCK
        if self._drawn[0] != block:
            self._drawn = (block, self._noise.draw(block * _BLOCK, (block + 1) * _BLOCK))
        return self._drawn[1][frame % _BLOCK]
