"""A model of the paper's size with random weights: as fast as a trained one, token by token."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from instructseq_model.decoding import DecodingPrefix, decoding_prefix
from instructseq_model.sequence_model import SequenceConfig, SequenceModel
from instructseq_model.vocabulary import OutputKind

ENTROPY_BITS = 2.0
"""Of a token of random weights: about that of a map's tokens where something is unsure."""

INSTRUCTION_TOKENS = 31


def paper_model(config: SequenceConfig, *, dtype: torch.dtype, device: str) -> SequenceModel:
    """Random weights in the plain causal form, whose tokens are about as sure as `ENTROPY_BITS`.

    That is the form of which Hugging Face's GPT-2 takes the same weights. The head has no bias, as GPT-2's.

    Args:
        config: its size.
        dtype: of the weights.
        device: cpu, cuda or cuda:N.
    """
    torch.manual_seed(0)
    transformer = replace(config.transformer, prefix_attention="causal")
    model = SequenceModel(replace(config, transformer=transformer, grounding=None)).eval()
    with torch.no_grad():
        model.head.bias.zero_()
        ids = config.vocabulary.range_of(OutputKind.MAP)
        states = torch.randn(64, config.transformer.width)  # normed states look like this
        model.head.weight.mul_(scale_to_entropy(model.head_of(states, ids), ENTROPY_BITS))
    return model.to(device, dtype)


def scale_to_entropy(logits: Tensor, bits: float) -> float:
    """The factor that gives distributions a mean entropy.

    Args:
        logits: S x C, not all equal.
        bits: more than 0 and less than the logarithm of C.
    """
    lowest, highest = 1e-4, 1e4
    for _ in range(60):
        factor = (lowest * highest) ** 0.5
        if entropy_bits(factor * logits) > bits:
            lowest = factor
        else:
            highest = factor
    return factor


def entropy_bits(logits: Tensor) -> float:
    """Mean entropy of the distributions S x C, in bits."""
    log_probability = logits.double().log_softmax(-1)
    return float(-(log_probability.exp() * log_probability).nan_to_num().sum(-1).mean()) / 0.6931471805599453


def paper_inputs(model: SequenceModel) -> tuple[Tensor, Tensor]:
    """An image's features 1 x P x Dv and an instruction's states 1 x L x Dt, as random numbers."""
    config, weight = model.config, model.head.weight
    torch.manual_seed(1)
    length = min(INSTRUCTION_TOKENS, config.max_instruction_tokens)
    features = torch.randn(1, config.vision_grid**2, config.vision_width)
    return features.to(weight), torch.randn(1, length, config.instruction_width).to(weight)


@torch.inference_mode()
def paper_prefix(model: SequenceModel) -> DecodingPrefix:
    """The prefix of `paper_inputs`."""
    features, states = paper_inputs(model)
    image = model.encode_image(features)
    lengths = torch.tensor([states.shape[1]], device=states.device)
    return decoding_prefix(model, image, model.encode_instruction(image, states, lengths))


@torch.inference_mode()
def prefix_embeddings(model: SequenceModel) -> Tensor:
    """What the transformer gets of `paper_inputs` and BEGIN: 1 x (P + L + 1) x D."""
    features, states = paper_inputs(model)
    of_image = model.image_projection(features) + model.image_positions + model.segments[0]
    placed = model.instruction_positions[: states.shape[1]] + model.segments[1]
    of_text = model.instruction_projection(states) + placed
    begin = model.embed(model.begin_tokens(1), OutputKind.MAP, 0, None)
    return torch.cat([of_image, of_text, begin], 1)
