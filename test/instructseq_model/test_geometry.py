from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructseq_model.errors import ImageError
from instructseq_model.geometry import (
    FITS,
    PADDING_COLOUR,
    Placement,
    fit_image,
    letterbox,
    map_to_source,
    resize_image,
    stretch,
)
from instructseq_model.vocabulary import Vocabulary

Maker = Callable[[tuple[int, int], int], Placement]

placements = st.builds(
    lambda make, width, height, side: make((width, height), side),
    st.sampled_from([stretch, letterbox]),
    st.integers(1, 4000),
    st.integers(1, 4000),
    st.sampled_from([224, 256, 512]),
)
parts = st.tuples(st.floats(0, 1), st.floats(0, 1))


@given(placements, parts)
def test_points_come_back_from_the_square(placement: Placement, part: tuple[float, float]) -> None:
    point = np.array(part) * placement.size_wh
    np.testing.assert_allclose(placement.to_source(placement.to_model(point)), point, atol=1e-6)


@given(placements)
def test_the_whole_source_lies_inside_the_square(placement: Placement) -> None:
    corners = placement.to_model([(0, 0), placement.size_wh])
    assert corners.min() >= 0
    assert corners.max() <= placement.side + 1e-9
    np.testing.assert_allclose(corners[1] - corners[0], placement.content_wh)


@given(placements, parts, parts)
def test_boxes_come_back_from_the_square(
    placement: Placement, first: tuple[float, float], second: tuple[float, float]
) -> None:
    corners = np.array([np.minimum(first, second), np.maximum(first, second)]) * placement.size_wh
    boxes = corners.reshape(1, 4)
    np.testing.assert_allclose(placement.boxes_to_source(placement.boxes_to_model(boxes)), boxes, atol=1e-6)


@pytest.mark.parametrize("make", [stretch, letterbox])
@pytest.mark.parametrize("size", [(640, 480), (480, 640), (500, 375)])
def test_boxes_survive_their_tokens_to_within_a_pixel(make: Maker, size: tuple[int, int]) -> None:
    placement, vocabulary = make(size, 512), Vocabulary(text_size=1, visual_size=1)
    rng = np.random.default_rng(0)
    boxes = np.sort(rng.uniform(0, 1, (200, 2, 2)), axis=1).reshape(-1, 4) * np.tile(size, 2)
    read = [vocabulary.tokens_to_box(vocabulary.box_to_tokens(tuple(box))) for box in placement.boxes_to_model(boxes)]
    assert np.abs(placement.boxes_to_source(read) - boxes).max() < 1


@pytest.mark.parametrize("make", [stretch, letterbox])
@pytest.mark.parametrize("size", [(640, 480), (300, 800), (64, 48)])
def test_a_painted_rectangle_is_found_where_the_box_says(make: Maker, size: tuple[int, int]) -> None:
    placement = make(size, 512)
    x1, y1, x2, y2 = (round(part * length) for part, length in zip((0.2, 0.3, 0.7, 0.8), (*size, *size), strict=True))
    image = np.zeros((size[1], size[0], 3), np.uint8)
    image[y1:y2, x1:x2] = 255
    rows, columns = np.nonzero((resize_image(image, placement) > 127).all(-1) & bars_removed(placement))
    found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    expected = placement.to_model([[x1, y1], [x2, y2]]).ravel()
    assert np.abs(found - expected).max() <= 1
    back = placement.boxes_to_source(np.array([found]) / placement.side)
    assert np.abs(back - [x1, y1, x2, y2]).max() <= 1 / min(1, *placement.scale_xy)


def bars_removed(placement: Placement) -> np.ndarray:
    inside = np.zeros((placement.side, placement.side), bool)
    (x, y), (width, height) = placement.offset_xy, placement.content_wh
    inside[y : y + height, x : x + width] = True
    return inside


