"""What a map's tokens are shown of the tokens before them."""

from __future__ import annotations

import pytest
import torch

from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vocabulary import MASK, OutputKind
from instructseq_training.config import BatchConfig
from instructseq_training.losses import map_inputs, select_rows
from instructseq_training.map_history import MapHistory, draw_history, hide, replace_drawn

from . import tiny_world

MAPS = BatchConfig(frames=2, referring_maps=2, semantic_maps=1, boxes=0, captions=0, grounding=0, low_precision=False)


def history(*, rows: int = 64, length: int = 500, hidden: float = 1.0, drawn: float = 0.5) -> MapHistory:
    return draw_history(rows, length, hide=hidden, draw=drawn, generator=torch.Generator().manual_seed(0))


def test_hidden_shares_lie_evenly_between_none_and_all_in_the_rows_that_are_touched() -> None:
    shares = history(rows=400, hidden=0.5).hidden.float().mean(1)
    touched = shares[shares > 0]
    assert len(touched) / len(shares) == pytest.approx(0.5, abs=0.07)
    assert touched.sort().values == pytest.approx(torch.linspace(0, 1, len(touched)), abs=0.12)


def test_rows_are_drawn_whole_and_as_often_as_asked() -> None:
    assert history(rows=400, drawn=0.3).drawn.float().mean() == pytest.approx(0.3, abs=0.07)
    assert not history(drawn=0.0).drawn.any()


def test_nothing_is_hidden_from_begin_and_the_rest_stays_true() -> None:
    inputs = torch.arange(100, 104)[None]
    changed = MapHistory(torch.tensor([[True, False, True]]), torch.tensor([[False]]), torch.zeros(1, 3))
    assert hide(inputs, changed).tolist() == [[100, MASK, 102, MASK]]


def test_drawn_tokens_follow_the_models_distribution() -> None:
    probability = torch.tensor([0.5, 0.2, 0.3])
    rows, length = 4, 4000
    logits = probability.log().expand(rows, length + 1, 3)
    given = torch.zeros(rows, length + 1, dtype=torch.long)
    tokens = replace_drawn(given, history(rows=rows, length=length, drawn=1.0), logits, range(10, 13))
    assert tokens[:, 0].eq(0).all()
    counts = torch.bincount(tokens[:, 1:].flatten() - 10, minlength=3) / (rows * length)
    torch.testing.assert_close(counts, probability, atol=0.02, rtol=0)


def test_each_drawn_token_comes_from_the_place_that_predicts_it() -> None:
    ids = range(10, 15)
    sure = torch.nn.functional.one_hot(torch.tensor([[3, 1, 4, 0]]), 5) * 50.0  # what steps 0, 1, 2, 3 predict
    given = torch.full((1, 4), 7)
    tokens = replace_drawn(given, history(rows=1, length=3, drawn=1.0), sure, ids)
    assert tokens.tolist() == [[7, 13, 11, 14]]


def test_a_maps_history_is_what_the_model_would_draw_in_drawn_rows_and_true_in_the_others() -> None:
    torch.manual_seed(0)
    sequence = tiny_world.sequence_config(tiny_world.WHOLE)
    whole_model, batcher = SequenceModel(sequence), tiny_world.batcher(sequence)
    batch = batcher.batch(0, MAPS)
    outputs = batch.outputs[OutputKind.MAP]
    with torch.no_grad():
        image = whole_model.encode_image(batch.images)
        instruction = select_rows(whole_model.encode_instruction(image, batch.states, batch.lengths), outputs.rows)
        rows, length = outputs.tokens.shape
        inputs = torch.cat([whole_model.begin_tokens(rows), outputs.tokens[:, :-1]], 1)
        changed = MapHistory(
            torch.zeros(rows, length - 1, dtype=torch.bool),
            torch.arange(rows)[:, None] % 2 == 0,
            torch.full((rows, length - 1), 0.4),
        )
        shown = map_inputs(whole_model, image, instruction, inputs, changed)
        visual = whole_model.config.vocabulary.visual_range
        logits = whole_model.logits(image, instruction, inputs, OutputKind.MAP)[:, :-1, visual.start : visual.stop]
    assert torch.equal(shown[1::2], inputs[1::2])
    cumulative = logits.double().softmax(-1).cumsum(-1)
    expected = visual.start + (cumulative < 0.4).sum(-1)
    assert torch.equal(shown[::2, 1:], expected[::2])
