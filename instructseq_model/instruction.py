"""Frozen text encoders: an instruction becomes one state per token (paper, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from instructseq_model.errors import ConfigError, InstructionError
from instructseq_model.instruction_tokens import cut_tokens
from instructseq_model.pretrained import PretrainedSource
from instructseq_model.text_networks import BertFamily, ClipTextFamily, TextFamily, TextNetwork, Tokenize
from instructseq_model.text_transformer import TextTransformerConfig

CHARACTER_LIMIT = 10_000


@dataclass(frozen=True, kw_only=True)
class InstructionSpec:
    """One text encoder.

    Attributes:
        family: makes the network.
        max_tokens: how many tokens it takes by default, first and last special ones included.
    """

    family: TextFamily
    max_tokens: int

    @property
    def width(self) -> int:
        """Features per token of the published weights."""
        return self.family.width


def _roberta(*, width: int, layers: int, heads: int) -> BertFamily:
    return BertFamily(
        TextTransformerConfig(
            width=width,
            layers=layers,
            heads=heads,
            mlp_width=4 * width,
            vocabulary=50265,
            places=514,
            segments=1,
            epsilon=1e-5,
            first_place=2,
        )
    )


INSTRUCTION_SPECS: dict[str, InstructionSpec] = {
    "roberta_large": InstructionSpec(family=_roberta(width=1024, layers=24, heads=16), max_tokens=128),
    "roberta_base": InstructionSpec(family=_roberta(width=768, layers=12, heads=12), max_tokens=128),
    "clip_text": InstructionSpec(family=ClipTextFamily(), max_tokens=77),
    "minilm": InstructionSpec(
        family=BertFamily(TextTransformerConfig(width=384, layers=6, heads=12, mlp_width=1536)), max_tokens=128
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
        model: from ids and mask to states; see `TextNetwork.module`.
        width: features per token, D.
        max_tokens: longer instructions are cut to this many tokens.
        tokenize: texts to ids, special ones at both ends included, not cut.
    """

    def __init__(self, network: TextNetwork, *, max_tokens: int) -> None:
        super().__init__()
        if max_tokens < 2:
            raise ConfigError(f"max_tokens is {max_tokens}; an instruction needs at least 2")
        self.model = network.module.requires_grad_(False).eval()
        self.width = network.width
        self.max_tokens = max_tokens
        self.tokenize: Tokenize = network.tokenize

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
        states = self.model(ids, mask)  # B x L x D
        return InstructionStates(states=states * mask[..., None].to(states.dtype), lengths=lengths)


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
    network = spec.family.random() if pretrained is None else spec.family.load(pretrained)
    limit = min(spec.max_tokens, network.positions) if max_tokens is None else max_tokens
    if limit > network.positions:
        raise ConfigError(f"max_tokens is {limit}, {name} has {network.positions} positions; choose at most that many")
    return InstructionEncoder(network, max_tokens=limit)
