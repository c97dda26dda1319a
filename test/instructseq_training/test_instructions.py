import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from instructseq_model.errors import ConfigError, InstructionError
from instructseq_model.perception import Task
from instructseq_training.instructions import InstructionSet, Phrasing, fill, load_instruction_set
from instructseq_training.phrasing_generation.checks import WORDS_OF_OTHER_TASKS
from instructseq_training.phrasing_generation.near_duplicates import (
    BETWEEN_SETS,
    WITHIN_A_SET,
    distances,
    normalised,
)

TABLE_2 = (
    "Mark the {object} region as {color}.",
    "Please fill {color} into the shape of {object}.",
    "Specify the {object} by painting it {color}.",
    "View the {object} as {color}.",
)
MISSPELT_TWINS = {
    frozenset(pair)
    for pair in (
        ("household segmentation", "house hold segmentation"),
        ("semantic segmentation please", "sematic segmentation pls"),
        ("draw a bounding box around {object}", "draw a bunding box arround {object}"),
        ("find {object}", "finde {object}"),
        ("where is {object}?", "wher is {object}"),
        ("where is {object}?", "were is {object} ?"),
        ("where is {object}?", "where's {object}"),
    )
}
"""Pairs of the training set that lie nearer than `WITHIN_A_SET`; the shipped checkpoint learnt them."""


@pytest.fixture(scope="module")
def train() -> InstructionSet:
    return load_instruction_set("train")


@pytest.fixture(scope="module")
def held_out() -> InstructionSet:
    return load_instruction_set("held_out")


def near_pairs(some: InstructionSet, others: InstructionSet, *, least: float) -> set[frozenset[str]]:
    one, other = [p.text for p in some], [p.text for p in others]
    near = np.argwhere(distances(one, other) < least)
    return {frozenset((one[i], other[j])) for i, j in near if one[i] != other[j]}


def segmentation(text: str) -> Phrasing:
    return Phrasing(text=text, task=Task.SEGMENTATION)


@pytest.mark.parametrize("task", list(Task))
def test_every_task_has_enough_phrasings(task: Task, train: InstructionSet, held_out: InstructionSet) -> None:
    assert len(train.of(task)) >= 300
    assert len(held_out.of(task)) >= 60


@pytest.mark.parametrize(("label_set", "least"), [("household", 120), ("coco_stuff", 80), ("ade20k", 80)])
def test_every_label_set_has_phrasings(
    label_set: str, least: int, train: InstructionSet, held_out: InstructionSet
) -> None:
    assert len(train.of(Task.SEMANTIC, label_set=label_set)) >= least
    assert len(held_out.of(Task.SEMANTIC, label_set=label_set)) >= 15


def test_segmentation_is_also_asked_for_without_a_colour(train: InstructionSet, held_out: InstructionSet) -> None:
    for instructions in (train, held_out):
        phrasings = instructions.of(Task.SEGMENTATION)
        without = sum(not phrasing.takes_colour for phrasing in phrasings)
        assert 0.1 < without / len(phrasings) < 0.5


def test_no_phrasing_stands_twice(train: InstructionSet, held_out: InstructionSet) -> None:
    counts = Counter(normalised(phrasing.text) for phrasing in (*train, *held_out))
    assert [text for text, count in counts.items() if count > 1] == []


def test_no_near_duplicates_within_a_split(train: InstructionSet, held_out: InstructionSet) -> None:
    found = {split.name: near_pairs(split, split, least=WITHIN_A_SET) for split in (train, held_out)}
    assert found == {"train": MISSPELT_TWINS, "held_out": set()}


def test_held_out_phrasings_are_far_from_those_trained_on(train: InstructionSet, held_out: InstructionSet) -> None:
    assert near_pairs(held_out, train, least=BETWEEN_SETS) == set()


def test_a_phrasing_asks_for_one_thing_only(train: InstructionSet, held_out: InstructionSet) -> None:
    """What a reader goes by: boxes are asked for in no mask's phrasing, and the other way round."""
    wrong = [p.text for p in (*train, *held_out) if re.search(WORDS_OF_OTHER_TASKS[p.task], p.text, re.IGNORECASE)]
    assert wrong == []


def test_table_2_of_the_paper_is_held_out(train: InstructionSet, held_out: InstructionSet) -> None:
    assert set(TABLE_2) <= {phrasing.text for phrasing in held_out.of(Task.SEGMENTATION)}
    assert not set(TABLE_2) & {phrasing.text for phrasing in train}


def test_templates_are_one_a_task_and_label_set_and_part_of_training(train: InstructionSet) -> None:
    template = load_instruction_set("template")
    assert Counter((p.task, p.label_set) for p in template) == {
        (Task.SEMANTIC, "household"): 1,
        (Task.SEMANTIC, "coco_stuff"): 1,
        (Task.SEMANTIC, "ade20k"): 1,
        (Task.SEGMENTATION, None): 1,
        (Task.DETECTION, None): 1,
        (Task.CAPTION, None): 1,
    }
    assert set(template) <= set(train)


def test_every_phrasing_fills_without_leftovers(train: InstructionSet, held_out: InstructionSet) -> None:
    for phrasing in (*train, *held_out):
        text = fill(phrasing, expression="all the {odd} cups", colour="orange").replace("{odd}", "")
        assert "{" not in text
        assert not re.search(r"\b[Aa] orange", text)
        assert not re.search(r"\bthe all\b", text)


def test_table_2_reads_well_with_an_expression_that_has_an_article() -> None:
    filled = [fill(segmentation(text), expression="the red mug", colour="blue") for text in TABLE_2]
    assert filled == [
        "Mark the red mug region as blue.",
        "Please fill blue into the shape of the red mug.",
        "Specify the red mug by painting it blue.",
        "View the red mug as blue.",
    ]


def test_missing_colour_becomes_green() -> None:
    assert fill(segmentation("{color} over {object}"), expression="the mug") == "green over the mug"


@pytest.mark.parametrize("expression", [None, "", "  "])
def test_missing_expression_is_refused(expression: str | None) -> None:
    with pytest.raises(InstructionError, match="expression"):
        fill(segmentation("mark {object}"), expression=expression)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("task: sing\nlabel_set: null\nphrasings: [la]\n", "must be one of"),
        ("task: semantic\nlabel_set: null\nphrasings: [la]\n", "semantic needs one of"),
        ("task: caption\nlabel_set: household\nphrasings: [la]\n", "the others null"),
        ("task: caption\nlabel_set: null\nphrasings: []\n", "at least one"),
        ("task: caption\nlabel_set: null\nphrasings: ['what is {object}?']\n", "nothing else"),
        ("task: detection\nlabel_set: null\nphrasings: ['find it']\n", "add {object}"),
        ("task: detection\nlabel_set: null\nphrasings: ['find {object']\n", "lone brace"),
        ("task: detection\nlabel_set: null\nphrasings: ['{object} or {object}']\n", "at most once"),
        ("task: caption\n", "exactly the keys"),
    ],
)
def test_bad_files_are_refused_with_the_reason(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "bad.yaml").write_text(content)
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_instruction_set(tmp_path)


def test_unknown_set_is_refused() -> None:
    with pytest.raises(ConfigError, match="config/instructions"):
        load_instruction_set("no_such_set")
