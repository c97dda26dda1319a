"""The prefix of decoding: image, instruction and BEGIN, computed once and shared by all samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from instructseq_model.grounding import Conditioning, stack_conditioning
from instructseq_model.sequence_model import ImagePrefix, InstructionPrefix, SequenceConfig, SequenceModel
from instructseq_model.transformer import KeyValues
from instructseq_model.vocabulary import END, OutputKind


class Prefix(Protocol):
    """R instructions on one image each, ready for output tokens: what all decoders' prefixes have in common."""

    @property
    def begin(self) -> Tensor:
        """R x D, the state at BEGIN, from which the first token is drawn."""
        ...

    @property
    def pointed(self) -> Tensor | None:
        """R x S x S, the grounding's logits of "belongs to what was said"; None without grounding."""
        ...

    @property
    def classes(self) -> Tensor | None:
        """R x P x S*S x C, the grounding's class logits of each cell's subcells; None where it tells no classes."""
        ...


class FirstStep(Protocol):
    """What tells the first token's logits."""

    @property
    def config(self) -> SequenceConfig:
        """Its vocabulary."""
        ...

    @property
    def head(self) -> Callable[[Tensor], Tensor]:
        """From states at BEGIN, R x D, to logits of the whole vocabulary, R x V."""
        ...


class DecodingPrefix(NamedTuple):
    """R instructions on one image each, ready for output tokens.

    Attributes:
        past: each layer's keys and values of image, instruction and BEGIN, R x H x P x d.
        mask: R x P, bool, False where an instruction is padded.
        conditioning: of R rows; None without grounding.
        begin: R x D, the state at BEGIN, from which the first token is drawn.
        pointed: R x S x S, the grounding's logits; None without grounding.
        classes: R x P x S*S x C, its class logits; None where it tells no classes.
    """

    past: list[KeyValues]
    mask: Tensor
    conditioning: Conditioning | None
    begin: Tensor
    pointed: Tensor | None
    classes: Tensor | None

    def row(self, index: int) -> DecodingPrefix:
        """One instruction's prefix, as views."""
        return self.rows(slice(index, index + 1))

    def rows(self, chosen: slice | Tensor) -> DecodingPrefix:
        """Some instructions' prefixes."""
        conditioning = self.conditioning
        if conditioning is not None:
            conditioning = conditioning.rows(chosen)
        past = [KeyValues(layer.keys[chosen], layer.values[chosen]) for layer in self.past]
        pointed = None if self.pointed is None else self.pointed[chosen]
        classes = None if self.classes is None else self.classes[chosen]
        return DecodingPrefix(past, self.mask[chosen], conditioning, self.begin[chosen], pointed, classes)


def decoding_prefix(model: SequenceModel, image: ImagePrefix, instruction: InstructionPrefix) -> DecodingPrefix:
    """Put BEGIN after image and instruction.

    Args:
        model: the sequence model.
        image: I images.
        instruction: R instructions, R / I consecutive ones on each image.
    """
    rows = instruction.mask.shape[0]
    share = rows // image.states.shape[0]
    seen = torch.ones(rows, image.states.shape[1], dtype=torch.bool, device=instruction.mask.device)
    mask = torch.cat([seen, instruction.mask, seen[:, :1]], 1)  # R x P
    past = [
        of_image.repeat_rows(share).append(of_text)
        for of_image, of_text in zip(image.past, instruction.past, strict=True)
    ]
    # The kind does not matter at step 0: BEGIN's embedding is the same for all.
    conditioning = model.condition(image, instruction, paint=True)
    x = model.embed(model.begin_tokens(rows), OutputKind.MAP, 0, conditioning)
    states, own = model.transformer(x, past=past, mask=mask[:, None, None])
    past = [before.append(begin) for before, begin in zip(past, own, strict=True)]
    begin = model.grounded(states, OutputKind.MAP, 0, conditioning)[:, 0]
    classes = None if image.grounding is None else image.grounding.classes
    if classes is not None:
        classes = classes.repeat_interleave(share, 0)
    return DecodingPrefix(past, mask, conditioning, begin, model.pointed_at(instruction), classes)


def stack_prefixes(prefixes: Sequence[DecodingPrefix]) -> DecodingPrefix:
    """Prefixes of one model, one after the other; shorter ones are padded."""
    if len(prefixes) == 1:
        return prefixes[0]
    longest = max(prefix.mask.shape[1] for prefix in prefixes)
    mask = torch.cat([F.pad(prefix.mask, (0, longest - prefix.mask.shape[1])) for prefix in prefixes])
    past = [
        KeyValues(*(torch.cat([_padded(held, longest) for held in part]) for part in zip(*layer, strict=True)))
        for layer in zip(*(prefix.past for prefix in prefixes), strict=True)
    ]
    conditioning = [prefix.conditioning for prefix in prefixes if prefix.conditioning is not None]
    pointed = [prefix.pointed for prefix in prefixes if prefix.pointed is not None]
    classes = [prefix.classes for prefix in prefixes if prefix.classes is not None]
    return DecodingPrefix(
        past,
        mask,
        stack_conditioning(conditioning) if conditioning else None,
        torch.cat([prefix.begin for prefix in prefixes]),
        torch.cat(pointed) if pointed else None,
        torch.cat(classes) if classes else None,
    )


def _padded(held: Tensor, length: int) -> Tensor:
    """R x H x P x d to R x H x length x d."""
    return F.pad(held, (0, 0, 0, length - held.shape[2]))


def kind_probabilities(model: FirstStep, begin: Tensor) -> dict[OutputKind, Tensor]:
    """Probability mass of the three ranges at the first step, each R; they sum to 1."""
    probability = kind_log_masses(model, model.head(begin).float()).softmax(-1)  # R x 3
    return {kind: probability[:, index] for index, kind in enumerate(OutputKind)}


def absence_probability(model: FirstStep, begin: Tensor) -> Tensor:
    """Probability at the first step that there is no box to write, of R instructions: END against all coordinates.

    Boxes that are asked for are left out where it is high; before a map it tells likewise whether anything is meant.
    """
    logits = model.head(begin).float()
    ids = model.config.vocabulary.position_range
    return (logits[:, END] - logits[:, ids.start : ids.stop].logsumexp(-1)).sigmoid()


def kind_log_masses(model: FirstStep, logits: Tensor) -> Tensor:
    """Logarithms of the masses of the kinds' ranges, in `OutputKind`'s order and up to one constant a row: R x 3.

    END as a first token says "no box": it counts as boxes.

    Args:
        model: whose vocabulary it is.
        logits: R x V, of the first step.
    """
    masses = []
    for kind in OutputKind:
        ids = model.config.vocabulary.range_of(kind)
        mass = logits[:, ids.start : ids.stop].logsumexp(-1)
        masses.append(torch.logaddexp(mass, logits[:, END]) if kind is OutputKind.BOXES else mass)
    return torch.stack(masses, -1)
