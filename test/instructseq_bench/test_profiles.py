"""A profile in one line."""

from __future__ import annotations

import re

import torch

from instructseq_bench.profiles import shares, where_time_goes


def test_the_largest_parts_and_the_rest_are_told() -> None:
    taken = {"aten::mm": 50.0, "aten::add": 20.0, "a": 1.0, "b": 5.0, "c": 4.0}
    assert shares(taken, 100.0, rest="Python") == "mm 50 %, add 20 %, b 5 %, c 4 %, Python 20 %"


def test_a_matrix_product_is_found() -> None:
    matrix = torch.ones(300, 300)
    told = where_time_goes(lambda: matrix @ matrix, "cpu")
    assert re.search(r"\bmm \d+ %", told)
