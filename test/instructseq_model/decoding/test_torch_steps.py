from typing import Any

import pytest
import torch
from torch import Tensor

from instructseq_model.decoding.token_range import token_range
from instructseq_model.decoding.torch_steps import TorchDecoder
from instructseq_model.vocabulary import BEGIN, END, MASK, OutputKind


def outputs(model: Any, kind: OutputKind, rows: int) -> Tensor:
    ids = model.config.vocabulary.range_of(kind)
    generator = torch.Generator().manual_seed(2)
    return torch.randint(ids.start, ids.stop, (rows, model.config.output_length(kind)), generator=generator)


@torch.no_grad()
def teacher_forced(scene: Any, kind: OutputKind, tokens: Tensor, *, samples: int) -> Tensor:
    """Logits of a kind's choices, B x T x C, of samples of all three instructions."""
    choices = token_range(scene.model.config, kind)
    inputs = torch.cat([torch.full_like(tokens[:, :1], BEGIN), tokens[:, :-1]], 1)
    found = [
        scene.model.logits(scene.image(), scene.instructions(row // samples), inputs[row : row + 1], kind)
        for row in range(len(tokens))
    ]
    whole = torch.cat(found)
    return whole[..., [*choices.ids, *([END] if choices.ends else [])]]


@pytest.mark.parametrize("kind", list(OutputKind))
@torch.no_grad()
def test_windows_at_different_steps_give_what_the_teacher_forced_pass_gives(scene: Any, kind: OutputKind) -> None:
    model = scene.model
    tokens = outputs(model, kind, 6)
    expected = teacher_forced(scene, kind, tokens, samples=2)
    steps = TorchDecoder(model).begin(scene.prefix(), kind, samples=2, length=tokens.shape[1] - 1)
    assert steps.rows == 6
    torch.testing.assert_close(steps.first(), expected[:, 0], atol=1e-4, rtol=1e-4)
    guessed = tokens[:, :3].clone()
    guessed[:, 2] = MASK
    torch.testing.assert_close(
        steps.forward(guessed, torch.zeros(6, dtype=torch.long))[:, :2], expected[:, 1:3], atol=1e-4, rtol=1e-4
    )
    starts = torch.tensor([2, 1, 0, 2, 2, 1])
    places = starts[:, None] + torch.arange(3)
    rows = torch.arange(6)[:, None]
    found = steps.forward(tokens[rows, places], starts)
    torch.testing.assert_close(found, expected[rows, places + 1], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_selected_rows_go_on_where_they_were(scene: Any) -> None:
    kind = OutputKind.MAP
    tokens = outputs(scene.model, kind, 6)
    expected = teacher_forced(scene, kind, tokens, samples=2)
    steps = TorchDecoder(scene.model).begin(scene.prefix(), kind, samples=2, length=8)
    steps.forward(tokens[:, :4], torch.zeros(6, dtype=torch.long))
    for chosen in ([0, 0, 3, 2], [2], [0, 0, 0]):  # of the rows that are left
        rows = torch.tensor(chosen)
        steps.select(rows)
        tokens, expected = tokens[rows], expected[rows]
        found = steps.forward(tokens[:, 4:6], torch.full((len(rows),), 4))
        torch.testing.assert_close(found, expected[:, 5:7], atol=1e-4, rtol=1e-4)
