"""Image files: what is read, what is refused and why, and that masks read back as ids."""

import numpy as np
import pytest
from PIL import Image

from instructseq_cli import images
from instructseq_model.errors import ImageError
from instructseq_model.overlay import heat_colours


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def test_png_reads_back_exactly(tmp_path, picture):
    Image.fromarray(picture).save(tmp_path / "a.png")
    np.testing.assert_array_equal(images.read_image(tmp_path / "a.png"), picture)


def test_grey_becomes_three_equal_channels(tmp_path):
    Image.fromarray(np.full((4, 5), 77, np.uint8)).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(images.read_image(tmp_path / "grey.png"), np.full((4, 5, 3), 77, np.uint8))


def test_sixteen_bit_grey_is_scaled_not_cut(tmp_path):
    Image.fromarray(np.array([[0, 257 * 100, 65535]], np.uint16)).save(tmp_path / "deep.png")
    assert images.read_image(tmp_path / "deep.png")[0, :, 0].tolist() == [0, 100, 255]


def test_transparent_pixels_show_white(tmp_path):
    Image.new("RGBA", (3, 2), (10, 20, 30, 0)).save(tmp_path / "clear.png")
    assert images.read_image(tmp_path / "clear.png").min() == 255


def test_exif_orientation_is_applied(tmp_path, picture):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to see it upright
    Image.fromarray(picture).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(images.read_image(tmp_path / "turned.png"), np.rot90(picture, k=-1))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"this is a letter", "not an image"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 20, "damaged|not an image"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path, content, says):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(ImageError, match=says):
        images.read_image(tmp_path / "x.png")


def test_a_cut_off_file_is_called_damaged(tmp_path, picture):
    Image.fromarray(np.tile(picture, (40, 40, 1))).save(tmp_path / "whole.jpg")
    content = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) // 2])
    with pytest.raises(ImageError, match="damaged"):
        images.read_image(tmp_path / "cut.jpg")


def test_missing_file_and_folder_are_told_apart(tmp_path):
    with pytest.raises(ImageError, match="no file"):
        images.read_image(tmp_path / "nothing.png")
    with pytest.raises(ImageError, match="folder"):
        images.read_image(tmp_path)


def test_absurd_size_is_refused_before_decoding(tmp_path, monkeypatch, picture):
    monkeypatch.setattr(images, "MAX_PIXELS", 50)
    Image.fromarray(picture).save(tmp_path / "a.png")
    with pytest.raises(ImageError, match="9x6 pixels"):
        images.read_image(tmp_path / "a.png")


def test_masks_read_back_as_ids_and_show_as_colours(tmp_path):
    ids = np.array([[0, 1, 2], [2, 1, 0]])
    colours = np.array([(0, 0, 0), (200, 10, 10), (10, 200, 10)], np.uint8)
    images.write_ids(tmp_path / "mask.png", ids, colours)
    with Image.open(tmp_path / "mask.png") as file:
        np.testing.assert_array_equal(np.asarray(file), ids)
        np.testing.assert_array_equal(np.asarray(file.convert("RGB")), colours[ids])


def test_more_than_256_ids_are_stored_in_sixteen_bits(tmp_path):
    ids = np.array([[0, 299]])
    images.write_ids(tmp_path / "mask.png", ids, np.zeros((300, 3), np.uint8))
    with Image.open(tmp_path / "mask.png") as file:
        assert np.asarray(file).astype(int).tolist() == [[0, 299]]


def test_confidence_is_level_over_255_in_heat_colours(tmp_path):
    images.write_confidence(tmp_path / "confidence.png", np.array([[0.0, 0.5, 1.0]], np.float32))
    with Image.open(tmp_path / "confidence.png") as file:
        assert np.asarray(file).tolist() == [[0, 128, 255]]
        np.testing.assert_array_equal(np.asarray(file.convert("RGB"))[0], heat_colours()[[0, 128, 255]])
