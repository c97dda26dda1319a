"""VQ-VAE of latent diffusion: pictures to a grid of visual tokens and back.

Follows `VQModel` of Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (CVPR 2022). The
default configuration is its vq-f8 autoencoder: 16384 codes of width 4, an eighth of the side. Names match its weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from instructseq_model.errors import CheckpointError, ConfigError
from instructseq_model.vqvae_layers import Decoder, Encoder, Normalization

CONFIG_FILE = "config.yaml"
WEIGHTS_FILE = "model.safetensors"
PUBLISHED_PREFIX = "first_stage_model."
DISTANCES_AT_ONCE = 1 << 27
"""Bounds the memory of looking codes up: half a gigabyte."""


@dataclass(frozen=True, kw_only=True)
class VQVAEConfig:
    """Shape of a VQ-VAE; the defaults are latent diffusion's vq-f8.

    Args:
        resolution: side of the pictures it is meant for, pixels; decides which levels have attention.
        channels: width at full resolution.
        multipliers: width of each level as a multiple of `channels`; every level but the last halves the side.
        blocks: residual blocks a level in the encoder; the decoder has one more.
        attention_resolutions: sides (of `resolution` and its halves) at which attention follows the blocks.
        mid_attention: attention in the middle, as in all published models.
        latent_channels: channels of the encoder's result.
        codes: entries of the codebook.
        code_width: numbers of an entry.
        normalization: "group" as published; "pixel" makes codes depend on their neighbourhood only.
        patch: 1 as published; p > 1 takes p x p pixels as the channels of one position, in and out.
    """

    resolution: int = 256
    channels: int = 128
    multipliers: tuple[int, ...] = (1, 2, 2, 4)
    blocks: int = 2
    attention_resolutions: tuple[int, ...] = (32,)
    mid_attention: bool = True
    latent_channels: int = 4
    codes: int = 16384
    code_width: int = 4
    normalization: Normalization = "group"
    patch: int = 1

    def __post_init__(self) -> None:
        counts = {
            name: getattr(self, name)
            for name in ("resolution", "channels", "blocks", "latent_channels", "codes", "code_width", "patch")
        }
        for name, value in counts.items():
            if not isinstance(value, int) or value < 1:
                raise ConfigError(f"VQ-VAE: {name} must be a whole number of at least 1, got {value!r}")
        if not self.multipliers or min(self.multipliers) < 1:
            raise ConfigError(f"VQ-VAE: multipliers must be whole numbers of at least 1, got {self.multipliers}")
        if self.resolution % self.reduction:
            raise ConfigError(
                f"VQ-VAE: resolution {self.resolution} is no multiple of {self.reduction}, "
                f"the reduction of {len(self.multipliers)} levels; change one of them"
            )
        if self.normalization not in ("group", "pixel"):
            raise ConfigError(f"VQ-VAE: normalization must be 'group' or 'pixel', got {self.normalization!r}")
        if self.normalization == "group" and self.channels > 4 and self.channels % 4:
            raise ConfigError(f"VQ-VAE: with group normalization channels must be a multiple of 4, got {self.channels}")

    @property
    def reduction(self) -> int:
        """Pixels on the side of one code: 8 for f8."""
        return self.patch << (len(self.multipliers) - 1)

    @property
    def grid(self) -> int:
        """Codes on the side of a picture of `resolution`."""
        return self.resolution // self.reduction

    @property
    def attention(self) -> tuple[bool, ...]:
        """For each level, finest first, whether it has attention."""
        sides = (self.resolution // self.patch >> level for level in range(len(self.multipliers)))
        return tuple(side in self.attention_resolutions for side in sides)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> VQVAEConfig:
        """The configuration a YAML mapping describes; keys left out keep their defaults.

        Raises:
            ConfigError: an unknown key, or a value outside its range.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ConfigError(f"VQ-VAE: unknown keys {unknown}; known are {sorted(known)}")
        plain: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
        return cls(**plain)

    def to_mapping(self) -> dict[str, Any]:
        """The inverse of `from_mapping`, of plain YAML types."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


class Codebook(nn.Module):
    """The entries a latent may take; named as in latent diffusion."""

    def __init__(self, codes: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(codes, width)
        nn.init.uniform_(self.embedding.weight, -1.0 / codes, 1.0 / codes)

    def nearest(self, latents: Tensor) -> Tensor:
        """Index of the nearest entry for every row: M x D -> M, long."""
        entries = self.embedding.weight.float()  # N x D
        squares = entries.square().sum(1)
        parts = latents.float().split(max(1, DISTANCES_AT_ONCE // len(entries)))
        return torch.cat([torch.addmm(squares, part, entries.T, alpha=-2.0).argmin(1) for part in parts])  # of m x N


class VQVAE(nn.Module):
    """Encoder, codebook and decoder.

    Args:
        config: the shape.
    """

    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        self.config = config
        shape: dict[str, Any] = {
            "channels": config.channels,
            "multipliers": config.multipliers,
            "blocks": config.blocks,
            "attention": config.attention,
            "mid_attention": config.mid_attention,
            "latent_channels": config.latent_channels,
            "normalization": config.normalization,
            "patch": config.patch,
        }
        self.encoder = Encoder(**shape)
        self.decoder = Decoder(**shape)
        self.quantize = Codebook(config.codes, config.code_width)
        self.quant_conv = nn.Conv2d(config.latent_channels, config.code_width, 1)
        self.post_quant_conv = nn.Conv2d(config.code_width, config.latent_channels, 1)

    @property
    def codebook(self) -> Tensor:
        """The entries, codes x code_width."""
        return self.quantize.embedding.weight

    def latents(self, images: Tensor) -> Tensor:
        """What is quantised: B x 3 x H x W in [-1, 1] -> B x code_width x h x w."""
        return cast(Tensor, self.quant_conv(self.encoder(images)))

    def quantise(self, latents: Tensor) -> Tensor:
        """Nearest entries: B x code_width x h x w -> B x h x w, long."""
        rows = latents.movedim(1, -1)  # B x h x w x D
        return self.quantize.nearest(rows.reshape(-1, rows.shape[-1])).view(rows.shape[:-1])

    def encode(self, images: Tensor) -> Tensor:
        """Pictures to codes.

        Args:
            images: B x 3 x H x W, in [-1, 1], H and W multiples of `config.reduction`.

        Returns:
            B x H/reduction x W/reduction, long, in [0, codes).

        Raises:
            ValueError: another shape.
        """
        side = self.config.reduction
        if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] % side or images.shape[3] % side:
            raise ValueError(f"images must be B x 3 x H x W with sides in steps of {side}, got {tuple(images.shape)}")
        return self.quantise(self.latents(images))

    def decode(self, codes: Tensor) -> Tensor:
        """Codes to pictures.

        Args:
            codes: B x h x w, whole numbers in [0, codes).

        Returns:
            B x 3 x h*reduction x w*reduction, clipped to [-1, 1].

        Raises:
            ValueError: another shape or type.
        """
        if codes.ndim != 3 or codes.is_floating_point():
            raise ValueError(f"codes must be B x h x w whole numbers, got {tuple(codes.shape)} {codes.dtype}")
        return self.decode_latents(F.embedding(codes, self.codebook).movedim(-1, 1)).clamp(-1.0, 1.0)

    def decode_latents(self, latents: Tensor) -> Tensor:
        """B x code_width x h x w -> B x 3 x H x W, not clipped: what training differentiates through."""
        return cast(Tensor, self.decoder(self.post_quant_conv(latents)))


def published_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The autoencoder's part of a latent-diffusion state dict, under this module's names.

    Args:
        state: a first-stage checkpoint, or a whole latent-diffusion one, where the autoencoder's names start with
            `first_stage_model.` and everything else is another network.

    Returns:
        The same tensors without that prefix and without the training loss's own networks (`loss.*`).
    """
    if any(name.startswith(PUBLISHED_PREFIX) for name in state):
        state = {n.removeprefix(PUBLISHED_PREFIX): t for n, t in state.items() if n.startswith(PUBLISHED_PREFIX)}
    return {name: tensor for name, tensor in state.items() if not name.startswith("loss.")}


