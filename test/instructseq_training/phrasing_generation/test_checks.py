from typing import Any

import pytest

from instructseq_training.instructions import load_instruction_set
from instructseq_training.phrasing_generation.checks import LONGEST, english_words, fault
from instructseq_training.phrasing_generation.kinds import KINDS

ENGLISH = english_words(phrasing.text for phrasing in load_instruction_set("train"))


@pytest.mark.parametrize(
    ("kind", "entry", "reason"),
    [
        ("detection", 7, "not text"),
        ("detection", " ", "not text"),
        ("detection", "find {object}\nnow", "line breaks or control characters"),
        ("detection", "find {object} \ud800", "line breaks or control characters"),
        ("detection", "find {object} " + LONGEST * "a", "too long"),
        ("detection", "find it", "wrong placeholders"),
        ("detection", "find {object} or {object}", "wrong placeholders"),
        ("detection", "find {object} in {color}", "wrong placeholders"),
        ("detection", "find {thing}", "wrong placeholders"),
        ("detection", "find {object!r}", "wrong placeholders"),
        ("detection", "find {object:>9}", "wrong placeholders"),
        ("detection", "find {object", "wrong placeholders"),
        ("caption", "describe {object}", "wrong placeholders"),
        ("detection", "Bitte finde {object} im Bild.", "not English"),
        ("detection", "{object} どこ", "not English"),
        ("detection", "¿Dónde está {object}?", "not English"),
        ("detection", "Show me the mask of {object}.", "asks for another task"),
        ("segmentation", "Show me the bounding box of {object}.", "asks for another task"),
        ("caption", "Segment the whole picture.", "asks for another task"),
        ("semantic_ade20k", "Segment the whole picture.", "wrong label set"),
        ("semantic_coco_stuff", "Segment the whole picture with ADE20K.", "wrong label set"),
        ("semantic_household", "Segment the whole picture with ADE20K.", "wrong label set"),
        ("detection", "Encircle {object}.", None),
        ("detection", "whre is {object} in teh pictur", None),
        ("semantic_ade20k", "Segment the whole picture with ADE20K.", None),
        ("segmentation", "Paint {object} {color}.", None),
    ],
)
def test_faults_are_told_by_reason(kind: str, entry: Any, reason: str | None) -> None:
    assert fault(entry, KINDS[kind], english=ENGLISH) == reason


def test_nearly_all_held_out_phrasings_would_have_been_taken() -> None:
    """None of their words is in the vocabulary unless the training set has it too."""
    kinds = {(kind.task, kind.label_set): kind for kind in KINDS.values()}
    held_out = load_instruction_set("held_out")
    refused = [p.text for p in held_out if fault(p.text, kinds[p.task, p.label_set], english=ENGLISH) is not None]
    assert len(refused) / len(held_out) < 0.03
