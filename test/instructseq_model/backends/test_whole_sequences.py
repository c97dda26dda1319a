"""An export perceives what its model perceives: the same tokens, with the same noise."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from instructseq_model.classing import ClassEvidence
from instructseq_model.model import InstructSeq
from instructseq_model.perceiver import Perceiver
from instructseq_model.perception import Perception, Task
from instructseq_model.question import Question

pytest.importorskip("onnxruntime", minversion="1.32")
pytest.importorskip("onnxscript")
pytestmark = pytest.mark.nightly
Pair = tuple[Perceiver, Perceiver]


@pytest.fixture(scope="module")
def small(small_model: InstructSeq, whole_small: Path) -> Pair:
    return Perceiver(small_model), Perceiver.load(whole_small, threads=1)


@pytest.fixture(scope="module")
def shipped(shipped_model: InstructSeq, whole_shipped: Path) -> Pair:
    return Perceiver(shipped_model), Perceiver.load(whole_shipped, threads=1)


def check_equal(found: Perception, expected: Perception) -> None:
    assert [box.xyxy for box in found.boxes] == [box.xyxy for box in expected.boxes]
    assert found.caption == expected.caption
    assert found.score == pytest.approx(expected.score, rel=1e-3)
    for name in ("mask", "agreement"):
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name
    assert type(found.evidence) is type(expected.evidence)
    if expected.evidence is not None:
        name = "logits" if isinstance(expected.evidence, ClassEvidence) else "pointed"
        one, other = (getattr(given.evidence, name) for given in (found, expected))
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def check_perceives(pair: Pair, task: Task, samples: int) -> None:
    image = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)
    arguments: dict[str, Any] = {"task": task, "samples": samples, "seed": 3, "label_set": "household"}
    expected, found = (one(image, "mark the red mug", **arguments) for one in pair)
    check_equal(found, expected)


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("samples", [1, 3])
def test_small_model_gives_the_same_answers(small: Pair, task: Task, samples: int) -> None:
    check_perceives(small, task, samples)


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("samples", [1, 3])
def test_shipped_checkpoint_gives_the_same_answers(shipped: Pair, task: Task, samples: int) -> None:
    check_perceives(shipped, task, samples)


def test_questions_of_several_images_together_get_the_same_answers(small: Pair) -> None:
    images = np.random.default_rng(1).integers(0, 256, (2, 48, 64, 3), np.uint8)
    texts = ("mark the red mug", "mark it", "where is the blue bowl behind the lamp?")
    questions = [
        Question(image=image, instruction=text, task=task, seed=3, label_set="household")
        for image in images
        for text in texts
        for task in (Task.SEGMENTATION, Task.DETECTION, Task.CAPTION)
    ]
    expected, found = (one.batch(questions) for one in small)
    for one, right in zip(found, expected, strict=True):
        check_equal(one, right)
