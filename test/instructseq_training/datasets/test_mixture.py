"""Shares, order and resumption of a mixture."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from instructseq_model.errors import ConfigError
from instructseq_model.perception import Task
from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.mixture import BLOCK, Component, Mixture, Schedule, load_mixture
from instructseq_training.datasets.training_data import open_training_data
from instructseq_training.instructions import load_instruction_set

CONFIG = Path(__file__).parents[3] / "config" / "mixtures"
PAPER = load_mixture(CONFIG / "paper.yaml")
PHRASINGS = load_instruction_set("train")


def schedule(seed: int = 0, size: int = 7) -> Schedule:
    return Schedule(mixture=PAPER, sizes=(size,) * len(PAPER.components), seed=seed)


def test_the_papers_mixture_is_the_printed_one_normalised():
    printed = {
        ("coco_stuff", "semantic"): 0.25,
        ("ade20k", "semantic"): 0.2,
        **{(name, "segmentation"): 0.05 for name in ("refcoco", "refcoco+", "refcocog", "grefcoco")},
        **{(name, "detection"): 0.05 for name in ("refcoco", "refcoco+", "refcocog")},
        ("coco_captions", "caption"): 0.1,
    }
    shares = {(c.dataset, c.task.value): s for c, s in zip(PAPER.components, PAPER.shares, strict=True)}
    assert shares == pytest.approx({key: weight / 0.9 for key, weight in printed.items()})
    assert sum(PAPER.shares) == pytest.approx(1)


def test_every_mixture_that_ships_can_be_read():
    assert all(load_mixture(file).components for file in CONFIG.glob("*.yaml"))


def test_frequencies_are_exact_in_a_block_and_close_everywhere():
    order = schedule()
    found = Counter(order.place(number).component for number in range(BLOCK))
    assert [found[c] / BLOCK for c in range(len(PAPER.components))] == pytest.approx(PAPER.shares)
    for start in (BLOCK - 450, 5 * BLOCK + 123):
        part = Counter(order.place(number).component for number in range(start, start + 900))
        assert [part[c] / 900 for c in range(len(PAPER.components))] == pytest.approx(PAPER.shares, abs=0.05)


def test_weights_of_any_size_are_normalised_to_one_part_in_a_block():
    parts = tuple(Component(dataset="ade20k", task=Task.SEMANTIC, weight=w) for w in (3.0, 1.0, 2.7))
    counts = Schedule(mixture=Mixture(parts), sizes=(1, 1, 1), seed=0).block_counts
    assert sum(counts) == BLOCK
    assert [count / BLOCK for count in counts] == pytest.approx([w / 6.7 for w in (3.0, 1.0, 2.7)], abs=1.5 / BLOCK)


def test_every_record_comes_once_before_any_comes_twice():
    order = schedule(size=30)
    seen: dict[int, list[int]] = {}
    for number in range(2 * BLOCK):
        place = order.place(number)
        seen.setdefault(place.component, []).append(place.record)
    for records in seen.values():
        epochs = [records[start : start + 30] for start in range(0, len(records) - 29, 30)]
        assert len(epochs) >= 10
        assert all(sorted(epoch) == list(range(30)) for epoch in epochs)
        assert epochs[0] != epochs[1]


def test_a_draw_depends_on_seed_and_number_only():
    late = [schedule().place(number) for number in range(BLOCK + 500, BLOCK + 600)]
    order = schedule()
    assert [order.place(number) for number in range(BLOCK + 600)][-100:] == late
    assert [schedule(seed=1).place(number) for number in range(BLOCK + 500, BLOCK + 600)] != late


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], "list of mappings"),
        ({"a": 1}, "list of mappings"),
        ([{"dataset": "ade20k", "weight": 1}], "exactly the keys"),
        ([{"dataset": "ade20k", "task": "caption", "weight": 1}], "choose semantic"),
        ([{"dataset": "ade20k", "task": "semantic", "weight": 0}], "above 0"),
        ([{"dataset": "ade20k", "task": "semantic", "weight": "much"}], "above 0"),
        ([{"dataset": "ade20k", "task": "semantic", "weight": float("nan")}], "above 0"),
    ],
)
def test_a_wrong_mixture_says_what_is_wrong(tmp_path, entries, message):
    file = tmp_path / "mixture.yaml"
    file.write_text(yaml.safe_dump(entries))
    with pytest.raises(ConfigError, match=message):
        load_mixture(file)


def test_an_unknown_dataset_is_refused(tmp_path):
    (tmp_path / "m.yaml").write_text("[{dataset: pascal, task: semantic, weight: 1}]")
    with pytest.raises(DatasetError, match="'pascal'"):
        load_mixture(tmp_path / "m.yaml")


def test_a_share_that_would_never_be_drawn_is_refused():
    parts = tuple(Component(dataset="ade20k", task=Task.SEMANTIC, weight=w) for w in (1e6, 1.0))
    with pytest.raises(ConfigError, match=f"1 in {BLOCK}"):
        Schedule(mixture=Mixture(parts), sizes=(1, 1), seed=0)


def test_training_data_says_what_it_dropped_and_never_shows_it(root):
    opened = open_training_data(root, PAPER, phrasings=PHRASINGS, map_side=32)
    assert "refcocog: 2 of 3 training images dropped" in " ".join(opened.messages)
    assert len(opened.messages) == len(PAPER.datasets) == 7
    family = [place for place, c in enumerate(PAPER.components) if "ref" in c.dataset]
    shown = {opened.data.splits[place][n].image_id for place in family for n in range(len(opened.data.splits[place]))}
    assert shown == {1}


def test_a_resumed_run_sees_the_same_samples(root):
    def batch(step: int):
        return open_training_data(root, PAPER, phrasings=PHRASINGS, map_side=32, seed=5).data.batch(step, 20)

    unbroken = open_training_data(root, PAPER, phrasings=PHRASINGS, map_side=32, seed=5).data
    for step in range(4):
        before = unbroken.batch(step, 20)
    for one, other in zip(before, batch(3), strict=True):
        assert (one.key, one.example) == (other.key, other.example)
        assert (one.image == other.image).all()
        assert np.array_equal(one.mask, other.mask) if one.mask is not None else other.mask is None
    assert {sample.example.task for step in range(4) for sample in batch(step)} == set(Task)


def test_detection_without_any_short_enough_answer_says_what_to_do(root):
    mixture = Mixture((Component(dataset="refcoco", task=Task.DETECTION, weight=1.0),))
    opened = open_training_data(root, mixture, phrasings=PHRASINGS, map_side=8, max_targets=0)
    with pytest.raises(DatasetError, match="raise the limit"):
        opened.data[0]