@pytest.mark.parametrize("fit", FITS)
def test_an_image_is_fitted_as_its_placement_says(fit: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    placement, square = fit_image(image, fit=fit, side=56)
    assert placement == {"stretch": stretch, "letterbox": letterbox}[fit]((40, 30), 56)
    assert np.array_equal(square, resize_image(image, placement))


def test_letterbox_keeps_the_aspect_ratio_and_centres() -> None:
    placement = letterbox((640, 480), 512)
    assert placement.content_wh == (512, 384)
    assert placement.offset_xy == (0, 64)
    square = resize_image(np.full((480, 640, 3), 200, np.uint8), placement)
    assert (square[:64] == PADDING_COLOUR).all()
    assert (square[-64:] == PADDING_COLOUR).all()
    assert (square[64:-64] == 200).all()


def test_boxes_beyond_the_content_are_clipped_to_the_source() -> None:
    assert letterbox((640, 480), 512).boxes_to_source([0, 0, 1, 1]).tolist() == [[0, 0, 640, 480]]


@given(placements, st.integers(1, 40), st.integers(1, 40))
def test_a_constant_map_stays_constant(placement: Placement, rows: int, columns: int) -> None:
    size = (min(placement.size_wh[0], 64), min(placement.size_wh[1], 64))
    small = letterbox(size, placement.side)
    for method in ("nearest", "linear"):
        found = map_to_source(np.full((rows, columns), 7, np.uint8), small, method=method)
        assert found.shape == (size[1], size[0])
        assert (found == 7).all()


@pytest.mark.parametrize("make", [stretch, letterbox])
def test_a_map_made_from_the_square_comes_back_in_place(make: Maker) -> None:
    size = (640, 480)
    placement = make(size, 256)
    image = np.zeros((480, 640, 3), np.uint8)
    image[120:300, 160:400] = 255
    square = (resize_image(image, placement)[:, :, 0] > 127) & bars_removed(placement)
    found = map_to_source(square.astype(np.uint8), placement)
    wrong = np.argwhere(found != (image[:, :, 0] > 127))
    edges = np.minimum.reduce([np.abs(wrong[:, :1] - [[120, 300]]).min(1), np.abs(wrong[:, 1:] - [[160, 400]]).min(1)])
    assert len(wrong) == 0 or edges.max() <= 2  # a pixel of the square is 2.5 of the source


def test_nearest_keeps_ids_and_their_type() -> None:
    ids = np.array([[0, 300], [171, 5]], np.uint16)
    found = map_to_source(ids, stretch((4, 6), 8))
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, np.kron(ids, np.ones((3, 2), np.uint16)))


def test_linear_agrees_with_opencv_on_a_stretched_map() -> None:
    values = np.random.default_rng(0).random((16, 16), np.float32)
    expected = cv2.resize(values, (640, 480), interpolation=cv2.INTER_LINEAR)
    found = map_to_source(values, stretch((640, 480), 224), method="linear")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_linear_resamples_every_channel() -> None:
    values = np.random.default_rng(0).random((8, 8, 3), np.float32)
    placement = letterbox((50, 30), 64)
    found = map_to_source(values, placement, method="linear")
    np.testing.assert_allclose(found[..., 1], map_to_source(values[..., 1], placement, method="linear"), atol=1e-6)


@pytest.mark.parametrize("size", [(0, 10), (10, 0), (16385, 10)])
def test_absurd_sizes_are_refused(size: tuple[int, int]) -> None:
    for make in (stretch, letterbox):
        with pytest.raises(ImageError, match=str(max(size)) if max(size) > 10 else "no pixels"):
            make(size, 224)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5, 5, 3)),
        "x",
    ],
    ids=["empty", "grey", "rgba", "float", "text"],
)
def test_what_is_no_rgb_image_is_refused(image: Any) -> None:
    with pytest.raises(ImageError, match="image"):
        resize_image(image, stretch((5, 5), 224))


def test_an_image_of_another_size_than_its_placement_is_refused() -> None:
    with pytest.raises(ImageError, match="make another"):
        resize_image(np.zeros((5, 5, 3), np.uint8), stretch((5, 6), 224))


def test_a_one_pixel_line_has_a_place() -> None:
    placement = letterbox((16384, 1), 224)
    assert resize_image(np.zeros((1, 16384, 3), np.uint8), placement).shape == (224, 224, 3)
    assert placement.content_wh == (224, 1)
