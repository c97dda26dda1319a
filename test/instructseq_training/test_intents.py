from collections import Counter

import pytest

from instructseq_model.errors import ConfigError
from instructseq_model.perception import Task
from instructseq_training.instructions import load_instruction_set
from instructseq_training.intents import INTENTS_DIR, load_intents, spoken


def test_every_phrasing_is_there_with_its_task_and_label_set() -> None:
    intents = load_intents("held_out", fillings=2)
    held_out = load_instruction_set("held_out")
    counts = Counter((intent.task, intent.label_set) for intent in intents)
    for label_set in ("household", "coco_stuff", "ade20k"):
        assert counts[Task.SEMANTIC, label_set] == len(held_out.of(Task.SEMANTIC, label_set=label_set))
    assert counts[Task.CAPTION, None] == len(held_out.of(Task.CAPTION))
    assert counts[Task.DETECTION, None] == 2 * len(held_out.of(Task.DETECTION))
    assert counts[Task.SEGMENTATION, None] == 2 * len(held_out.of(Task.SEGMENTATION))


def test_splits_share_no_instruction() -> None:
    train = {spoken(intent.text) for intent in load_intents("train")}
    assert not train & {spoken(intent.text) for intent in load_intents("held_out")}


def test_splits_share_no_expression() -> None:
    train, held_out = (
        (INTENTS_DIR / f"{name}.yaml").read_text().lower().splitlines() for name in ("train", "held_out")
    )
    assert {line for line in train if line.startswith("  -")}.isdisjoint(held_out)


def test_no_text_has_two_meanings() -> None:
    meanings: dict[str, set[tuple[Task, str | None]]] = {}
    for intent in (*load_intents("train", fillings=80), *load_intents("held_out", fillings=32)):
        meanings.setdefault(spoken(intent.text), set()).add((intent.task, intent.label_set))
    assert [text for text, found in meanings.items() if len(found) > 1] == []


def test_same_seed_gives_the_same_instructions() -> None:
    assert load_intents("train", seed=3) == load_intents("train", seed=3)
    assert load_intents("train", seed=3) != load_intents("train", seed=4)


def test_training_comes_also_as_speech_recognition_writes() -> None:
    texts = {intent.text for intent in load_intents("train")}
    assert "What is in this picture?" in texts
    assert "what is in this picture" in texts


def test_speech_has_no_capitals_and_no_punctuation() -> None:
    assert spoken("Where's the T-shirt? Box it - please.") == "where's the t-shirt box it please"


def test_unknown_split_is_refused() -> None:
    with pytest.raises(ConfigError, match="train or held_out"):
        load_intents("validation")  # type: ignore[arg-type]
