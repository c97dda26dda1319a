"""Image encoders: a Vision Transformer, from pixels to one feature vector per patch (paper, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from instructseq_model.errors import CheckpointError, ConfigError, ImageError
from instructseq_model.pretrained import PretrainedSource, read_state_dict, weights_file
from instructseq_model.unfilled import Unfilled
from instructseq_model.vision_transformer import VisionTransformerConfig, resampled_grid, resampled_positions

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


class NetworkShape(Protocol):
    """What a network is built from."""

    def build(self, image_size: int) -> nn.Module:
        """A network for square images of so many pixels a side, with random weights.

        It has timm's key names and `forward_features`, B x 3 x S x S to B x (1 + N) x D or B x D x h x w. For inner
        blocks it has `forward_intermediates`, too, as `vision_transformer.VisionTransformer`.
        """
        ...


@dataclass(frozen=True)
class TimmNetwork:
    """A network of timm, imported only when it is built: it takes seconds.

    Attributes:
        name: of the architecture.
    """

    name: str

    def build(self, image_size: int) -> nn.Module:
        """See `NetworkShape`."""
        import timm

        network: nn.Module = timm.create_model(self.name, pretrained=False, num_classes=0, img_size=image_size)
        return network


@dataclass(frozen=True, kw_only=True)
class VisionSpec:
    """One image encoder.

    Attributes:
        timm_name: architecture and weights in timm's naming.
        network: the architecture.
        mean, std: normalisation of RGB in [0, 1] that the weights were trained with.
        patch: side of a patch, pixels.
        width: features that the last layer gives per patch.
        inner_blocks: 1-based blocks whose states are given as well, before those of the last layer.
        antialias: how a finer grid of position embeddings is resampled to a coarser one.
    """

    timm_name: str
    network: NetworkShape
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    patch: int
    width: int
    inner_blocks: tuple[int, ...] = ()
    antialias: bool = True


VISION_SPECS: dict[str, VisionSpec] = {
    "mae_large": VisionSpec(
        timm_name="vit_large_patch16_224.mae",
        network=VisionTransformerConfig(patch=16, width=1024, depth=24, heads=16),
        mean=_IMAGENET[0],
        std=_IMAGENET[1],
        patch=16,
        width=1024,
    ),
    "mae_base": VisionSpec(
        timm_name="vit_base_patch16_224.mae",
        network=VisionTransformerConfig(patch=16, width=768, depth=12, heads=12),
        mean=_IMAGENET[0],
        std=_IMAGENET[1],
        patch=16,
        width=768,
    ),
    # SAM's features are those of its neck, which is what its mask decoder reads.
    "sam_base": VisionSpec(
        timm_name="samvit_base_patch16.sa1b",
        network=TimmNetwork("samvit_base_patch16.sa1b"),
        mean=_IMAGENET[0],
        std=_IMAGENET[1],
        patch=16,
        width=256,
    ),
    "clip_base": VisionSpec(
        timm_name="vit_base_patch16_clip_quickgelu_224.openai",
        network=VisionTransformerConfig(
            patch=16, width=768, depth=12, heads=12, epsilon=1e-5, activation="quick_gelu", pre_norm=True
        ),
        mean=_CLIP[0],
        std=_CLIP[1],
        patch=16,
        width=768,
    ),
    # Block 6 keeps the outlines that block 12 has given up for meaning; together they segment far better than either.
    # DINOv2 itself resamples its 37 x 37 grid without antialiasing.
    "dinov2_small": VisionSpec(
        timm_name="vit_small_patch14_dinov2.lvd142m",
        network=VisionTransformerConfig(patch=14, width=384, depth=12, heads=6, layer_scale=True),
        mean=_IMAGENET[0],
        std=_IMAGENET[1],
        patch=14,
        width=384,
        inner_blocks=(6,),
        antialias=False,
    ),
}


class VisionEncoder(nn.Module):
    """A Vision Transformer that keeps every patch and drops the class token.

    Runs in the precision of its weights (`.to(torch.bfloat16)`) or under autocast; gradients flow unless frozen.

    Args:
        spec: which one.
        image_size: side of the square that it takes, pixels.

    Attributes:
        image_size: side of the square that it takes, pixels.
        grid: patches along a side.
        width: features per patch, D.
    """

    mean: Tensor
    std: Tensor
    network: Any

    def __init__(self, spec: VisionSpec, *, image_size: int) -> None:
        super().__init__()
        if image_size < spec.patch or image_size % spec.patch:
            raise ConfigError(f"image_size {image_size} is not a multiple of the patch size {spec.patch}; choose one")
        self.spec = spec
        self.image_size = image_size
        self.grid = image_size // spec.patch
        self.width = spec.width * (1 + len(spec.inner_blocks))
        self.network = spec.network.build(image_size)
        # Part of the encoder, not of a checkpoint: a state dict holds what was learned.
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(1, 3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Features of every patch.

        Args:
            pixels: B x 3 x S x S, floating point RGB in [0, 1], S = `image_size`.

        Returns:
            B x N x D in row-major order of the grid, N = `grid` squared. Inner blocks come first, each layer-normed
            without scale and shift; the last layer comes after the network's own final norm.

        Raises:
            ImageError: `pixels` has another shape.
        """
        if pixels.ndim != 4 or tuple(pixels.shape[1:]) != (3, self.image_size, self.image_size):
            side = self.image_size
            raise ImageError(f"pixels must be B x 3 x {side} x {side}, got {tuple(pixels.shape)}; resize them first")
        dtype = next(self.network.parameters()).dtype
        normalised = ((pixels.float() - self.mean.float()) / self.std.float()).to(dtype)
        if not self.spec.inner_blocks:
            return self._tokens(self.network.forward_features(normalised))
        last, inner = self.network.forward_intermediates(
            normalised, indices=[block - 1 for block in self.spec.inner_blocks]
        )
        parts = [F.layer_norm(state, state.shape[-1:], eps=1e-6) for state in inner]  # each B x N x D'
        last = self._tokens(last)  # B x N x D'
        return torch.cat([part.to(last.dtype) for part in parts] + [last], dim=-1)  # B x N x D

    def _tokens(self, features: Tensor) -> Tensor:
        """Patch tokens only, whichever layout the network gives: B x (1 + N) x D or B x D x h x w."""
        if features.ndim == 4:
            return features.flatten(2).transpose(1, 2)  # B x N x D
        return features[:, features.shape[1] - self.grid**2 :]


