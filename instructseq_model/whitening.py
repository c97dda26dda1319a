"""Whitening: frozen features brought to mean zero and about unit variance along every direction.

A frozen encoder's features vary a thousand times more along some directions than along others, and what tells a mug
from a jug is rarely among the loudest. A layer fitted on them by gradient descent learns the loud directions first and
the others hardly ever. The transformation is fixed before training and does not learn.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from instructseq_model.errors import ConfigError

FLOOR = 0.05
"""Least variance that is taken away, relative to the mean variance: directions of noise are not blown up."""


class Whitening(nn.Module):
    """x -> (x - mean) @ matrix; the identity until it is fitted.

    Args:
        width: D of the features.
    """

    mean: Tensor
    matrix: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))  # D
        # Not torch.eye: on the device "meta" it imports PyTorch's compiler.
        self.register_buffer("matrix", torch.zeros(width, width).fill_diagonal_(1))  # D x D, symmetric

    def forward(self, features: Tensor) -> Tensor:
        """... x D to ... x D."""
        centred = features - self.mean.to(features.dtype)
        return centred @ self.matrix.to(features.dtype)

    @torch.no_grad()
    def fit(self, samples: Tensor) -> None:
        """Set mean and matrix from N x D samples: the symmetric square root of the inverse covariance.

        Raises:
            ConfigError: there are fewer than two samples, or they are of another width.
        """
        if samples.ndim != 2 or samples.shape[0] < 2 or samples.shape[1] != len(self.mean):
            raise ConfigError(
                f"whitening needs at least 2 samples of width {len(self.mean)}, got {tuple(samples.shape)}"
            )
        wide = samples.double()
        variance, directions = torch.linalg.eigh(torch.cov(wide.T))
        scale = (variance.clamp(min=0) + FLOOR * variance.mean()).rsqrt()
        self.mean.copy_(wide.mean(0))
        self.matrix.copy_((directions * scale) @ directions.T)

    @torch.no_grad()
    def absorb(self, linear: nn.Linear, columns: slice) -> None:
        """Change a linear layer that read raw features, so that it gives the same on whitened ones.

        Args:
            linear: changed in place.
            columns: which of its inputs are the features.
        """
        weight = linear.weight[:, columns].double()
        linear.bias.add_((weight @ self.mean.double()).to(linear.bias.dtype))
        linear.weight[:, columns] = torch.linalg.solve(self.matrix.double(), weight.T).T.to(linear.weight.dtype)
