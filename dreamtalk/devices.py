"""Where to compute."""

from __future__ import annotations

import torch

from .errors import DreamTalkError


def usable_device(device: str | torch.device) -> torch.device:
    """A device that is there.

    Args:
        device: as torch names it: cpu, cuda, cuda:1, mps ...

    Raises:
        DreamTalkError: if it is not, with what torch says of it.
    """
    try:
        torch.empty(1, device=device)
        return torch.device(device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise DreamTalkError(f"the device '{device}' can't be used here: {reason}") from None
