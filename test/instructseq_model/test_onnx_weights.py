"""The graph is built here the way the exporter writes one; transformers' own model is the independent check."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer
from transformers import Dinov2Config, Dinov2Model

from instructseq_model.errors import CheckpointError
from instructseq_model.onnx_weights import dinov2_state_dict
from instructseq_model.pretrained import read_state_dict

onnx = pytest.importorskip("onnx")


def tiny_dinov2() -> Any:
    config = Dinov2Config(
        hidden_size=24, num_hidden_layers=3, num_attention_heads=2, mlp_ratio=4, image_size=56, patch_size=14
    )
    model = Dinov2Model(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model


def original_names(model: Any) -> dict[str, np.ndarray]:
    """Parameters under the names that exported graphs have, whatever this version of transformers calls them."""
    names = {
        "attention.q_proj": "attention.attention.query",
        "attention.k_proj": "attention.attention.key",
        "attention.v_proj": "attention.attention.value",
        "attention.o_proj": "attention.output.dense",
        "layers.": "encoder.layer.",
    }
    found = {}
    for key, value in model.state_dict().items():
        if "encoder.layer" in key:
            names.pop("layers.", None)
        for new, old in names.items():
            key = key.replace(new, old)
        found["backbone." + key] = value.numpy()
    return found


def exported(model: Any, file: Path) -> Path:
    """Matrices under numbers and transposed, each the factor of a product whose sum with the bias is taken."""
    initialisers, nodes = [], []
    for number, (name, array) in enumerate(original_names(model).items()):
        if name.endswith("mask_token"):
            continue
        if name.endswith("position_embeddings"):
            initialisers.append(onnx.numpy_helper.from_array(array[:, :1].copy(), "onnx::Concat_1"))
            initialisers.append(onnx.numpy_helper.from_array(array[:, 1:].copy(), "onnx::Reshape_2"))
        elif name.endswith(".weight") and array.ndim == 2:
            initialisers.append(onnx.numpy_helper.from_array(array.T.copy(), f"onnx::MatMul_{number}"))
            nodes.append(onnx.helper.make_node("MatMul", [f"x_{number}", f"onnx::MatMul_{number}"], [f"y_{number}"]))
            bias = name.removesuffix("weight") + "bias"
            nodes.append(onnx.helper.make_node("Add", [bias, f"y_{number}"], [f"z_{number}"]))
        else:
            initialisers.append(onnx.numpy_helper.from_array(array.copy(), name))
    graph = onnx.helper.make_graph(nodes, "tiny", [], [], initialisers)
    onnx.save(onnx.helper.make_model(graph), str(file))
    return file


@torch.no_grad()
def test_weights_from_a_graph_give_the_states_of_the_exported_model(tmp_path: Path) -> None:
    model = tiny_dinov2()
    network = VisionTransformer(
        img_size=56, patch_size=14, embed_dim=24, depth=3, num_heads=2, num_classes=0, init_values=1.0
    ).eval()
    network.load_state_dict(read_state_dict(exported(model, tmp_path / "tiny.onnx")))
    pixels = torch.rand(2, 3, 56, 56)
    expected = model(pixel_values=pixels).last_hidden_state
    torch.testing.assert_close(network.forward_features(pixels), expected, atol=1e-5, rtol=1e-4)


def test_a_graph_without_a_backbone_is_refused(tmp_path: Path) -> None:
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "empty", [], [])), str(tmp_path / "empty.onnx"))
    with pytest.raises(CheckpointError, match="no DINOv2 backbone"):
        dinov2_state_dict(tmp_path / "empty.onnx")


def test_a_damaged_graph_is_refused(tmp_path: Path) -> None:
    save_file({"a": torch.ones(100)}, tmp_path / "wrong.onnx")
    with pytest.raises(CheckpointError, match="fetch the file again"):
        dinov2_state_dict(tmp_path / "wrong.onnx")
