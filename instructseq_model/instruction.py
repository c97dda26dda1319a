"""Frozen text encoders: an instruction becomes one state per token (paper, section 3.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from instructseq_model.errors import CheckpointError, ConfigError, InstructionError
from instructseq_model.instruction_tokens import FileTokens, byte_tokens, cut_tokens
from instructseq_model.pretrained import PretrainedSource, explain_hub_failure, model_directory

CHARACTER_LIMIT = 10_000

Tokenize = Callable[[Sequence[str]], list[list[int]]]


@dataclass(frozen=True, kw_only=True)
class InstructionSpec:
    """One text encoder.

    Attributes:
        model_class: transformers' class.
        config_class: transformers' configuration class.
        shape: the configuration of the published weights, for a model with random ones.
        max_tokens: how many tokens it takes by default, first and last special ones included.
    """

    model_class: str
    config_class: str
    shape: dict[str, Any]
    max_tokens: int

    @property
    def width(self) -> int:
        """Features per token of the published weights."""
        return int(self.shape.get("hidden_size", 512))


_ROBERTA = {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5}

INSTRUCTION_SPECS: dict[str, InstructionSpec] = {
    "roberta_large": InstructionSpec(
        model_class="RobertaModel",
        config_class="RobertaConfig",
        shape=_ROBERTA
        | {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096},
        max_tokens=128,
    ),
    "roberta_base": InstructionSpec(
        model_class="RobertaModel",
        config_class="RobertaConfig",
        shape=_ROBERTA
        | {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
        max_tokens=128,
    ),
    "clip_text": InstructionSpec(
        model_class="CLIPTextModel", config_class="CLIPTextConfig", shape={"projection_dim": 512}, max_tokens=77
    ),
    "minilm": InstructionSpec(
        model_class="BertModel",
        config_class="BertConfig",
        shape={"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536},
        max_tokens=128,
    ),
}


@dataclass(frozen=True)
class InstructionStates:
    """Encoded instructions.

    Attributes:
        states: B x L x D, L the longest of them in tokens, special tokens included; zero behind each one's end.
        lengths: B, int64, tokens of each.
    """

    states: Tensor
    lengths: Tensor


class InstructionEncoder(nn.Module):
    """A frozen text encoder: no gradients, no dropout, also within a module that is being trained.

    Attributes:
        width: features per token, D.
        max_tokens: longer instructions are cut to this many tokens.
        tokenize: texts to ids, special ones at both ends included, not cut.
    """

    def __init__(self, model: nn.Module, tokenize: Tokenize, *, width: int, max_tokens: int) -> None:
        super().__init__()
        if max_tokens < 2:
            raise ConfigError(f"max_tokens is {max_tokens}; an instruction needs at least 2")
        self.model = model.requires_grad_(False).eval()
        self.width = width
        self.max_tokens = max_tokens
        self.tokenize = tokenize

    def train(self, mode: bool = True) -> InstructionEncoder:
        """Stay in evaluation mode: `mode` is ignored."""
        return super().train(False)

    @torch.no_grad()
    def encode(self, instructions: Sequence[str]) -> InstructionStates:
        """Encode instructions, on the device and in the precision of the weights.

        Args:
            instructions: at least one; each as `check_instruction` wants it. One that has more tokens than `max_tokens`
                is cut, with a warning, and keeps its closing token.

        Raises:
            InstructionError: an instruction is empty, too long or not text, or there is none.
        """
        if isinstance(instructions, str) or not instructions:
            raise InstructionError("give a list of at least one instruction")
        rows = [cut_tokens(row, self.max_tokens) for row in self.tokenize(list(map(check_instruction, instructions)))]
        device = next(self.model.parameters()).device
        lengths = torch.tensor([len(row) for row in rows])
        longest = int(lengths.max())
        # What pads is masked out and zeroed; any valid id does.
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=device)  # B x L
        lengths = lengths.to(device)
        mask = torch.arange(longest, device=device) < lengths[:, None]  # B x L
        positions = {"position_ids": self.positions(longest, device)}
        states = self.model(input_ids=ids, attention_mask=mask.long(), **positions).last_hidden_state
        return InstructionStates(states=states * mask[..., None].to(states.dtype), lengths=lengths)

    def positions(self, length: int, device: torch.device) -> Tensor:
        """1 x L. RoBERTa counts from the padding id plus one, which the model would guess from the ids."""
        config: Any = self.model.config
        first = config.pad_token_id + 1 if config.model_type == "roberta" else 0
        return torch.arange(first, first + length, device=device)[None]


def check_instruction(instruction: object) -> str:
    """Return an instruction that can be encoded, without white space at its ends.

    Raises:
        InstructionError: it is no str, has only white space, has `CHARACTER_LIMIT` characters or more, or holds
            what UTF-8 cannot (the surrogates that stand for undecodable bytes).
    """
    if not isinstance(instruction, str):
        raise InstructionError(f"an instruction must be a str, got {type(instruction).__name__}; decode it as UTF-8")
    if len(instruction) >= CHARACTER_LIMIT:
        raise InstructionError(
            f"the instruction has {len(instruction)} characters, the limit is {CHARACTER_LIMIT - 1}; shorten it"
        )
    text = instruction.strip()
    if not text:
        raise InstructionError("the instruction is empty; say what to look for, for example 'segment the red mug'")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InstructionError(
            f"the instruction holds bytes that are not UTF-8, at character {error.start}; send it as UTF-8"
        ) from error
    return text


def build_instruction_encoder(
    name: str, *, pretrained: PretrainedSource | None, max_tokens: int | None = None
) -> InstructionEncoder:
    """Build a text encoder, with pretrained weights or random ones.

    Args:
        name: one of `INSTRUCTION_SPECS`.
        pretrained: where the weights come from, as `pretrained_source(name)` says. None gives random weights of the
            published shape and byte tokens, for tests and for counting.
        max_tokens: cut instructions to this many tokens; by default as many as the encoder was published for.

    Raises:
        ConfigError: unknown name, or more tokens than the model has positions.
        CheckpointError: the weights or the tokenizer are missing, damaged, have the wrong hash, or do not fit.
    """
    if name not in INSTRUCTION_SPECS:
        raise ConfigError(f"there is no text encoder {name!r}; choose one of {', '.join(INSTRUCTION_SPECS)}")
    spec = INSTRUCTION_SPECS[name]
    model, tokenize = _random_model(spec) if pretrained is None else _pretrained_model(spec, pretrained)
    positions = model.config.max_position_embeddings
    if model.config.model_type == "roberta":
        positions -= model.config.pad_token_id + 1
    limit = min(spec.max_tokens, positions) if max_tokens is None else max_tokens
    if limit > positions:
        raise ConfigError(f"max_tokens is {limit}, {name} has {positions} positions; choose at most that many")
    return InstructionEncoder(model, tokenize, width=model.config.hidden_size, max_tokens=limit)


def _random_model(spec: InstructionSpec) -> tuple[Any, Tokenize]:
    import transformers

    config = getattr(transformers, spec.config_class)(**spec.shape)
    return getattr(transformers, spec.model_class)(config, **_no_pooler(spec)), byte_tokens


def _pretrained_model(spec: InstructionSpec, source: PretrainedSource) -> tuple[Any, Tokenize]:
    import transformers

    place = model_directory(source)
    local = not isinstance(place, str)
    try:
        with _quiet_transformers():
            tokenizer = transformers.AutoTokenizer.from_pretrained(place, use_fast=True, local_files_only=local)
            model, report = getattr(transformers, spec.model_class).from_pretrained(
                place,
                use_safetensors=True,
                local_files_only=local,
                dtype=torch.float32,
                output_loading_info=True,
                **_no_pooler(spec),
            )
    except Exception as error:  # transformers raises many types: OSError, ValueError, SafetensorError, KeyError
        if not local:
            raise explain_hub_failure(source, error) from error
        raise CheckpointError(
            f"{place} cannot be loaded as {spec.model_class} ({error}); "
            "it must hold config.json, model.safetensors and the tokenizer's files: fetch them again"
        ) from error
    if report["missing_keys"] or report.get("mismatched_keys"):
        keys = sorted(map(str, [*report["missing_keys"], *report.get("mismatched_keys", ())]))
        raise CheckpointError(
            f"{place} lacks {len(keys)} tensors of {spec.model_class}, {keys[0]} first; fetch it again"
        )

    return model, FileTokens(tokenizer.backend_tokenizer)


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


def _no_pooler(spec: InstructionSpec) -> dict[str, Any]:
    """The pooled state is not used, and published weights often lack its layer."""
    return {} if spec.model_class == "CLIPTextModel" else {"add_pooling_layer": False}
