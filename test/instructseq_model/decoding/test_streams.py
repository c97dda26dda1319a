import pytest
import torch

from instructseq_model.decoding.streams import Stream, StreamMemory, likeness


def view(seed: int) -> torch.Tensor:
    return torch.randn(16, 8, generator=torch.Generator().manual_seed(seed)) + 5


def test_the_last_choices_of_a_stream_are_recalled_for_a_like_view() -> None:
    memory, choices = StreamMemory(), torch.tensor([[1, 2], [3, 4]])
    assert memory.recall(Stream("front", view(0))) is None
    memory.keep(Stream("front", view(0)), choices)
    memory.keep(Stream("rear", view(1)), choices + 4)
    found = memory.recall(Stream("front", view(0) + 0.1 * view(3)))
    assert found is not None
    assert torch.equal(found, choices)


def test_another_scene_is_forgotten() -> None:
    memory = StreamMemory()
    memory.keep(Stream("front", view(0)), torch.zeros(1, 4))
    assert memory.recall(Stream("front", view(1))) is None
    assert memory.recall(Stream("front", view(0))) is None
    assert len(memory) == 0


def test_the_streams_used_last_are_kept() -> None:
    memory = StreamMemory(held=2)
    for key in ("a", "b", "a", "c"):
        memory.keep(Stream(key, view(0)), torch.zeros(1, 4))
    assert len(memory) == 2
    assert memory.recall(Stream("b", view(0))) is None
    assert memory.recall(Stream("a", view(0))) is not None


def test_likeness_is_of_what_differs_between_cells() -> None:
    assert likeness(view(0), view(0) + 3) == pytest.approx(1, abs=1e-4)
    assert abs(likeness(view(0), view(1))) < 0.3
