"""How cases are shared out; the exchange between processes is tested with whole tables."""

from __future__ import annotations

import numpy as np

from instructseq_model.perception import Task
from instructseq_training.evaluation.cases import Case
from instructseq_training.evaluation.processes import Team, join_team


def cases(*keys: str) -> list[Case]:
    image = np.zeros((2, 2, 3), np.uint8)
    return [Case(image=image, instruction=str(n), task=Task.CAPTION, image_key=key) for n, key in enumerate(keys)]


def test_every_case_belongs_to_one_process_and_images_stay_together() -> None:
    asked = cases("a", "a", "b", "c", "c", "c", "d")
    shares = [[number for number, _ in Team(rank=rank, size=3).share(asked)] for rank in range(3)]
    assert shares == [[0, 1, 6], [2], [3, 4, 5]]


def test_one_process_has_all_cases_and_keeps_its_rows() -> None:
    asked = cases("a", "b")
    assert [case for _, case in Team().share(asked)] == asked
    assert Team().gather([1, None]) == [1, None]


def test_without_torchrun_the_team_is_this_process() -> None:
    assert join_team() == Team()
