"""Answers of the node with the inputs that they belong to."""

from types import SimpleNamespace

import numpy as np

from instructseq_cli.demo.answers import with_confidence
from instructseq_model.perception import Task


def image(pixels: np.ndarray, *, padding: int) -> SimpleNamespace:
    rows = [row.tobytes() + b"\xaa" * padding for row in pixels]
    height, width = pixels.shape
    common = {"encoding": "32FC1", "step": len(rows[0]), "is_bigendian": 0}
    return SimpleNamespace(width=width, height=height, data=b"".join(rows), **common)


def test_boxes_get_the_confidence_image_of_their_stamp(acts, answer_to):
    values = np.array([[0.25, 1.0]], np.float32)
    ask = next(ask for ask in acts[0].asks if ask.task == Task.DETECTION)
    answer = answer_to(acts[0], ask, 3)
    found = with_confidence(answer, {(5, 3): image(values, padding=4)})
    np.testing.assert_array_equal(found.perception.confidence, values)
    assert with_confidence(answer, {(5, 4): image(values, padding=0)}) is answer
