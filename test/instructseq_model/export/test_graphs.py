"""Every graph gives what PyTorch gives, at sizes it was not traced with."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from instructseq_model.backends.export_reading import read_export
from instructseq_model.backends.onnxruntime_sessions import OnnxRuntimeSessions
from instructseq_model.export import decoder_graphs
from instructseq_model.export.folder import GRAPHS, write_export
from instructseq_model.model import InstructSeq, build_random
from instructseq_model.model_config import load_model_config
from instructseq_model.transformer import TransformerConfig
from instructseq_model.vqvae import VQVAEConfig

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

TINY = replace(
    load_model_config(Path(__file__).parents[3] / "config" / "household.yaml"),
    image_size=56,  # 4 x 4 cells
    transformer=TransformerConfig(layers=2, width=32, heads=2),
    vqvae=VQVAEConfig(resolution=16, channels=8, multipliers=(1, 2, 2), blocks=1, codes=32, normalization="pixel"),
    text_size=60,
    max_text_tokens=5,
)
SMALL = ("router", "image_prefix", "decoder", "head_boxes", "vq_decoder")
SIZES = {"rows": 4, "window": 3, "room": 9, "prefix": 23, "instruction": 7, "positions": 5}


@pytest.fixture(scope="module")
def model() -> InstructSeq:
    torch.manual_seed(0)
    return build_random(TINY).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def sessions(model: InstructSeq, tmp_path_factory: pytest.TempPathFactory) -> OnnxRuntimeSessions:
    folder = tmp_path_factory.mktemp("export")
    write_export(model, folder, backend="onnx", graphs={name: GRAPHS[name] for name in SMALL})
    return OnnxRuntimeSessions(read_export(folder), device=torch.device("cpu"), threads=1)


@pytest.fixture
def plain_scatter(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorScatter is a name for the exporter only: here is what it means."""

    def scatter(cache: Tensor, new: Tensor, starts: Tensor) -> Tensor:
        written = cache.clone()
        for row, start in enumerate(starts.tolist()):
            written[row, :, start : start + new.shape[2]] = new[row]
        return written

    monkeypatch.setattr(decoder_graphs, "scatter", scatter)


def inputs_of(graph: Any) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    made = {}
    for port in graph.inputs:
        shape = list(port.example.shape)
        for dimension, size in port.varying.items():
            shape[dimension] = SIZES[size.name]
        whole = port.example.dtype == torch.long
        drawn = torch.randint(0, 9, shape, generator=generator) if whole else torch.randn(shape, generator=generator)
        made[port.name] = drawn
    if "starts" in made:
        made["starts"] = torch.tensor([0, 5, 2, 6])
    return made


def relative_error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("name", SMALL)
def test_graph_equals_torch_at_sizes_it_was_not_traced_with(
    name: str, model: InstructSeq, sessions: OnnxRuntimeSessions, plain_scatter: None
) -> None:
    graph = GRAPHS[name](model)
    inputs = inputs_of(graph)
    expected = graph.module(*inputs.values())
    expected = expected if isinstance(expected, tuple) else (expected,)
    found = sessions[name].run(inputs)
    assert {n: relative_error(found[n], e) for n, e in zip(graph.outputs, expected, strict=True)} == pytest.approx(
        dict.fromkeys(graph.outputs, 0.0), abs=1e-3
    )


def test_bound_caches_are_updated_in_place_and_nothing_else_is(
    model: InstructSeq, sessions: OnnxRuntimeSessions
) -> None:
    graph = GRAPHS["decoder"](model)
    inputs = inputs_of(graph)
    expected = sessions["decoder"].run(inputs)
    outputs = {n: inputs[n.removeprefix("new_")] if n != "hidden" else torch.empty(4, 3, 32) for n in graph.outputs}
    before = {name: inputs[name].clone() for name in ("tokens", "starts", "past")}
    sessions["decoder"].bind(inputs, outputs)()
    for name in graph.outputs:
        np.testing.assert_array_equal(outputs[name].numpy(), expected[name].numpy())
    for name, tensor in before.items():
        assert torch.equal(inputs[name], tensor)
