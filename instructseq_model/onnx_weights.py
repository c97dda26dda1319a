"""DINOv2 weights out of an ONNX graph: the initialisers under the key names that timm gives its Vision Transformers.

An exporter keeps the names of biases, norms and layer scales, but renames each matrix to a number and transposes it.
A matrix is therefore found through the graph: the matrix product whose sum with `X.bias` is taken is `X.weight`.
The key names on the left are those of Hugging Face's Dinov2Model, from which such graphs are exported.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instructseq_model.errors import CheckpointError

_BLOCK_NAMES = {
    "norm1": "norm1",
    "attention.output.dense": "attn.proj",
    "layer_scale1.lambda1": "ls1.gamma",
    "norm2": "norm2",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
    "layer_scale2.lambda1": "ls2.gamma",
}
_QUERY_KEY_VALUE = tuple(f"attention.attention.{part}" for part in ("query", "key", "value"))


def dinov2_state_dict(path: Path, *, prefix: str = "backbone.") -> dict[str, Tensor]:
    """Read a DINOv2 backbone from an ONNX file.

    Args:
        path: an ONNX graph that contains the backbone of a Hugging Face Dinov2Model.
        prefix: what the backbone's parameter names begin with in the graph.

    Returns:
        float32 tensors under timm's names (`blocks.0.attn.qkv.weight`, ...); `pos_embed` is 1 x (1 + N) x D, the class
        token first, at the resolution it was trained at.

    Raises:
        CheckpointError: the file is damaged, or is no such graph.
    """
    try:
        tensors = _named_tensors(path)
    except Exception as error:  # the parser raises several unrelated types on a damaged file
        raise CheckpointError(f"{path} cannot be read as an ONNX graph ({error}); fetch the file again") from error
    try:
        return _timm_names({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    except KeyError as error:
        raise CheckpointError(
            f"{path} holds no DINOv2 backbone: {error} is missing; give the ONNX export of a Dinov2Model"
        ) from error


def _named_tensors(path: Path) -> dict[str, Tensor]:
    """Initialisers by their original names, matrices found through the bias that is added to their product."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    arrays: dict[str, NDArray[Any]] = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    products = {n.output[0]: n.input[1] for n in graph.node if n.op_type == "MatMul" and n.input[1] in arrays}
    matrices = set(products.values())
    tensors = {name: _tensor(array) for name, array in arrays.items() if name not in matrices}
    for node in graph.node:
        names = list(node.input)
        bias = next((i for i in names if i.endswith(".bias")), None)
        product = next((i for i in names if i in products), None)
        if node.op_type == "Add" and bias is not None and product is not None:
            tensors[bias.removesuffix("bias") + "weight"] = _tensor(arrays[products[product]].T)
    tensors.update(_position_tensors(graph, arrays))
    return tensors


def _position_tensors(graph: Any, arrays: dict[str, NDArray[Any]]) -> dict[str, Tensor]:
    """The position embeddings, which the exporter splits into the class token's row and the grid's rows."""
    token = next((name for name in arrays if name.endswith("embeddings.cls_token")), None)
    if token is None:
        return {}
    width = arrays[token].shape[-1]
    rows = {n: a for n, a in arrays.items() if n != token and a.ndim == 3 and a.shape[0] == 1 and a.shape[2] == width}
    first = [a for a in rows.values() if a.shape[1] == 1]
    grid = [a for a in rows.values() if a.shape[1] > 1]
    if len(first) != 1 or len(grid) != 1:
        return {}
    name = token.removesuffix("cls_token") + "position_embeddings"
    return {name: _tensor(np.concatenate([first[0], grid[0]], axis=1))}  # 1 x (1 + N) x D


def _timm_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename Dinov2Model's parameters; query, key and value become one matrix."""
    named = {
        "cls_token": tensors["embeddings.cls_token"],
        "pos_embed": tensors["embeddings.position_embeddings"],
        "norm.weight": tensors["layernorm.weight"],
        "norm.bias": tensors["layernorm.bias"],
    }
    for kind in ("weight", "bias"):
        named[f"patch_embed.proj.{kind}"] = tensors[f"embeddings.patch_embeddings.projection.{kind}"]
    depth = 1 + max((int(k.split(".")[2]) for k in tensors if k.startswith("encoder.layer.")), default=0)
    for block in range(depth):
        source, target = f"encoder.layer.{block}.", f"blocks.{block}."
        for old, new in _BLOCK_NAMES.items():
            for kind in ("",) if "lambda1" in old else (".weight", ".bias"):
                named[target + new + kind] = tensors[source + old + kind]
        for kind in ("weight", "bias"):
            named[f"{target}attn.qkv.{kind}"] = torch.cat([tensors[f"{source}{p}.{kind}"] for p in _QUERY_KEY_VALUE])
    return named


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(array, order="C"))  # a copy: the graph's own memory is read-only
