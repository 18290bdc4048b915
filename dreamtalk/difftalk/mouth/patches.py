"""The first stage of the small model: blocks of pixels by their principal components.

A fixed linear map in place of a learned autoencoder. On faces of this size 16 numbers of a block of
4 x 4 pixels keep all that can be seen, both ways cost nothing, and losses on pixels are free.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Patches(nn.Module):
    """Pictures to latents and back.

    Attributes:
        mean: (3 patch^2,) of the blocks.
        basis: (channels, 3 patch^2) orthonormal rows.
        scale: (channels,) what the components are divided by.
    """

    mean: Tensor
    basis: Tensor
    scale: Tensor

    def __init__(self, patch: int = 4, channels: int = 16) -> None:
        super().__init__()
        self.patch = patch
        values = 3 * patch**2
        self.register_buffer("mean", torch.zeros(values))
        self.register_buffer("basis", torch.eye(values)[:channels])
        self.register_buffer("scale", torch.ones(channels))

    @torch.no_grad()
    def fit(self, images: Tensor) -> float:
        """Take mean, components and scales from pictures (N, 3, H, W).

        Components are divided by the square root of their deviation (times that of the first), so
        that fine ones are neither lost in the noise nor as loud as the coarse ones.

        Returns:
            The share of the variance that is kept.
        """
        blocks = self._blocks(images.double()).transpose(1, 2).flatten(0, 1)
        mean = blocks.mean(0)
        values, vectors = torch.linalg.eigh((blocks - mean).T.cov())
        count = len(self.basis)
        kept, rows = values.flip(0)[:count], vectors.flip(1)[:, :count].T
        # the sign of a component is free: its largest weight is positive, on every machine
        largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
        self.mean.copy_(mean)
        self.basis.copy_(rows * largest.sign())
        deviation = kept.sqrt()
        self.scale.copy_((deviation * deviation[0]).sqrt())
        return float(kept.sum() / values.sum())

    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, channels, H / patch, W / patch)"""
        _, _, height, width = images.shape
        centred = self._blocks(images) - self.mean[:, None]
        codes = (self.basis @ centred) / self.scale[:, None]
        return codes.unflatten(2, (height // self.patch, width // self.patch))

    def decode(self, latents: Tensor) -> Tensor:
        """(B, channels, h, w) -> (B, 3, h * patch, w * patch)"""
        _, _, h, w = latents.shape
        scaled = latents.flatten(2) * self.scale[:, None]
        blocks = self.basis.T @ scaled + self.mean[:, None]
        return F.pixel_shuffle(blocks.unflatten(2, (h, w)), self.patch)

    def _blocks(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 3 patch^2, number of blocks)"""
        return F.pixel_unshuffle(images, self.patch).flatten(2)
