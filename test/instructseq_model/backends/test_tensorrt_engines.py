"""Engines are built without a card; running them needs one."""

import json
from pathlib import Path
from typing import Any

import pytest

from instructseq_model.backends.export_reading import Export, read_export
from instructseq_model.backends.tensorrt_engines import build_engines, engine_file, library_name, read_engine
from instructseq_model.errors import CheckpointError, ConfigError
from instructseq_model.export.folder import write_export
from instructseq_model.model import InstructSeq

tensorrt = pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
pytest.importorskip("onnxscript")
CARDS = ("SM86", "SM89", "SM120")


@pytest.fixture(scope="module")
def export(small_model: InstructSeq, tmp_path_factory: pytest.TempPathFactory) -> Export:
    folder = tmp_path_factory.mktemp("export")
    write_export(small_model, folder, backend="tensorrt", precision="bf16", graphs=("decoder", "head_map"))
    return read_export(folder)


@pytest.fixture(scope="module")
def told(export: Export) -> list[Any]:
    progress: list[Any] = []
    build_engines(export, CARDS, library=tensorrt, progress=lambda *one: progress.append(one))
    return progress


def test_engines_of_every_card_are_built_with_progress_and_an_estimate(export: Export, told: list[Any]) -> None:
    assert len(told) == 6
    assert [share for _, share, _ in told] == sorted(share for _, share, _ in told)
    assert all(left > 0 for _, _, left in told)
    for device in CARDS:
        assert len(read_engine(export, "decoder", library=library_name(tensorrt), device=device)) > 100_000


def test_nothing_is_built_twice(export: Export, told: list[Any]) -> None:
    again: list[Any] = []
    build_engines(export, ["SM86"], library=tensorrt, progress=lambda *one: again.append(one))
    assert again == []


@pytest.mark.parametrize(("library", "device"), [("tensorrt_rtx 1.0", "SM86"), (library_name(tensorrt), "SM75")])
def test_engine_of_another_version_or_card_is_refused(
    export: Export, told: list[Any], library: str, device: str
) -> None:
    with pytest.raises(CheckpointError, match="instructseq export"):
        read_engine(export, "decoder", library=library, device=device)


def test_damaged_engine_is_refused_and_built_again(export: Export, told: list[Any]) -> None:
    file = engine_file(export, "head_map", library=library_name(tensorrt), device="SM86")
    file.write_bytes(b"no engine")
    with pytest.raises(CheckpointError, match="damaged"):
        read_engine(export, "head_map", library=library_name(tensorrt), device="SM86")
    build_engines(export, ["SM86"], library=tensorrt)
    assert json.loads(file.with_suffix(".json").read_text())["key"]["device"] == "SM86"
    assert read_engine(export, "head_map", library=library_name(tensorrt), device="SM86")


def test_card_that_the_library_does_not_know_is_refused(export: Export) -> None:
    with pytest.raises(ConfigError, match="SM86"):
        build_engines(export, ["SM999"], library=tensorrt)


@pytest.mark.nightly
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("precision", "cards"), [("fp32", CARDS[:1]), ("bf16", CARDS)])
def test_every_graph_of_the_shipped_checkpoint_becomes_an_engine(
    precision: str, cards: tuple[str, ...], shipped_model: InstructSeq, tmp_path: Path
) -> None:
    write_export(shipped_model, tmp_path, backend="tensorrt", precision=precision)
    found = read_export(tmp_path)
    assert len(found.graphs) == 10
    assert len(build_engines(found, cards, library=tensorrt)) == 10 * len(cards)
