"""The six specifications and the paper's numbers beside their rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from instructseq_model.errors import ConfigError
from instructseq_model.perception import Task
from instructseq_training.config import load_train_config
from instructseq_training.evaluation.tables.specification import (
    TABLE_NUMBERS,
    TABLES_DIR,
    load_table,
    paper_numbers,
    variants,
)
from instructseq_training.instructions import load_instruction_set


@pytest.mark.parametrize("number", TABLE_NUMBERS)
def test_every_number_of_the_model_stands_beside_one_row_of_the_coco_suite(number: int) -> None:
    printed = [n for n in paper_numbers() if n.table == number and n.method.startswith("InstructSeq")]
    beside = [n for n in load_table(number, suite="coco").paper if n is not None]
    assert sorted(map(repr, beside)) == sorted(map(repr, printed))


@pytest.mark.parametrize(("number", "count"), [(1, 22), (2, 10), (3, 3), (4, 20), (5, 15), (6, 6)])
def test_as_many_numbers_are_recorded_as_the_paper_prints(number: int, count: int) -> None:
    assert sum(n.table == number for n in paper_numbers()) == count


def test_tables_that_share_a_setting_share_its_numbers() -> None:
    """Table 4 at ten samples and Table 2's first row are Table 1's; Table 6's first row is Table 5's."""
    of = {(n.table, n.method, n.dataset, n.task, n.condition): n.value for n in paper_numbers()}
    for dataset, task in (("coco_stuff", "semantic"), ("ade20k", "semantic"), ("refcoco", "segmentation")):
        whole, base = (1, "InstructSeq", dataset, Task(task), None), (5, "InstructSeq-Base", dataset, Task(task), "mae")
        assert of[whole] == of[4, "InstructSeq", dataset, Task(task), "N=10"]
        assert of[base] == of[6, "InstructSeq-Base", dataset, Task(task), "all-tasks"]
    full = (2, "InstructSeq-Full", "refcoco", Task.SEGMENTATION, "template")
    assert of[1, "InstructSeq", "refcoco", Task.SEGMENTATION, None] == of[full] == 59.60


@pytest.mark.parametrize("suite", ["household", "coco"])
@pytest.mark.parametrize("number", TABLE_NUMBERS)
def test_every_variant_says_how_it_comes_about(number: int, suite: str) -> None:
    for row in load_table(number, suite=suite).rows:
        assert variants()[row.model][suite]


@pytest.mark.parametrize(("name", "phrasings", "boxes"), [("template", "template", 5), ("images-only", "train", 0)])
def test_the_variants_recipes_differ_from_the_default_in_their_point_only(
    name: str, phrasings: str, boxes: int
) -> None:
    folder = TABLES_DIR.parent / "training"
    recipe = load_train_config(folder / f"household-{name}.yaml")
    default = load_train_config(folder / "household-cpu.yaml")
    assert (recipe.phrasings, recipe.batch.boxes) == (phrasings, boxes)
    assert f"household-{name}.yaml" in variants()[name]["household"]
    for setting in ("model", "minutes", "loss", "optimiser", "grounding_start", "seed"):
        assert getattr(recipe, setting) == getattr(default, setting)


def test_the_new_phrasings_of_table_2_are_never_trained_on() -> None:
    asked = [row.wording for row in load_table(2, suite="household").rows]
    trained = {phrasing.text for name in ("train", "template") for phrasing in load_instruction_set(name)}
    assert sum(wording in trained for wording in asked) == 2  # the template, for each of the two models
    assert {wording for wording in asked if wording not in trained} <= {
        p.text for p in load_instruction_set("held_out")
    }


def test_table_4_samples_at_one_temperature() -> None:
    rows = load_table(4, suite="household").rows
    assert [row.samples for row in rows[::4]] == [1, 4, 6, 8, 10]
    assert {row.temperature for row in rows} == {0.9}


def test_an_encoder_of_another_name_gets_rows_of_its_own() -> None:
    rows = load_table(5, suite="household", given=("default", "swin")).rows
    assert [row.metric for row in rows if row.model == "swin"] == [row.metric for row in rows if row.model == "mae"]
    assert not any(row.model == "swin" for row in load_table(6, suite="household", given=("swin",)).rows)


def test_a_wrong_table_suite_or_metric_is_refused_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="1, 2, 3, 4, 5, 6"):
        load_table(7, suite="coco")
    with pytest.raises(ConfigError, match="household, coco"):
        load_table(1, suite="kitchen")
    (tmp_path / "paper.yaml").write_text("numbers: []")
    (tmp_path / "table-1.yaml").write_text(
        "title: x\nrows: {coco: [{dataset: d, split: val, task: caption, metric: miou}]}"
    )
    with pytest.raises(ConfigError, match=r"no metric of caption; there are .*bleu4"):
        load_table(1, suite="coco", folder=tmp_path)
