"""Hugging Face's GPT-2 with the same weights and its own `generate`: what one would use instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vocabulary import OutputKind


class Gpt2Peer:
    """Draws map tokens from the model's weights in `GPT2LMHeadModel`.

    Args:
        model: in the plain causal form; its weights are copied.
        embeddings: 1 x P x D, the prefix as the transformer gets it, BEGIN the last.
        steps: most tokens drawn.
    """

    def __init__(self, model: SequenceModel, embeddings: Tensor, *, steps: int) -> None:
        self._embeddings = embeddings
        self._gpt = gpt2_of(model, prefix=embeddings.shape[1], steps=steps)
        self._ids = model.config.vocabulary.range_of(OutputKind.MAP)

    @torch.inference_mode()
    def __call__(self, *, samples: int, steps: int, temperature: float, told: Callable[[], None]) -> Tensor:
        """Draw tokens: N x T vocabulary ids.

        Args:
            samples: N.
            steps: T.
            temperature: 0 takes the most probable token.
            told: called when the logits of each step are there.
        """
        from transformers import GenerationConfig, LogitsProcessorList

        sampled = temperature > 0
        settings = GenerationConfig(
            max_new_tokens=steps,
            do_sample=sampled,
            num_return_sequences=samples,
            eos_token_id=None,
            pad_token_id=0,
            **({"temperature": temperature, "top_k": 0} if sampled else {}),
        )
        outside = torch.ones(self._gpt.config.vocab_size, dtype=torch.bool, device=self._embeddings.device)
        outside[self._ids.start : self._ids.stop] = False

        def restrict(tokens: Tensor, scores: Tensor) -> Tensor:
            told()
            return scores.masked_fill(outside, float("-inf"))

        drawn: Tensor = self._gpt.generate(
            inputs_embeds=self._embeddings,
            attention_mask=torch.ones(self._embeddings.shape[:2], dtype=torch.long, device=self._embeddings.device),
            generation_config=settings,
            logits_processor=LogitsProcessorList([restrict]),
        )
        return drawn


def gpt2_of(model: SequenceModel, *, prefix: int, steps: int) -> Any:
    """A `GPT2LMHeadModel` that gives the logits of map tokens that the model gives.

    Args:
        model: in the plain causal form, its head without bias.
        prefix: P positions that stand before the first map token and bring their own embeddings.
        steps: map tokens that follow.
    """
    from transformers import GPT2Config, GPT2LMHeadModel

    shape, weight = model.config.transformer, model.head.weight
    config = GPT2Config(
        n_layer=shape.layers,
        n_embd=shape.width,
        n_head=shape.heads,
        vocab_size=model.config.vocabulary.size,
        n_positions=prefix + steps,
        activation_function="gelu",
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=None,
    )
    with torch.device("meta"):
        gpt: Any = GPT2LMHeadModel._from_config(config, attn_implementation="sdpa")
    gpt = gpt.to_empty(device=weight.device).to(weight.dtype).eval()
    with torch.no_grad():
        copy_layers(model, gpt.transformer)
        gpt.transformer.wte.weight.copy_(model.tokens.weight)
        gpt.lm_head.weight.copy_(weight)
        # The token of step t - 1 stands where step t is predicted, and there ours adds the place of step t.
        gpt.transformer.wpe.weight.zero_()
        places = model.map_positions[1:steps]
        gpt.transformer.wpe.weight[prefix : prefix + len(places)] = places
    return gpt


@torch.no_grad()
def copy_layers(model: SequenceModel, gpt: Any) -> None:
    """Give a `GPT2Model` of the same shape the weights of the transformer's layers and of its last norm.

    Embeddings stay as they are. GPT-2 keeps the weights of its linear layers transposed.
    """
    gpt.ln_f.load_state_dict(model.transformer.norm.state_dict())
    blocks: Any = model.transformer.blocks
    for block, target in zip(blocks, gpt.h, strict=True):
        target.ln_1.load_state_dict(block.norm_attention.state_dict())
        target.ln_2.load_state_dict(block.norm_mlp.state_dict())
        pairs = [
            (block.attention.query_key_value, target.attn.c_attn),
            (block.attention.output, target.attn.c_proj),
            (block.expand, target.mlp.c_fc),
            (block.contract, target.mlp.c_proj),
        ]
        for linear, convolution in pairs:
            convolution.weight.copy_(linear.weight.T)
            convolution.bias.copy_(linear.bias)