def load_published(model: VQVAE, path: Path) -> None:
    """Fill `model` with a published state dict kept as safetensors (see `instructseq_training.vqvae.convert`).

    Args:
        model: of the published shape, `VQVAE(VQVAEConfig())` for vq-f8.
        path: a .safetensors file with latent diffusion's names, bare or under `first_stage_model.`.

    Raises:
        CheckpointError: the file is missing, damaged or a pickle, or names and shapes do not fit.
    """
    fill(model, published_state(read_weights(path)), source=path)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file.

    Raises:
        CheckpointError: the file is missing, damaged or of another format.
    """
    if path.suffix != ".safetensors":
        raise CheckpointError(
            f"{path}: only .safetensors is read; convert a published .ckpt with "
            "`python -m instructseq_training.vqvae.convert CKPT OUT`"
        )
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; give the path of a VQ-VAE's weights")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged ({error}); fetch or convert it again") from error


def fill(model: nn.Module, state: Mapping[str, Tensor], *, source: Path, kind: str = "VQ-VAE") -> None:
    """Load `state` into `model`, every name and shape exactly once.

    Args:
        model: to be filled.
        state: the tensors.
        source: where they come from, for the message.
        kind: what the model is, for the message.

    Raises:
        CheckpointError: something is missing, left over or of another shape; the message names the first few.
    """
    own = model.state_dict()
    problems = [f"missing {name}" for name in own if name not in state]
    problems += [f"unexpected {name}" for name in state if name not in own]
    problems += [
        f"{name} is {tuple(state[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in own.items()
        if name in state and state[name].shape != tensor.shape
    ]
    if problems:
        shown = "; ".join(problems[:4]) + ("; ..." if len(problems) > 4 else "")
        raise CheckpointError(f"{source}: does not fit the {kind}: {shown}. Use the configuration it was made with")
    model.load_state_dict(dict(state))


def save_vqvae(model: VQVAE, directory: Path) -> None:
    """Write `config.yaml` and `model.safetensors` (float32) into `directory`, made where missing."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / CONFIG_FILE).write_text(yaml.safe_dump(model.config.to_mapping(), sort_keys=False), encoding="utf-8")
    state = {name: tensor.detach().float().contiguous().cpu() for name, tensor in model.state_dict().items()}
    partial = directory / f"{WEIGHTS_FILE}.part"
    save_file(state, partial)
    partial.replace(directory / WEIGHTS_FILE)


def load_vqvae(directory: Path) -> VQVAE:
    """The model that `save_vqvae` wrote, in evaluation mode, float32, on the CPU, channels last.

    Raises:
        CheckpointError: a file is missing or damaged, or they do not belong together.
        ConfigError: the configuration is not valid.
    """
    path = directory / CONFIG_FILE
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; give the folder that training wrote")
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: must be a mapping of VQ-VAE settings")
    model = VQVAE(VQVAEConfig.from_mapping(values))
    fill(model, read_weights(directory / WEIGHTS_FILE), source=directory / WEIGHTS_FILE)
    return model.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
