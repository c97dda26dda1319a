import itertools

import pytest
import torch

from instructseq_model.decoding.streams import Stream, StreamMemory, likeness


def view(seed: int) -> torch.Tensor:
    return torch.randn(16, 8, generator=torch.Generator().manual_seed(seed)) + 5


def test_the_last_choices_of_a_stream_are_recalled_for_a_like_view() -> None:
    memory, choices = StreamMemory(), torch.tensor([[1, 2], [3, 4]])
    assert memory.recall(Stream("front", view(0))) is None
    memory.keep(Stream("front", view(0)), choices, forwards=9, drafted=False)
    memory.keep(Stream("rear", view(1)), choices + 4, forwards=9, drafted=False)
    found = memory.recall(Stream("front", view(0) + 0.1 * view(3)))
    assert found is not None
    assert torch.equal(found, choices)


def test_another_scene_is_forgotten() -> None:
    memory = StreamMemory()
    memory.keep(Stream("front", view(0)), torch.zeros(1, 4), forwards=9, drafted=False)
    assert memory.recall(Stream("front", view(1))) is None
    assert memory.recall(Stream("front", view(0))) is None
    assert len(memory) == 0


def test_the_streams_used_last_are_kept() -> None:
    memory = StreamMemory(held=2)
    for key in ("a", "b", "a", "c"):
        memory.keep(Stream(key, view(0)), torch.zeros(1, 4), forwards=9, drafted=False)
    assert len(memory) == 2
    assert memory.recall(Stream("b", view(0))) is None
    assert memory.recall(Stream("a", view(0))) is not None


def test_a_stream_whose_drafts_do_not_pay_goes_without_them_for_longer_and_longer() -> None:
    memory, stream, choices = StreamMemory(), Stream("front", view(0)), torch.zeros(1, 4)
    drafted = []
    for _ in range(60):
        drafted.append(memory.recall(stream) is not None)
        memory.keep(stream, choices, forwards=40 if drafted[-1] else 10, drafted=drafted[-1])
    used = [number for number, draft in enumerate(drafted) if draft]
    assert [later - earlier - 1 for earlier, later in itertools.pairwise(used)] == [2, 4, 8, 16, 16]
    memory.keep(stream, choices, forwards=17, drafted=True)  # not clearly more than 10
    assert memory.recall(stream) is None  # still at rest
    for _ in range(16):
        memory.keep(stream, choices, forwards=10, drafted=False)
    assert memory.recall(stream) is not None


def test_likeness_is_of_what_differs_between_cells() -> None:
    assert likeness(view(0), view(0) + 3) == pytest.approx(1, abs=1e-4)
    assert abs(likeness(view(0), view(1))) < 0.3
