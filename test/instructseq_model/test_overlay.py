"""Overlays: what is tinted and what is left alone, legends, heat map, refused sizes."""

import numpy as np
import pytest

from instructseq_model.errors import ImageError
from instructseq_model.overlay import (
    DEFAULT_TINT,
    LEGEND_ROWS,
    draw_confidence,
    draw_perception,
    heat_colours,
    heat_map,
    legend_rows,
    status_line,
)
from instructseq_model.palette import LabelSet
from instructseq_model.perception import Box, Perception, Task
from instructseq_model.vocabulary import OutputKind

HEIGHT, WIDTH = 120, 160


@pytest.fixture
def image() -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), 100, np.uint8)


def perception(**fields) -> Perception:
    given = {"kind": OutputKind.MAP, "task": Task.SEGMENTATION, "instruction": "", "size_wh": (WIDTH, HEIGHT)}
    return Perception(**{**given, **fields})


def square_mask() -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[40:80, 60:100] = 1
    return mask


def test_a_mask_tints_its_inside_and_nothing_else(image):
    drawn = draw_perception(image, perception(mask=square_mask()))
    expected = [int(0.5 * 100 + 0.5 * channel) for channel in DEFAULT_TINT]
    assert drawn[60, 80].tolist() == expected
    outside = square_mask() == 0
    np.testing.assert_array_equal(drawn[outside], image[outside])


def test_the_outline_is_in_the_full_colour(image):
    drawn = draw_perception(image, perception(mask=square_mask()))
    assert drawn[40, 80].tolist() == list(DEFAULT_TINT)


def test_the_tint_is_the_colour_the_model_painted(image):
    colour_map = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    colour_map[square_mask() > 0] = (20, 220, 40)
    drawn = draw_perception(image, perception(mask=square_mask(), colour_map=colour_map))
    assert drawn[40, 80].tolist() == [20, 220, 40]


def test_the_image_itself_is_not_changed(image):
    before = image.copy()
    draw_perception(image, perception(mask=square_mask(), boxes=(Box(x1=1, y1=2, x2=30, y2=40, score=0.5),)))
    np.testing.assert_array_equal(image, before)


def test_a_semantic_map_shows_label_colours_and_leaves_unlabelled_alone(image):
    labels = LabelSet("tiny", ("floor", "cup"))
    ids = np.full((HEIGHT, WIDTH), labels.unlabelled, np.uint8)
    ids[:, 80:] = 1
    drawn = draw_perception(image, perception(task=Task.SEMANTIC, mask=ids, label_set=labels), legend=False)
    assert drawn[60, 20].tolist() == [100, 100, 100]
    expected = (0.5 * 100 + 0.5 * np.asarray(labels.colours[1]).astype(float)).astype(int)
    assert drawn[60, 140].tolist() == expected.tolist()


def test_the_legend_lists_the_largest_classes_first_without_unlabelled():
    labels = LabelSet("many", tuple(f"class {index}" for index in range(20)))
    ids = np.repeat(np.arange(21, dtype=np.uint8), np.arange(1, 22))[None]  # class i covers i + 1 pixels
    rows = legend_rows(perception(task=Task.SEMANTIC, mask=ids, label_set=labels))
    assert [name for name, _, _ in rows] == [f"class {index}" for index in range(19, 19 - LEGEND_ROWS, -1)]
    assert rows[0][2] == pytest.approx(20 / ids.size)


def test_a_box_is_framed_at_its_corners(image):
    box = Box(x1=50, y1=60, x2=90, y2=100, score=0.5)
    drawn = draw_perception(image, perception(kind=OutputKind.BOXES, task=Task.DETECTION, boxes=(box,)))
    for x, y in ((50, 80), (89, 80), (70, 99)):
        assert drawn[y, x].tolist() == list(DEFAULT_TINT)
    assert drawn[80, 70].tolist() == [100, 100, 100]
    assert drawn[80, 91].tolist() == [100, 100, 100]


@pytest.mark.parametrize("caption", ["", "a red mug on a table", "long " * 400, "two\nlines, tab\t, Ä, 漢字"])
def test_any_caption_can_be_drawn_and_only_the_lower_part_changes(image, caption):
    drawn = draw_perception(image, perception(kind=OutputKind.TEXT, task=Task.CAPTION, caption=caption))
    assert drawn.shape == image.shape
    assert (drawn[-4:] != 100).any()
    assert (drawn[: HEIGHT // 3] == 100).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 400), (400, 3)])
def test_tiny_images_can_be_drawn_on(size):
    height, width = size
    blank = np.zeros((height, width, 3), np.uint8)
    whole = Box(x1=0, y1=0, x2=width, y2=height, score=1.0)
    drawn = draw_perception(
        blank, perception(size_wh=(width, height), mask=np.ones(size, np.uint8), boxes=(whole,), instruction="mark it")
    )
    assert drawn.shape == blank.shape


def test_an_image_of_another_size_is_refused(image):
    with pytest.raises(ImageError, match="computed from"):
        draw_perception(image[:-1], perception(mask=square_mask()))
    with pytest.raises(ImageError, match="uint8"):
        draw_perception(image.astype(np.float32), perception(mask=square_mask()))


def test_the_heat_map_runs_from_dark_to_bright_and_clamps():
    colours = heat_map(np.array([[-1.0, 0.0, 0.5, 1.0, 2.0, np.nan]]))[0]
    assert colours[0].tolist() == colours[1].tolist() == colours[5].tolist() == [68, 1, 84]
    assert colours[3].tolist() == colours[4].tolist() == [253, 231, 37]
    lightness = heat_colours().astype(float) @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(lightness) > -0.5).all()


def test_confidence_is_laid_over_the_grey_image(image):
    values = np.zeros((HEIGHT, WIDTH), np.float32)
    values[:, 80:] = 1.0
    drawn = draw_confidence(image, values)
    assert drawn[10, 10].tolist() == [int(0.35 * 100 + 0.65 * channel) for channel in (68, 1, 84)]
    assert drawn[10, 150].tolist() == [int(0.35 * 100 + 0.65 * channel) for channel in (253, 231, 37)]
    with pytest.raises(ImageError):
        draw_confidence(image, values[:-1])


def test_the_status_says_how_sure_and_how_long():
    box = Box(x1=1.0, y1=1.0, x2=9.0, y2=9.0, score=0.824)
    assert status_line(perception(boxes=(box,), score=0.1), 0.412) == "82% sure, 0.41 s"
    classes = np.full((HEIGHT, WIDTH), 0.5, np.float32)
    assert status_line(perception(confidence=classes, score=0.1), 2) == "50% sure, 2.00 s"
    assert status_line(perception(caption="a mug", score=0.25), 1) == "25% sure, 1.00 s"


def test_the_status_is_drawn_under_the_instruction_only_if_asked_for(image):
    plain = perception(instruction="mark it")
    without, with_status = draw_perception(image, plain), draw_perception(image, plain, seconds=0.5)
    rows = np.flatnonzero((without != with_status).any(axis=(1, 2)))
    assert len(rows)
    assert rows.max() < HEIGHT // 2
    silent = draw_perception(image, plain, instruction=False, seconds=0.5)
    assert (silent != image).any()
