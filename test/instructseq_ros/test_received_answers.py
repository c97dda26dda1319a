"""Messages of the node turned back into perceptions: pixels, boxes, classes, colours."""

from types import SimpleNamespace

import numpy as np
import pytest

from instructseq_model.palette import NAMED_COLOURS
from instructseq_model.vocabulary import OutputKind
from instructseq_ros.received_answers import perception_of

EMPTY = SimpleNamespace(width=0, height=0, encoding="", step=0, is_bigendian=0, data=b"")


def image(pixels: np.ndarray, encoding: str, *, padding: int = 0) -> SimpleNamespace:
    rows = [row.tobytes() + b"\xaa" * padding for row in pixels]
    return SimpleNamespace(
        width=pixels.shape[1],
        height=pixels.shape[0],
        encoding=encoding,
        step=len(rows[0]),
        is_bigendian=int(pixels.dtype.byteorder == ">"),
        data=b"".join(rows),
    )


def message(**fields) -> SimpleNamespace:
    times = {f"{stage}_seconds": 0.1 for stage in ("convert", "encode", "decode", "aggregate", "total")}
    given = {
        "output_kind": "map",
        "task": "segmentation",
        "instruction": "mark the mug in green",
        "mask": EMPTY,
        "confidence": EMPTY,
        "detections": SimpleNamespace(detections=[]),
        "label_info": SimpleNamespace(class_map=[]),
        "caption": "",
        "score": 0.5,
        "samples": 1,
    }
    return SimpleNamespace(**{**given, **times, **fields})


def test_a_binary_mask_becomes_zero_and_one_in_the_colour_asked_for():
    pixels = np.array([[0, 255, 0], [255, 255, 0]], np.uint8)
    found = perception_of(message(mask=image(pixels, "mono8", padding=5)), (3, 2))
    np.testing.assert_array_equal(found.mask, pixels // 255)
    assert found.colour_map is not None
    assert tuple(found.colour_map[0, 1]) == NAMED_COLOURS["green"]
    assert found.colour_map[0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("text", ["mark the mug", "mark the mug in the kitchen", "in", ""])
def test_without_a_colour_in_the_words_none_is_made_up(text):
    mask = image(np.array([[255]], np.uint8), "mono8")
    assert perception_of(message(mask=mask, instruction=text), (1, 1)).colour_map is None


@pytest.mark.parametrize("order", ["<", ">"])
def test_class_ids_of_sixteen_bits_keep_their_values_in_both_byte_orders(order):
    ids = np.array([[0, 300], [301, 1]], f"{order}u2")
    names = [SimpleNamespace(class_name=f"class {index}") for index in range(302)]
    info = SimpleNamespace(class_map=names)
    found = perception_of(message(task="semantic", mask=image(ids, "16UC1"), label_info=info), (2, 2))
    assert found.mask is not None
    assert found.mask.tolist() == [[0, 300], [301, 1]]
    assert found.label_set is not None
    assert found.label_set.unlabelled == 301


def test_boxes_come_back_as_corners():
    centre = SimpleNamespace(position=SimpleNamespace(x=50.0, y=40.0))
    box = SimpleNamespace(center=centre, size_x=20.0, size_y=10.0)
    result = SimpleNamespace(hypothesis=SimpleNamespace(score=0.75))
    detections = SimpleNamespace(detections=[SimpleNamespace(bbox=box, results=[result])])
    found = perception_of(message(output_kind="boxes", task="detection", detections=detections), (100, 80))
    assert found.boxes[0].xyxy == (40.0, 35.0, 60.0, 45.0)
    assert found.boxes[0].score == 0.75
    assert found.kind is OutputKind.BOXES
    assert found.caption is None


def test_an_empty_caption_is_still_a_caption():
    assert perception_of(message(output_kind="text", task="caption"), (4, 4)).caption == ""
