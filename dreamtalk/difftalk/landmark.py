"""The landmark network: where the head is, without the lips (DiffTalk, section 3.2)."""

from __future__ import annotations

from torch import Tensor, nn

from .audio import SLOPE
from .config import LANDMARKS


class LandmarkNet(nn.Module):
    """39 points -> a code."""

    def __init__(self, code_dim: int = 64) -> None:
        super().__init__()
        self.encoder_fc1 = nn.Sequential(
            nn.Linear(2 * LANDMARKS, 128),
            nn.LeakyReLU(SLOPE),
            nn.Linear(128, 64),
            nn.LeakyReLU(SLOPE),
            nn.Linear(64, code_dim),
        )

    def forward(self, landmarks: Tensor) -> Tensor:
        """(B, 39, 2), x and y in px of the network's picture -> (B, code_dim)."""
        return self.encoder_fc1(landmarks.flatten(1))
