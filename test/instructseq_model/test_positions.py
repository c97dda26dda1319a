import pytest
import torch

from instructseq_model.positions import grid_positions, line_positions, place_codes


def test_grid_positions_hold_the_row_in_one_half_and_the_column_in_the_other() -> None:
    codes = grid_positions(3, 18).view(3, 3, 18)  # row x column x width; 18 is 2 more than a multiple of 4
    assert torch.equal(codes[1, :, :8], codes[1, :1, :8].expand(3, -1))
    assert torch.equal(codes[:, 2, 8:16], codes[:1, 2, 8:16].expand(3, -1))
    assert torch.equal(codes[1, 2, :8], codes[2, 1, 8:16])
    assert codes[..., 16:].abs().max() == 0
    assert len(torch.unique(codes.flatten(0, 1), dim=0)) == 9


def test_codes_of_near_places_are_near_and_those_of_bins_are_distinct() -> None:
    codes = line_positions(1000, 32)
    assert codes.shape == (1000, 32)
    assert torch.equal(codes, place_codes((torch.arange(1000) + 0.5) / 1000, 32))
    distance = (codes[500] - codes).norm(dim=-1)  # 1000
    assert distance[501] < distance[503] < distance[510] < distance[600]
    assert len(torch.unique(codes, dim=0)) == 1000


def test_odd_widths_are_filled_with_zeros() -> None:
    assert place_codes(torch.tensor([[0.1, 0.9]]), 7).shape == (1, 2, 7)
    assert place_codes(torch.tensor([0.3]), 7)[0, 6] == 0


def test_positions_need_no_memory_on_the_meta_device_even_where_linspace_is_hidden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    linspace = torch.linspace
    # What loading a model with transformers does to it.
    monkeypatch.setattr(torch, "linspace", lambda *args, device="cpu", **more: linspace(*args, device=device, **more))
    with torch.device("meta"):
        assert grid_positions(4, 8).is_meta
