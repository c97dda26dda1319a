"""Every encoding against OpenCV, with padding and both byte orders; every kind of damage against its message."""

from __future__ import annotations

import array
import sys
import types
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from instructseq_model.errors import ImageError
from instructseq_ros.image_conversion import LAYOUTS, eight_bits, image_fields, image_to_rgb

HEIGHT, WIDTH, PADDING = 18, 22, 6


@dataclass
class Message:
    height: int = HEIGHT
    width: int = WIDTH
    encoding: str = "rgb8"
    is_bigendian: int = 0
    step: int = WIDTH * 3
    data: Any = field(default_factory=lambda: bytes(HEIGHT * WIDTH * 3))


def noise(*shape: int, dtype: Any = np.uint8) -> NDArray[Any]:
    return np.random.default_rng(7).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def message(pixels: NDArray[Any], encoding: str, *, padding: int = 0, big: bool = False) -> Message:
    rows = pixels.astype(pixels.dtype.newbyteorder(">" if big else "<")).reshape(pixels.shape[0], -1).view(np.uint8)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=199)
    return Message(
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=int(big),
        step=padded.shape[1],
        data=array.array("B", padded.tobytes()),
    )


def scaled(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    return np.asarray(cv2.convertScaleAbs(pixels, alpha=255 / 65535), np.uint8)


COLOUR_CODES = {
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "8UC3": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "yuv422": (2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": (2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": (2, cv2.COLOR_YUV2RGB_YUYV),
    "yuyv": (2, cv2.COLOR_YUV2RGB_YUYV),
}
BAYER = {
    "rggb": cv2.COLOR_BayerRGGB2RGB,
    "bggr": cv2.COLOR_BayerBGGR2RGB,
    "gbrg": cv2.COLOR_BayerGBRG2RGB,
    "grbg": cv2.COLOR_BayerGRBG2RGB,
}


@pytest.mark.parametrize("padding", [0, PADDING])
@pytest.mark.parametrize("encoding", COLOUR_CODES)
def test_colour_encodings_match_opencv(encoding: str, padding: int) -> None:
    channels, code = COLOUR_CODES[encoding]
    pixels = noise(HEIGHT, WIDTH, channels)
    rgb = image_to_rgb(message(pixels, encoding, padding=padding))
    assert rgb.flags.c_contiguous
    assert np.array_equal(rgb, cv2.cvtColor(pixels, code))


@pytest.mark.parametrize(
    ("encoding", "order"), [("bgr8", [2, 1, 0]), ("8UC3", [2, 1, 0]), ("rgba8", [0, 1, 2]), ("bgra8", [2, 1, 0])]
)
def test_channel_order_matches_plain_indexing(encoding: str, order: list[int]) -> None:
    pixels = noise(HEIGHT, WIDTH, LAYOUTS[encoding].channels)
    assert np.array_equal(image_to_rgb(message(pixels, encoding, padding=PADDING)), pixels[..., order])


@pytest.mark.parametrize("padding", [0, PADDING])
def test_rgb8_is_given_back_unchanged(padding: int) -> None:
    pixels = noise(HEIGHT, WIDTH, 3)
    assert np.array_equal(image_to_rgb(message(pixels, "rgb8", padding=padding)), pixels)


def test_rgb8_without_padding_is_not_copied() -> None:
    source = message(noise(HEIGHT, WIDTH, 3), "rgb8")
    assert np.shares_memory(image_to_rgb(source), np.frombuffer(source.data, np.uint8))


@pytest.mark.parametrize("encoding", ["mono8", "8UC1"])
def test_eight_bit_grey_matches_opencv(encoding: str) -> None:
    pixels = noise(HEIGHT, WIDTH)
    rgb = image_to_rgb(message(pixels, encoding, padding=PADDING))
    assert np.array_equal(rgb, cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB))


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("encoding", ["mono16", "16UC1"])
def test_sixteen_bit_grey_in_both_byte_orders_matches_opencv(encoding: str, padding: int, big: bool) -> None:
    pixels = noise(HEIGHT, WIDTH, dtype=np.uint16)
    rgb = image_to_rgb(message(pixels, encoding, padding=padding, big=big))
    assert np.array_equal(rgb, cv2.cvtColor(scaled(pixels), cv2.COLOR_GRAY2RGB))


def test_every_sixteen_bit_value_is_rounded_as_opencv_rounds() -> None:
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert np.array_equal(eight_bits(every), scaled(every))


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("pattern", BAYER)
def test_bayer_matches_opencv(pattern: str, padding: int) -> None:
    pixels = noise(HEIGHT, WIDTH)
    rgb = image_to_rgb(message(pixels, f"bayer_{pattern}8", padding=padding))
    assert np.array_equal(rgb, cv2.cvtColor(pixels, BAYER[pattern]))


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("pattern", BAYER)
def test_sixteen_bit_bayer_matches_opencv(pattern: str, big: bool) -> None:
    pixels = noise(HEIGHT, WIDTH, dtype=np.uint16)
    rgb = image_to_rgb(message(pixels, f"bayer_{pattern}16", padding=PADDING, big=big))
    reference = scaled(cv2.cvtColor(pixels, BAYER[pattern]))
    assert np.abs(rgb.astype(int) - reference).max() <= 1  # scaled before, not after, the colours are filled in


@pytest.mark.parametrize("pattern", BAYER)
def test_bayer_mosaic_of_one_colour_gives_that_colour(pattern: str) -> None:
    values = {"r": 200, "g": 120, "b": 40}
    tile = np.array([values[letter] for letter in pattern], np.uint8).reshape(2, 2)
    rgb = image_to_rgb(message(np.tile(tile, (HEIGHT // 2, WIDTH // 2)), f"bayer_{pattern}8"))
    assert np.array_equal(np.unique(rgb.reshape(-1, 3), axis=0), [[200, 120, 40]])


@pytest.mark.parametrize(("encoding", "order"), [("uyvy", "uyvy"), ("yuyv", "yuyv")])
def test_yuv_of_one_colour_follows_bt601(encoding: str, order: str) -> None:
    values = {"y": 82, "u": 90, "v": 240}  # pure red in the limited range of ITU-R BT.601
    pair = np.array([values[letter] for letter in order], np.uint8)
    pixels = np.tile(pair, (HEIGHT, WIDTH // 2)).reshape(HEIGHT, WIDTH, 2)
    red, green, blue = image_to_rgb(message(pixels, encoding))[5, 5]
    assert red > 250
    assert green < 5
    assert blue < 5


def test_bytes_are_read_like_an_array() -> None:
    source = message(noise(HEIGHT, WIDTH, 3), "bgr8")
    from_array = image_to_rgb(source)
    source.data = bytes(source.data)
    assert np.array_equal(image_to_rgb(source), from_array)


def test_cv_bridge_agrees_where_it_is_installed() -> None:
    try:
        from cv_bridge import CvBridge
        from sensor_msgs.msg import Image
    except Exception as error:
        pytest.skip(f"cv_bridge cannot be imported here: {error!r}")
    for encoding in ("rgb8", "bgr8", "rgba8", "bgra8", "mono8", "mono16", "bayer_rggb8", "bayer_grbg8", "yuv422"):
        layout = LAYOUTS[encoding]
        pixels = noise(HEIGHT, WIDTH, layout.channels, dtype=np.uint8 if layout.item_bytes == 1 else np.uint16)
        source = message(pixels, encoding, padding=PADDING)
        converted = CvBridge().imgmsg_to_cv2(Image(**vars(source)), "rgb8")
        assert np.abs(image_to_rgb(source).astype(int) - converted).max() <= 1, encoding


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"height": 0}, "22x0 and has no pixels"),
        ({"width": 0}, "0x18 and has no pixels"),
        ({"height": 2**31, "width": 2**31}, "max_image_pixels"),
        ({"step": WIDTH * 3 - 1}, "step of 65 bytes, but a row has 66"),
        ({"step": 2**32 - 1}, "needs 77309411310 bytes of data, got 1188"),
        ({"data": bytes(100)}, "needs 1188 bytes of data, got 100"),
        ({"data": bytes(HEIGHT * WIDTH * 3 + 1)}, "got 1189"),
        ({"data": b""}, "got 0"),
        ({"encoding": "yuyv", "width": 21}, "width must be even"),
        ({"encoding": "bayer_rggb8", "width": 2, "height": 2}, "at least 3x3"),
    ],
)
def test_damaged_message_is_refused_with_what_is_wrong(changes: dict[str, Any], words: str) -> None:
    source = Message()
    for name, value in changes.items():
        setattr(source, name, value)
    with pytest.raises(ImageError, match=words):
        image_to_rgb(source)


def test_unknown_encoding_is_named_and_the_known_ones_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv_bridge", None)
    with pytest.raises(ImageError, match=r"'nv21' is not known here: publish one of rgb8, .* or install cv_bridge"):
        image_to_rgb(Message(encoding="nv21"))


def fake_bridge(convert: Any) -> types.ModuleType:
    module = types.ModuleType("cv_bridge")
    module.CvBridge = lambda: types.SimpleNamespace(imgmsg_to_cv2=convert)  # type: ignore[attr-defined]
    return module


def test_cv_bridge_serves_further_encodings(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = noise(HEIGHT, WIDTH, 3)
    monkeypatch.setitem(sys.modules, "cv_bridge", fake_bridge(lambda source, encoding: pixels))
    assert np.array_equal(image_to_rgb(Message(encoding="nv21")), pixels)


def test_failing_cv_bridge_becomes_an_image_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: Any, encoding: str) -> None:
        raise RuntimeError("no conversion")

    monkeypatch.setitem(sys.modules, "cv_bridge", fake_bridge(fail))
    with pytest.raises(ImageError, match=r"nv21.*no conversion"):
        image_to_rgb(Message(encoding="nv21"))


def test_cv_bridge_result_of_the_wrong_shape_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv_bridge", fake_bridge(lambda source, encoding: noise(2, 2)))
    with pytest.raises(ImageError, match=r"\(2, 2\) uint8"):
        image_to_rgb(Message(encoding="nv21"))


def test_cv_bridge_that_breaks_on_import_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(types.ModuleType):
        def __getattr__(self, name: str) -> Any:
            if name == "CvBridge":
                raise SystemError("compiled for another NumPy")
            raise AttributeError(name)

    monkeypatch.setitem(sys.modules, "cv_bridge", Broken("cv_bridge"))
    with pytest.raises(ImageError, match="install cv_bridge"):
        image_to_rgb(Message(encoding="nv21"))


@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [
        ("mono8", noise(HEIGHT, WIDTH)),
        ("8UC1", noise(HEIGHT, WIDTH)),
        ("16UC1", noise(HEIGHT, WIDTH, dtype=np.uint16)),
        ("rgb8", noise(HEIGHT, WIDTH, 3)),
    ],
)
def test_written_image_is_read_back(encoding: str, pixels: NDArray[Any]) -> None:
    fields = image_fields(pixels, encoding)
    assert isinstance(fields["data"], array.array)
    assert np.array_equal(np.frombuffer(fields["data"].tobytes(), pixels.dtype).reshape(pixels.shape), pixels)
    read = image_to_rgb(Message(**fields))
    assert np.array_equal(read if encoding == "rgb8" else read[..., 0], scaled(pixels) if "16" in encoding else pixels)


def test_float_image_keeps_its_values_and_a_strided_one_is_packed() -> None:
    values = np.linspace(0, 1, 24, dtype=np.float32).reshape(4, 6)
    fields = image_fields(values[:, ::2], "32FC1")
    assert (fields["height"], fields["width"], fields["step"]) == (4, 3, 12)
    assert np.array_equal(np.frombuffer(fields["data"], np.float32).reshape(4, 3), values[:, ::2])


def test_image_without_pixels_can_be_written() -> None:
    fields = image_fields(np.zeros((0, 0), np.uint8), "mono8")
    assert (fields["height"], fields["width"], fields["step"], len(fields["data"])) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("pixels", "encoding", "words"),
    [
        (noise(3, 3), "bgr8", "mono8, 8UC1, 16UC1, 32FC1, rgb8"),
        (noise(3, 3), "32FC1", "needs float32"),
        (noise(3, 3), "rgb8", "3 axes"),
        (noise(3, 3, 4), "rgb8", r"\(3, 3, 4\)"),
    ],
)
def test_pixels_that_do_not_fit_the_encoding_are_refused(pixels: NDArray[Any], encoding: str, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        image_fields(pixels, encoding)
