"""Attacks that have names: each is refused in words, before it costs memory or time."""

from __future__ import annotations

import pickle
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from instructseq_model.checkpoint import load_checkpoint
from instructseq_model.errors import CheckpointError, ConfigError, ImageError, InstructSeqError
from instructseq_model.model_config import load_model_config
from instructseq_ros.compressed_image import compressed_to_rgb
from instructseq_ros.image_conversion import image_to_rgb
from instructseq_ros.parameters import PARAMETERS
from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.pickles import read_plain_pickle

from .fuzzing import checkpoints
from .fuzzing.campaign import resident_bytes
from .fuzzing.compressed import png
from .fuzzing.folders import as_json, lay, manifest_of

LARGE = 30_000


@pytest.fixture
def cheap() -> Iterator[None]:
    """What runs in it takes less than 20 s of the processor and 64 MiB of memory."""
    tracemalloc.start()
    start = time.process_time()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 2**20
    assert time.process_time() - start < 20


@pytest.mark.parametrize(
    ("side", "words"), [(LARGE, "178956970 pixels"), (12_000, "12000x12000.*raise the parameter max_image_pixels")]
)
def test_decompression_bomb_is_refused_before_it_is_opened(cheap: None, side: int, words: str) -> None:
    rows = zlib.compress(bytes(side * 3 + 1) * 300, 9)  # some 20 kB stand for gigabytes
    with pytest.raises(ImageError, match=words):
        compressed_to_rgb(png(side, side, body=rows))


@pytest.fixture(scope="module")
def text_bomb() -> bytes:
    """A picture of 8 x 8 pixels with a comment of 200 MB, compressed."""
    text = b"Comment\0\0" + zlib.compress(bytes(200_000_000), 1)
    picture = png(8, 8)
    chunk = len(text).to_bytes(4, "big") + b"zTXt" + text + zlib.crc32(b"zTXt" + text).to_bytes(4, "big")
    return picture[:33] + chunk + picture[33:]


def test_text_bomb_in_a_small_picture_is_refused(text_bomb: bytes, cheap: None) -> None:
    with pytest.raises(ImageError, match="cannot be read"):
        compressed_to_rgb(text_bomb)


def test_raw_image_of_30_000_pixels_a_side_is_refused(cheap: None) -> None:
    message = SimpleNamespace(
        height=LARGE, width=LARGE, encoding="rgb8", is_bigendian=0, step=3 * LARGE, data=bytes(3 * LARGE)
    )
    with pytest.raises(ImageError, match="max_image_pixels"):
        image_to_rgb(message)


@pytest.mark.parametrize("size", [(LARGE, 1), (1, LARGE)])
def test_a_side_of_30_000_pixels_is_refused_however_few_they_are(size: tuple[int, int]) -> None:
    width, height = size
    message = SimpleNamespace(
        height=height, width=width, encoding="mono8", is_bigendian=0, step=width, data=bytes(width * height)
    )
    with pytest.raises(ImageError, match="16384"):
        image_to_rgb(message)
    with pytest.raises(ImageError, match="16384"):
        compressed_to_rgb(png(width, height))


def test_the_limit_is_a_parameter() -> None:
    limit = next(spec for spec in PARAMETERS if spec.name == "max_image_pixels")
    assert limit.default < LARGE * LARGE
    assert compressed_to_rgb(png(4, 4, 8, 0, body=zlib.compress(bytes(20))), max_pixels=16).shape == (4, 4, 3)
    with pytest.raises(ImageError, match="at most 15 are allowed"):
        compressed_to_rgb(png(4, 4, 8, 0, body=zlib.compress(bytes(20))), max_pixels=15)


LAUGHS = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 'x'}]\n" for n in range(12)) + "fit: *a11\n"


@pytest.mark.parametrize(
    "text",
    [LAUGHS, "[" * 100_000, "width: " + "9" * 10_000, "name: 2026-99-99", "? [a]\n: b", "!!python/object:os.system {}"],
    ids=["a billion laughs", "nesting", "digits", "no date", "list as key", "object"],
)
def test_configuration_that_attacks_its_reader_is_refused(cheap: None, tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigError) as refusal:
        load_model_config(tmp_path / "config.yaml")
    assert len(str(refusal.value)) < 1000


def test_text_in_the_place_of_a_number_is_no_format(tmp_path: Path) -> None:
    config = checkpoints.sound()[1]["config.yaml"]
    wrong = config | {"transformer": config["transformer"] | {"width": "%?", "heads": 2}}
    (tmp_path / "config.yaml").write_bytes(as_json(wrong))
    with pytest.raises(ConfigError, match="no model configuration"):
        load_model_config(tmp_path / "config.yaml")


@pytest.mark.parametrize(
    "sizes",
    [
        {"transformer": {"layers": 10**9, "width": 128, "heads": 2}},
        {"transformer": {"layers": 2, "width": 2**40, "heads": 2}},
        {"max_text_tokens": 10**12},
        {"text_size": 10**12},
        {"position_size": 10**12},
        {"max_boxes": 10**12},
        {"max_instruction_tokens": 10**12},
        {"image_size": 14 * 10**9},
        {"vqvae": {"codes": 10**12}},
        {"vqvae": {"blocks": 10**9}},
        {"vqvae": {"channels": 2**40}},
        {"vqvae": {"multipliers": [1] * 40}},
        {"grounding": {"refiner_layers": 10**9}},
        {"grounding": {"subcells": 10**9}},
    ],
    ids=str,
)
def test_configuration_of_a_giant_is_refused_before_it_is_built(cheap: None, tmp_path: Path, sizes: dict) -> None:
    files, structured = checkpoints.sound()
    config = structured["config.yaml"]
    merged = {name: config[name] | value if isinstance(value, dict) else value for name, value in sizes.items()}
    files = files | {"config.yaml": as_json(config | merged)}
    lay(tmp_path / "giant", files | {"manifest.json": manifest_of(_Steady(), files, {"format": 1})})
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path / "giant")


def test_pickle_that_asks_for_memory_gets_none(cheap: None, tmp_path: Path) -> None:
    file = tmp_path / "refs.p"
    file.write_bytes(b"\x80\x02]r\xff\xff\xff\x7f.")  # puts a list at index 2 ** 31 - 1
    before = resident_bytes()
    assert read_plain_pickle(file) == []
    assert resident_bytes() - before < 64 * 2**20


def test_pickle_that_announces_more_than_it_has_is_refused(cheap: None, tmp_path: Path) -> None:
    file = tmp_path / "refs.p"
    file.write_bytes(b"\x80\x04\x8e" + (2**40).to_bytes(8, "little") + b"x.")
    with pytest.raises(DatasetError):
        read_plain_pickle(file)


class _Runs:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.file.write_text, ("run",)


def test_pickle_that_runs_something_does_not_run_it(tmp_path: Path) -> None:
    (tmp_path / "refs.p").write_bytes(pickle.dumps([_Runs(tmp_path / "was-run")]))
    with pytest.raises(DatasetError):
        read_plain_pickle(tmp_path / "refs.p")
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "weights-1/../../outside"])
def test_manifest_that_names_files_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "manifest.json").write_bytes(as_json({"format": 1, "sha256": {name: "0" * 64}}))
    with pytest.raises(InstructSeqError, match="outside the folder"):
        load_checkpoint(tmp_path)


class _Steady:
    """Choices under which a manifest is left as it is."""

    def random(self) -> float:
        return 1.0
