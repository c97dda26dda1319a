"""Text encoders of BERT's form, RoBERTa's and MiniLM's among them, under the names of their published weights.

transformers has them too, and is what the tests compare with; but importing it takes as long as PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from instructseq_model.errors import CheckpointError
from instructseq_model.transformer import Attention, attend

_BLOCK_NAMES = {
    "attention.output.dense": "attention.output",
    "attention.output.LayerNorm": "norm_attention",
    "intermediate.dense": "expand",
    "output.dense": "contract",
    "output.LayerNorm": "norm_mlp",
}
"""Published names of a layer's parts, and those here."""

_EMBEDDING_NAMES = {
    "embeddings.word_embeddings": "words",
    "embeddings.position_embeddings": "places",
    "embeddings.token_type_embeddings": "segments",
    "embeddings.LayerNorm": "norm",
}


@dataclass(frozen=True, kw_only=True)
class TextTransformerConfig:
    """Shape of a text encoder; the defaults are BERT's.

    Attributes:
        width: features per token, D.
        layers: number of blocks.
        heads: attention heads; divides `width`.
        mlp_width: inner features of the two-layer perceptron.
        vocabulary: token ids.
        places: position embeddings, those before `first_place` included.
        segments: token types; all tokens here are of the first.
        epsilon: of all norms.
        first_place: of the first token: RoBERTa counts from the padding id plus one.
    """

    width: int
    layers: int
    heads: int
    mlp_width: int
    vocabulary: int = 30522
    places: int = 512
    segments: int = 2
    epsilon: float = 1e-12
    first_place: int = 0

    @property
    def positions(self) -> int:
        """Most tokens of a text."""
        return self.places - self.first_place

    @classmethod
    def from_published(cls, values: Mapping[str, Any], *, origin: str) -> TextTransformerConfig:
        """Read the `config.json` that transformers writes.

        Args:
            values: of the file.
            origin: named in errors.

        Raises:
            CheckpointError: it is of another kind of model, or lacks a value.
        """
        kind, activation = values.get("model_type"), values.get("hidden_act", "gelu")
        if kind not in ("bert", "roberta") or activation != "gelu":
            raise CheckpointError(
                f"{origin} is of a {kind!r} model with activation {activation!r}, this one needs 'bert' or 'roberta' "
                "with 'gelu'; give the folder of such a model"
            )
        try:
            return cls(
                width=values["hidden_size"],
                layers=values["num_hidden_layers"],
                heads=values["num_attention_heads"],
                mlp_width=values["intermediate_size"],
                vocabulary=values["vocab_size"],
                places=values["max_position_embeddings"],
                segments=values["type_vocab_size"],
                epsilon=values["layer_norm_eps"],
                first_place=values.get("pad_token_id", 1) + 1 if kind == "roberta" else 0,
            )
        except KeyError as error:
            raise CheckpointError(f"{origin} lacks {error}; fetch it again") from error


class TextTransformer(nn.Module):
    """Token ids to one state per token; without a pooler, without dropout."""

    def __init__(self, config: TextTransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.vocabulary, config.width)
        self.places = nn.Embedding(config.places, config.width)
        self.segments = nn.Embedding(config.segments, config.width)
        self.norm = nn.LayerNorm(config.width, eps=config.epsilon)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.layers))
        for part in self.modules():
            if isinstance(part, nn.Linear | nn.Embedding):
                nn.init.normal_(part.weight, std=0.02)
            if isinstance(part, nn.Linear):
                nn.init.zeros_(part.bias)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """States of the last block.

        Args:
            ids: B x L.
            mask: B x L, bool, False where a text is padded; None for texts of one length.

        Returns:
            B x L x D.
        """
        first = self.config.first_place
        at = torch.arange(first, first + ids.shape[1], device=ids.device)
        x = self.norm(self.words(ids) + self.segments.weight[0] + self.places(at))
        seen = None if mask is None else mask[:, None, None]  # B x 1 x 1 x L
        for block in self.blocks:
            x = block(x, seen)
        return x

    def load_published(self, tensors: Mapping[str, Tensor], *, origin: str) -> None:
        """Take the weights of a published model instead of one's own.

        Args:
            tensors: by their published names, with or without a prefix ("roberta."); heads and poolers are left out.
            origin: named in errors.

        Raises:
            CheckpointError: a tensor is missing or has another shape.
        """
        wanted = self.state_dict()
        found = _own_names(tensors, layers=self.config.layers)
        missing = sorted(wanted.keys() - found.keys())
        if missing:
            raise CheckpointError(f"{origin} lacks {len(missing)} tensors, {missing[0]} first; fetch it again")
        for name, target in wanted.items():
            if found[name].shape != target.shape:
                raise CheckpointError(
                    f"{name} in {origin} is {tuple(found[name].shape)}, its config.json says {tuple(target.shape)}; "
                    "fetch both again"
                )
        self.load_state_dict({name: found[name].to(wanted[name].dtype) for name in wanted}, assign=True)


class _Block(nn.Module):
    """Post-norm block, as in BERT."""

    def __init__(self, config: TextTransformerConfig) -> None:
        super().__init__()
        self.attention = Attention(config.width, config.heads)
        self.norm_attention = nn.LayerNorm(config.width, eps=config.epsilon)
        self.expand = nn.Linear(config.width, config.mlp_width)
        self.contract = nn.Linear(config.mlp_width, config.width)
        self.norm_mlp = nn.LayerNorm(config.width, eps=config.epsilon)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        query, held = self.attention.project(x)
        x = self.norm_attention(x + self.attention.merge(attend(query, held, mask=mask)))
        out: Tensor = self.norm_mlp(x + self.contract(F.gelu(self.expand(x))))
        return out


def _own_names(tensors: Mapping[str, Tensor], *, layers: int) -> dict[str, Tensor]:
    """Tensors of the published names that are there, under the names of `TextTransformer`."""
    anchor = "embeddings.word_embeddings.weight"
    prefix = next((name.removesuffix(anchor) for name in tensors if name.endswith(anchor)), "")
    published = {name.removeprefix(prefix): value for name, value in tensors.items()}
    pairs = dict(_EMBEDDING_NAMES)
    for layer in range(layers):
        source, target = f"encoder.layer.{layer}", f"blocks.{layer}"
        pairs |= {f"{source}.{old}": f"{target}.{new}" for old, new in _BLOCK_NAMES.items()}
    own = {
        f"{new}.{kind}": published[f"{old}.{kind}"]
        for old, new in pairs.items()
        for kind in ("weight", "bias")
        if f"{old}.{kind}" in published
    }
    for layer in range(layers):
        for kind in ("weight", "bias"):
            parts = [f"encoder.layer.{layer}.attention.self.{part}.{kind}" for part in ("query", "key", "value")]
            if all(part in published for part in parts):
                own[f"blocks.{layer}.attention.query_key_value.{kind}"] = torch.cat([published[part] for part in parts])
    return own
