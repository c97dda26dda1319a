"""Which rows go on."""

import pytest
import torch

from instructseq_model.decoding.leaving import staying_rows


@pytest.mark.parametrize(
    ("unfinished", "share", "rows", "left"),
    [
        ([1, 0, 1, 0], 4, [0, 2], 2),
        ([0, 0, 0, 1], 2, [3], 1),  # the first instruction is done
        ([0, 1, 0, 1, 1, 0], 3, [0, 1, 3, 4], 2),  # row 0 fills up
        ([1, 1, 1], 1, [0, 1, 2], 1),
        ([0, 0, 1, 1, 0, 1], 3, [0, 2, 3, 5], 2),
    ],
)
def test_as_many_rows_of_each_instruction_stay_as_any_needs(
    unfinished: list[int], share: int, rows: list[int], left: int
) -> None:
    found, count = staying_rows(torch.tensor(unfinished, dtype=torch.bool), share)
    assert (found.tolist(), count) == (rows, left)
