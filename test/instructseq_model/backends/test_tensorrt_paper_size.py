"""An engine of a decoder as wide as the paper's, up to 32 samples over its whole prefix; two of its twelve layers.

`PAPER_LAYERS=12` in the environment builds as many as it says.
"""

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from instructseq_model.backends.export_reading import Export
from instructseq_model.backends.tensorrt_engines import build_engine
from instructseq_model.export.decoder_graphs import decoder_graph
from instructseq_model.export.graph import write_graph
from instructseq_model.export.layout import longest_output
from instructseq_model.model import InstructSeq
from instructseq_model.model_config import load_model_config
from instructseq_model.sequence_model import SequenceModel

tensorrt = pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
pytest.importorskip("onnxscript")
pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1200)]
LARGE = Path(__file__).parents[3] / "config" / "large.yaml"
LAYERS = int(os.environ.get("PAPER_LAYERS", "2"))


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Export:
    folder = tmp_path_factory.mktemp("paper")
    config = load_model_config(LARGE)
    config = replace(config, transformer=replace(config.transformer, layers=LAYERS))
    torch.manual_seed(0)
    sequence = SequenceModel(config.sequence).eval().requires_grad_(False).to(torch.bfloat16)
    parts: Any = SimpleNamespace(config=config, sequence=sequence, dtype=torch.bfloat16)
    graph = decoder_graph(cast(InstructSeq, parts), room=longest_output(config.sequence))
    write_graph(graph, folder)
    graphs = {graph.name: graph.describe()}
    return Export(folder=folder, config=config, backend="tensorrt", precision="bf16", graphs=graphs, hashes={})


@pytest.mark.parametrize("device", ["SM86", "SM89", "SM120"])
def test_decoder_of_the_papers_width_becomes_an_engine(export: Export, device: str) -> None:
    config = export.config.transformer
    weights = 2 * (12 * config.layers * config.width**2 + export.config.sequence.vocabulary.size * config.width)
    assert config.width == 1024
    assert len(build_engine(export, "decoder", device, library=tensorrt)) > 0.9 * weights  # bytes
