"""Random weights with a wanted entropy, and the same weights in Hugging Face's GPT-2."""

from __future__ import annotations

import math

import pytest
import torch

from instructseq_bench.gpt2_peer import Gpt2Peer
from instructseq_bench.paper import probabilities
from instructseq_bench.paper_model import entropy_bits, paper_model, paper_prefix, prefix_embeddings, scale_to_entropy
from instructseq_model.decoding import Sampling, generate
from instructseq_model.sequence_model import SequenceConfig
from instructseq_model.vocabulary import OutputKind

pytestmark = pytest.mark.filterwarnings("ignore")


def test_entropy_of_equal_tokens_is_the_logarithm_of_their_number() -> None:
    assert entropy_bits(torch.zeros(3, 16)) == pytest.approx(4)
    assert entropy_bits(torch.tensor([[0.0, float("-inf")], [0.0, math.log(3)]])) == pytest.approx(0.8113 / 2, abs=1e-4)


def test_logits_are_scaled_to_the_entropy() -> None:
    torch.manual_seed(0)
    logits = torch.randn(20, 500)
    assert entropy_bits(scale_to_entropy(logits, 2.0) * logits) == pytest.approx(2.0, abs=1e-3)


def test_hugging_face_draws_the_same_tokens_from_the_same_weights(tiny_paper: SequenceConfig) -> None:
    model = paper_model(tiny_paper, dtype=torch.float32, device="cpu")
    embeddings, prefix = prefix_embeddings(model), paper_prefix(model)
    assert embeddings.shape[1] == prefix.mask.shape[1]
    steps = tiny_paper.output_length(OutputKind.MAP)
    told: list[int] = []
    peer = Gpt2Peer(model, embeddings, steps=steps)
    theirs = peer(samples=1, steps=steps, temperature=0.0, told=lambda: told.append(1))
    ours = generate(model, prefix, OutputKind.MAP, sampling=Sampling(temperature=0.0))
    assert torch.equal(theirs, ours.tokens)
    assert len(set(ours.tokens[0].tolist())) > 2
    assert len(told) == steps


def test_hugging_face_samples_within_the_maps_range(tiny_paper: SequenceConfig) -> None:
    model = paper_model(tiny_paper, dtype=torch.float32, device="cpu")
    drawn = Gpt2Peer(model, prefix_embeddings(model), steps=5)(samples=3, steps=5, temperature=0.9, told=lambda: None)
    ids = tiny_paper.vocabulary.visual_range
    assert drawn.shape == (3, 5)
    assert ((drawn >= ids.start) & (drawn < ids.stop)).all()


def test_probabilities_after_tokens_are_those_with_which_they_were_drawn(tiny_paper: SequenceConfig) -> None:
    model = paper_model(tiny_paper, dtype=torch.float32, device="cpu")
    prefix = paper_prefix(model)
    drawn = generate(model, prefix, OutputKind.MAP, sampling=Sampling(temperature=1.0), limit=4)
    tokens, start = drawn.tokens[0].tolist(), tiny_paper.vocabulary.visual_range.start
    for step, token in enumerate(tokens):
        found = probabilities(model, prefix, tokens[:step])
        assert float(found.sum()) == pytest.approx(1, abs=1e-5)
        assert float(found[token - start]) == pytest.approx(float(drawn.probabilities[0, step]), abs=1e-5)
