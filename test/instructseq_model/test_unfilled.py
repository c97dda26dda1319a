import torch
from torch import nn

from instructseq_model.unfilled import Unfilled


def test_nothing_is_drawn() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    with Unfilled():
        layer = nn.Sequential(nn.Linear(4, 3), nn.Embedding(5, 3), nn.Conv2d(1, 2, 3))
        numbers = 0.1 * torch.randn(2, 3)
        nn.init.trunc_normal_(torch.empty(64), std=0.02)
    assert torch.equal(torch.get_rng_state(), before)
    assert not numbers.any()
    assert layer[0].weight.shape == (3, 4)


def test_constants_and_everything_outside_are_as_usual() -> None:
    with Unfilled():
        constant = torch.full((2,), 1e-5)
        norm = nn.LayerNorm(3)
        norm.register_buffer("mean", torch.tensor([0.5, 0.25]))
    assert constant.tolist() == torch.full((2,), 1e-5).tolist()
    assert norm.get_buffer("mean").tolist() == [0.5, 0.25]
    assert torch.randn(100).any()


def test_loaded_weights_are_the_ones_given() -> None:
    torch.manual_seed(0)
    filled = nn.Linear(4, 3)
    with Unfilled():
        layer = nn.Linear(4, 3)
    layer.load_state_dict(filled.state_dict())
    shown = torch.randn(2, 4)
    assert torch.equal(layer(shown), filled(shown))
