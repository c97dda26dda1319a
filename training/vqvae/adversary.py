"""The adversarial loss of latent diffusion's autoencoders: a discriminator of patches that learns beside the VQ-VAE.

Follows Esser et al., "Taming Transformers for High-Resolution Image Synthesis" (CVPR 2021), section 3.1 and its code:
the discriminator of pix2pix, hinge losses, and a weight that keeps the adversarial gradient as long as that of the
reconstruction. One difference: the discriminator learns from the pictures of the same forward pass that the VQ-VAE
learns from, not from those of a second one.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from instructseq_model.vqvae import fill, read_weights
from instructseq_training.vqvae.recipe import AdversarialConfig

DISCRIMINATOR_FILE = "discriminator.safetensors"
"""Its name in a folder of converted weights."""

CHANCE = "chance"
"""In place of a weights file: a discriminator that has learned nothing yet."""

MOST_WEIGHT = 1e4


class BatchStatistics(nn.BatchNorm2d):
    """Batch normalisation that always uses the batch at hand, and never counts.

    The discriminator is not used apart from its training, and workers that share it must not write to it.
    """

    def forward(self, x: Tensor) -> Tensor:
        """B x C x H x W; the same shape comes back."""
        return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)


class Discriminator(nn.Module):
    """PatchGAN: for every patch of a picture, how real it looks. Names of weights as published (`main.0.weight`).

    Args:
        channels: width of the first layer; it doubles with every layer, up to eight times.
        layers: that halve the side; 3 see patches of 70 pixels, 2 of 34.
    """

    def __init__(self, *, channels: int, layers: int) -> None:
        super().__init__()
        widths = [channels * min(2**index, 8) for index in range(layers + 1)]
        main: list[nn.Module] = [nn.Conv2d(3, channels, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for index in range(layers):
            stride = 2 if index + 1 < layers else 1
            main += [
                nn.Conv2d(widths[index], widths[index + 1], 4, stride=stride, padding=1, bias=False),
                BatchStatistics(widths[index + 1]),
                nn.LeakyReLU(0.2),
            ]
        main.append(nn.Conv2d(widths[-1], 1, 4, padding=1))
        self.main = nn.Sequential(*main)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, 0.02)
            elif isinstance(module, BatchStatistics):
                nn.init.normal_(module.weight, 1.0, 0.02)

    def forward(self, images: Tensor) -> Tensor:
        """B x 3 x H x W, about in [-1, 1] -> B x 1 x h x w, h = H / 2**layers - 2; above 0 looks real."""
        scores: Tensor = self.main(images)
        return scores


def hinge_loss(real: Tensor, made: Tensor) -> Tensor:
    """What the discriminator is trained for: scores above 1 for real pictures, below -1 for made ones; a scalar."""
    return 0.5 * (F.relu(1.0 - real).mean() + F.relu(1.0 + made).mean())


def adaptive_weight(reconstruction: Tensor, fooling: Tensor, last_layer: Tensor) -> Tensor:
    """What makes the adversarial gradient at the decoder's last layer as long as that of the reconstruction.

    Args:
        reconstruction: loss, a scalar.
        fooling: loss, a scalar.
        last_layer: weights that both depend on; the graph is kept.

    Returns:
        A scalar in [0, 10000], without gradient.
    """
    of_reconstruction, of_fooling = (
        torch.autograd.grad(loss, last_layer, retain_graph=True)[0].norm() for loss in (reconstruction, fooling)
    )
    return (of_reconstruction / (of_fooling + 1e-4)).clamp(0.0, MOST_WEIGHT).detach()


class Adversary:
    """A discriminator with its optimiser.

    Args:
        config: how much it counts, and from which step on.
        discriminator: changed in place.
    """

    def __init__(self, config: AdversarialConfig, discriminator: Discriminator) -> None:
        self.config = config
        self.discriminator = discriminator.train()
        self.parameters = list(discriminator.parameters())
        self.optimizer = torch.optim.Adam(self.parameters, betas=(0.5, 0.9))

    def at_work(self, step: int) -> bool:
        """Whether it takes part in a step."""
        return step >= self.config.start_step

    def fooling(self, made: Tensor) -> Tensor:
        """What the VQ-VAE is trained for: pictures that look real, B x 3 x H x W -> a scalar."""
        return -self.discriminator(made).mean()

    def opposing(self, made: Tensor, real: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The discriminator's own loss and its gradients by `parameters`; no gradient goes to the pictures."""
        loss = hinge_loss(self.discriminator(real.detach()), self.discriminator(made.detach()))
        return loss.detach(), torch.autograd.grad(loss, self.parameters)


def load_adversary(config: AdversarialConfig, weights: Path | None, *, device: torch.device) -> Adversary:
    """An adversary on the device.

    Args:
        config: its shape and part.
        weights: a .safetensors file; None for a discriminator that has learned nothing yet.
        device: where the VQ-VAE is trained.

    Raises:
        CheckpointError: the file is missing, damaged, a pickle, or of another shape.
    """
    discriminator = Discriminator(channels=config.channels, layers=config.layers)
    if weights is not None:
        fill(discriminator, read_weights(weights), source=weights, kind="discriminator of adversarial")
    return Adversary(config, discriminator.to(device))
