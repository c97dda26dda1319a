"""Shapes, against pycocotools' own reading of an annotation and against masks drawn by hand."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.outlines import MaskPicture, Polygons, RunLengths, coco_outline

from .generate import ANNOTATIONS, CROWD, HEIGHT, SQUARE, WIDTH, instances, png

SIZE = (HEIGHT, WIDTH)


@pytest.mark.parametrize("number", list(ANNOTATIONS))
def test_masks_are_those_of_pycocotools(tmp_path, number):
    file = tmp_path / "instances.json"
    file.write_text(json.dumps(instances(list(ANNOTATIONS))))
    coco = COCO(str(file))
    expected = coco.annToMask(coco.loadAnns([number])[0]).astype(bool)
    assert expected.any()
    assert (coco_outline(ANNOTATIONS[number][1]).mask(SIZE) == expected).all()


def test_a_square_polygon_is_the_square():
    drawn = np.zeros(SIZE, bool)
    drawn[6:18, 4:14] = True
    assert (coco_outline(SQUARE).mask(SIZE) == drawn).all()


def test_a_crowd_runs_down_its_column():
    drawn = np.zeros(SIZE, bool)
    drawn[5:17, 10] = True
    assert (coco_outline(CROWD).mask(SIZE) == drawn).all()


def test_compressed_run_lengths_are_the_same_mask():
    drawn = np.zeros(SIZE, np.uint8)
    drawn[3:20, 5:9] = 1
    runs = coco_mask.encode(np.asfortranarray(drawn))
    outline = coco_outline({"size": list(SIZE), "counts": runs["counts"].decode()})
    assert (outline.mask(SIZE) == drawn.astype(bool)).all()


def test_run_lengths_that_do_not_add_up_are_refused():
    with pytest.raises(DatasetError, match="add up to 8"):
        RunLengths(counts=(5, 3), size_hw=SIZE).mask(SIZE)
    with pytest.raises(DatasetError, match="height, width"):
        RunLengths(counts=(5, 3), size_hw=(4, 2)).mask(SIZE)


def test_a_polygon_of_two_corners_is_refused():
    with pytest.raises(DatasetError, match="three corners"):
        Polygons(parts=((1.0, 1.0, 5.0, 5.0),)).mask(SIZE)


def test_something_else_is_no_segmentation():
    with pytest.raises(DatasetError, match="neither polygons nor run lengths"):
        coco_outline({"counts": [1]})


def test_a_mask_picture_is_white_where_the_object_is():
    pixels = np.array([[0, 127], [128, 255]], np.uint8)
    assert MaskPicture(source=png(pixels)).mask((2, 2)).tolist() == [[False, False], [True, True]]
    with pytest.raises(DatasetError, match="height, width"):
        MaskPicture(source=png(pixels)).mask((3, 2))
