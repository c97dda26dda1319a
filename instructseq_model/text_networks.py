"""How the networks behind the text encoders are made: with random weights, or read from a published model's folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from instructseq_model.errors import CheckpointError
from instructseq_model.instruction_tokens import FileTokens, byte_tokens
from instructseq_model.pretrained import (
    WEIGHTS_FILE,
    PretrainedSource,
    explain_hub_failure,
    model_directory,
    model_file,
    read_state_dict,
)
from instructseq_model.text_transformer import TextTransformer, TextTransformerConfig
from instructseq_model.unfilled import Unfilled

Tokenize = Callable[[Sequence[str]], list[list[int]]]


@dataclass(frozen=True, kw_only=True)
class TextNetwork:
    """A network and its tokens.

    Attributes:
        module: from ids, B x L, and a mask, B x L, bool, or None, to states, B x L x D.
        tokenize: texts to ids, special ones at both ends included, not cut.
        width: features per token, D.
        positions: most tokens of a text.
    """

    module: nn.Module
    tokenize: Tokenize
    width: int
    positions: int


class TextFamily(Protocol):
    """Networks of one form, and the shape of one of them."""

    @property
    def width(self) -> int:
        """Features per token of the published weights."""
        ...

    def random(self) -> TextNetwork:
        """Random weights of the published shape, and byte tokens."""
        ...

    def load(self, source: PretrainedSource) -> TextNetwork:
        """Published weights and tokens.

        Raises:
            CheckpointError: they are missing, damaged, have the wrong hash, or belong to another network.
        """
        ...


@dataclass(frozen=True)
class BertFamily:
    """BERT, RoBERTa, MiniLM.

    Attributes:
        shape: of the published weights.
    """

    shape: TextTransformerConfig

    @property
    def width(self) -> int:
        """See `TextFamily`."""
        return self.shape.width

    def random(self) -> TextNetwork:
        """See `TextFamily`."""
        return _network(TextTransformer(self.shape), byte_tokens)

    def load(self, source: PretrainedSource) -> TextNetwork:
        """See `TextFamily`."""
        place = model_directory(source)
        files = [model_file(source, place, name) for name in ("config.json", WEIGHTS_FILE, "tokenizer.json")]
        try:
            values = json.loads(files[0].read_text(encoding="utf-8"))
        except ValueError as error:
            raise CheckpointError(f"{files[0]} is damaged ({error}); fetch it again") from error
        shape = TextTransformerConfig.from_published(values, origin=str(files[0]))
        with Unfilled():
            module = TextTransformer(shape)
        module.load_published(read_state_dict(files[1]), origin=str(files[1]))
        return _network(module, FileTokens.load(files[2]))


def _network(module: TextTransformer, tokenize: Tokenize) -> TextNetwork:
    config = module.config
    return TextNetwork(module=module, tokenize=tokenize, width=config.width, positions=config.positions)


@dataclass(frozen=True)
class ClipTextFamily:
    """CLIP's text encoder, by transformers, which is imported only here: it takes seconds.

    Attributes:
        shape: the configuration of the published weights, where it differs from transformers' own.
        width: see `TextFamily`.
    """

    shape: Mapping[str, Any] = field(default_factory=lambda: {"projection_dim": 512})
    width: int = 512

    def random(self) -> TextNetwork:
        """See `TextFamily`."""
        import transformers

        return self._network(transformers.CLIPTextModel(transformers.CLIPTextConfig(**self.shape)), byte_tokens)

    def load(self, source: PretrainedSource) -> TextNetwork:
        """See `TextFamily`."""
        import transformers

        model_class: Any = transformers.CLIPTextModel
        place = model_directory(source)
        local = isinstance(place, Path)
        try:
            with _quiet_transformers():
                tokenizer = transformers.AutoTokenizer.from_pretrained(place, use_fast=True, local_files_only=local)
                model, report = model_class.from_pretrained(
                    place,
                    use_safetensors=True,
                    local_files_only=local,
                    dtype=torch.float32,
                    output_loading_info=True,
                )
        except Exception as error:  # transformers raises many types: OSError, ValueError, SafetensorError, KeyError
            if not local:
                raise explain_hub_failure(source, error) from error
            raise CheckpointError(
                f"{place} cannot be loaded as CLIPTextModel ({error}); "
                "it must hold config.json, model.safetensors and the tokenizer's files: fetch them again"
            ) from error
        wrong = sorted(map(str, [*report["missing_keys"], *report.get("mismatched_keys", ())]))
        if wrong:
            raise CheckpointError(
                f"{place} lacks {len(wrong)} tensors of CLIPTextModel, {wrong[0]} first; fetch it again"
            )
        return self._network(model, FileTokens(tokenizer.backend_tokenizer))

    def _network(self, model: Any, tokenize: Tokenize) -> TextNetwork:
        config = model.config
        return TextNetwork(
            module=_ClipText(model),
            tokenize=tokenize,
            width=config.hidden_size,
            positions=config.max_position_embeddings,
        )


class _ClipText(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        seen = torch.ones_like(ids) if mask is None else mask.long()
        at = torch.arange(ids.shape[1], device=ids.device)[None]
        states: Tensor = self.model(input_ids=ids, attention_mask=seen, position_ids=at).last_hidden_state
        return states


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """No progress bar and no report of unused tensors on the console; what matters is raised."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
