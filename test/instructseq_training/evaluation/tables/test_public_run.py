"""The coco suite from end to end: small datasets in the published formats, a model that marks every whole image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from instructseq_training.evaluation.java import has_java
from instructseq_training.evaluation.tables.public import READERS, PublicSuite
from instructseq_training.evaluation.tables.run import TableSettings, run
from instructseq_training.evaluation.tables.specification import TABLE_NUMBERS

from ...datasets import generate

MODELS = ("default", "template", "images-only", "mae", "sam", "clip")
TARGET = 10 * 12  # pixels of the square that RefCOCO's "person" is, in an image of 40 x 30
WHOLE = generate.WIDTH * generate.HEIGHT


@pytest.fixture(scope="module")
def measured(all_marking: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[dict[str, Any]]]:
    """Rows of all six tables."""
    root, out = tmp_path_factory.mktemp("datasets"), tmp_path_factory.mktemp("tables")
    generate.everything(root)
    models = dict.fromkeys(MODELS, all_marking)
    settings = TableSettings(samples=2)
    run(TABLE_NUMBERS, suite=PublicSuite(root, READERS), models=models, out=out, settings=settings)
    return {number: json.loads((out / f"table-{number}.json").read_text()) for number in TABLE_NUMBERS}


def values(rows: list[dict[str, Any]], dataset: str, metric: str) -> list[float]:
    return [row["ours"] for row in rows if (row["dataset"], row["metric"]) == (dataset, metric)]


@pytest.mark.parametrize("number", TABLE_NUMBERS)
def test_every_row_is_measured_on_the_images_of_its_split(
    measured: dict[int, list[dict[str, Any]]], number: int
) -> None:
    cases = {"coco_stuff": 1, "ade20k": 2, "refcoco": 1, "grefcoco": 1, "coco_captions": 1, "fss1000": 4}
    for row in measured[number]:
        if row["metric"] == "meteor" and not has_java():
            continue
        assert row["n"] == cases[row["dataset"]], row
        assert row["ours"] is not None or row["metric"] == "ece", row  # no answer is a map of classes


@pytest.mark.parametrize("number", [1, 2, 4, 5, 6])
def test_marking_everything_scores_the_share_of_the_target(
    measured: dict[int, list[dict[str, Any]]], number: int
) -> None:
    found = values(measured[number], "refcoco", "oiou")
    assert len(found) > 0
    assert found == pytest.approx([100 * TARGET / WHOLE] * len(found), abs=1e-4)


def test_what_is_meant_nowhere_and_marked_everywhere_scores_nothing(
    measured: dict[int, list[dict[str, Any]]],
) -> None:
    for metric in ("ciou", "giou", "n_acc"):
        assert values(measured[1], "grefcoco", metric) == [0]


def test_half_of_each_unseen_thing_is_half(measured: dict[int, list[dict[str, Any]]]) -> None:
    """The generator's masks are the left halves of their images."""
    assert values(measured[3], "fss1000", "class_miou") == [50]
    assert values(measured[3], "fss1000", "oiou") == [50]


def test_answers_of_another_kind_score_nothing(measured: dict[int, list[dict[str, Any]]]) -> None:
    assert values(measured[1], "coco_stuff", "miou") == [0]
    assert values(measured[1], "refcoco", "ap50") == [0]
    assert values(measured[1], "coco_captions", "bleu4") == pytest.approx([0], abs=1e-4)
