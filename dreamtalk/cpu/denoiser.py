"""The denoiser's twin, which samples on a CPU in whichever way is the fastest there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from ..networks.denoiser import Denoiser, SamplingNetwork
from .arranged import ArrangedDenoiser
from .frame import FrameDenoiser, fits_frames


class FastDenoiser(Denoiser):
    """A denoiser that samples through an arranged copy of its weights while it is on a CPU.

    The copy is made when it is needed first and again when the weights have changed. It goes when
    the module moves to another device or dtype: elsewhere the plain network samples.
    """

    _arranged: tuple[list[tuple[int, int]], ArrangedDenoiser] | None = None

    def for_sampling(self) -> SamplingNetwork:
        """The arranged copy, or this network itself where that isn't on a CPU."""
        parameters = list(self.parameters())
        if any(p.device.type != "cpu" for p in parameters):
            self._arranged = None
            return self
        # weights loaded under inference mode count no versions: they can't change either
        stamp = [(p.data_ptr(), 0 if p.is_inference() else p._version) for p in parameters]
        if self._arranged is None or self._arranged[0] != stamp:
            self._arranged = (stamp, ArrangedDenoiser(self))
        return self._arranged[1]

    def for_frames(self) -> SamplingNetwork:
        """The arranged copy as it samples one frame at a time, where that can be."""
        network = self.for_sampling()
        if isinstance(network, ArrangedDenoiser) and fits_frames(network):
            return FrameDenoiser(network)
        return network

    def _apply(self, fn: Callable[[Tensor], Tensor], *args: Any, **kwargs: Any) -> FastDenoiser:
        self._arranged = None  # torch calls this for every move and every change of dtype
        super()._apply(fn, *args, **kwargs)
        return self
