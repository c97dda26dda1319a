"""Every graph gives what PyTorch gives, at sizes it was not traced with."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from instructseq_model.backends.export_reading import read_export
from instructseq_model.backends.onnxruntime_sessions import OnnxRuntimeSession
from instructseq_model.export import decoder_graphs
from instructseq_model.export.folder import GRAPHS
from instructseq_model.model import InstructSeq

pytest.importorskip("onnxruntime", minversion="1.32")
pytest.importorskip("onnxscript")

SIZES = {"rows": 4, "window": 3, "room": 9, "instruction": 7, "positions": 5}
CPU = torch.device("cpu")


@pytest.fixture
def plain_scatter(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorScatter is a name for the exporter only: here is what it means."""

    def scatter(cache: Tensor, new: Tensor, starts: Tensor) -> Tensor:
        written = cache.clone()
        for row, start in enumerate(starts.tolist()):
            written[row, :, start : start + new.shape[2]] = new[row]
        return written

    monkeypatch.setattr(decoder_graphs, "scatter", scatter)


def session_of(folder: Path, name: str) -> OnnxRuntimeSession:
    return OnnxRuntimeSession(read_export(folder).file(name), device=CPU, threads=1)


def inputs_of(model: InstructSeq, name: str) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    sizes = {**SIZES, "prefix": model.config.sequence.vision_grid**2 + 9}
    made = {}
    for port in GRAPHS[name](model).inputs:
        shape = list(port.example.shape)
        for dimension, size in port.varying.items():
            shape[dimension] = sizes[size.name]
        whole = port.example.dtype == torch.long
        drawn = torch.randint(0, 9, shape, generator=generator) if whole else torch.randn(shape, generator=generator)
        made[port.name] = drawn
    if "starts" in made:
        made["starts"] = torch.tensor([0, 5, 2, 6])
    return made


def relative_error(found: Tensor, expected: Tensor) -> float:
    assert found.shape == expected.shape
    return float((found - expected).abs().max() / expected.abs().max())


def check(model: InstructSeq, name: str, folder: Path) -> None:
    inputs = inputs_of(model, name)
    graph = GRAPHS[name](model)
    expected: Any = graph.module(*inputs.values())
    expected = expected if isinstance(expected, tuple) else (expected,)
    found = session_of(folder, name).run(inputs)
    errors = {one: relative_error(found[one], right) for one, right in zip(graph.outputs, expected, strict=True)}
    assert errors == pytest.approx(dict.fromkeys(graph.outputs, 0.0), abs=1e-3)


@pytest.mark.parametrize("name", ["decoder", "head_map"])
def test_graph_of_a_small_model_equals_torch(
    name: str, small_model: InstructSeq, few_graphs: Path, plain_scatter: None
) -> None:
    check(small_model, name, few_graphs)


@pytest.mark.nightly
@pytest.mark.parametrize("name", GRAPHS)
def test_graph_of_the_shipped_checkpoint_equals_torch(
    name: str, shipped_model: InstructSeq, whole_shipped: Path, plain_scatter: None
) -> None:
    check(shipped_model, name, whole_shipped)


def test_bound_caches_are_updated_in_place_and_nothing_else_is(small_model: InstructSeq, few_graphs: Path) -> None:
    inputs = inputs_of(small_model, "decoder")
    session = session_of(few_graphs, "decoder")
    expected = session.run(inputs)
    outputs = {one: inputs[one.removeprefix("new_")] if one != "hidden" else torch.empty(4, 3, 32) for one in expected}
    before = {name: inputs[name].clone() for name in ("tokens", "starts", "past")}
    session.bind(inputs, outputs)()
    for name, tensor in outputs.items():
        np.testing.assert_array_equal(tensor.numpy(), expected[name].numpy())
    for name, tensor in before.items():
        assert torch.equal(inputs[name], tensor)