def build_vision_encoder(name: str, *, image_size: int, pretrained: PretrainedSource | None) -> VisionEncoder:
    """Build an image encoder, with pretrained weights or random ones.

    Args:
        name: one of `VISION_SPECS`.
        image_size: side of the square image in pixels, a multiple of the patch size. Position embeddings are resampled.
        pretrained: where the weights come from, as `pretrained_source(name)` says; None leaves them random.

    Raises:
        ConfigError: unknown name, or an image size that is no multiple of the patch size.
        CheckpointError: the weights are missing, damaged, have the wrong hash, or belong to another network.
    """
    if name not in VISION_SPECS:
        raise ConfigError(f"there is no image encoder {name!r}; choose one of {', '.join(VISION_SPECS)}")
    if pretrained is None:
        return VisionEncoder(VISION_SPECS[name], image_size=image_size)
    with Unfilled():
        encoder = VisionEncoder(VISION_SPECS[name], image_size=image_size)
    file = weights_file(pretrained)
    load_vision_weights(encoder, read_state_dict(file), origin=str(file))
    return encoder


def load_vision_weights(encoder: VisionEncoder, weights: dict[str, Tensor], *, origin: str) -> None:
    """Load weights under timm's key names, trained at any resolution.

    Args:
        encoder: changed in place.
        weights: may hold more than the encoder has (a classification head); must hold all that it has.
        origin: named in errors.

    Raises:
        CheckpointError: a tensor is missing or has another shape.
    """
    wanted = encoder.network.state_dict()
    missing = sorted(wanted.keys() - weights.keys())
    if missing:
        raise CheckpointError(
            f"{origin} lacks {len(missing)} tensors of {encoder.spec.timm_name}, {missing[0]} first; "
            "give weights of this very network under timm's key names"
        )
    fitted = {}
    for key, target in wanted.items():
        fitted[key] = _resampled(key, weights[key], target, antialias=encoder.spec.antialias)
        if fitted[key].shape != target.shape:
            raise CheckpointError(
                f"{key} in {origin} is {tuple(weights[key].shape)}, the network {encoder.spec.timm_name} needs "
                f"{tuple(target.shape)}; give weights of this very network"
            )
        fitted[key] = fitted[key].to(target.device, target.dtype)
    encoder.network.load_state_dict(fitted, assign=True)


def _resampled(key: str, source: Tensor, target: Tensor, *, antialias: bool) -> Tensor:
    """Bring position embeddings to the target's grid; everything else is returned as it is."""
    if source.shape == target.shape or source.ndim != target.ndim or source.shape[-1] != target.shape[-1]:
        return source
    if key == "pos_embed" and source.ndim == 4:  # 1 x h x w x D, as SAM has it
        return resampled_grid(source, side=target.shape[1], antialias=antialias)
    if key == "pos_embed":  # 1 x (1 + N) x D
        return resampled_positions(source, tokens=target.shape[1], antialias=antialias)
    if key.endswith(("rel_pos_h", "rel_pos_w")):  # (2 x side - 1) x D
        return F.interpolate(source.float().T[None], size=target.shape[0], mode="linear")[0].T.to(source.dtype)
    return source
