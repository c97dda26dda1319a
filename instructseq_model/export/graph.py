"""One part of the model as an ONNX graph: what goes in and out under which names, and which sizes may vary."""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

OPSET = 24
"""The first with TensorScatter, which writes each row's keys and values at that row's own position."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """A dimension that varies from call to call.

    Attributes:
        name: equal names mean equal sizes within a graph.
        least, most: its range.
        usual: what engines are tuned for.
    """

    name: str
    least: int
    usual: int
    most: int


@dataclass(frozen=True, kw_only=True)
class Input:
    """One input of a graph.

    Attributes:
        name: as the graph calls it.
        example: a tensor of the right type, of this input alone, or tracing would take two inputs for one; its varying
            dimensions are larger than 1 and differ from one another, or tracing would take them for constants.
        varying: sizes by dimension.
    """

    name: str
    example: Tensor
    varying: Mapping[int, Size] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A part of the model, ready to be written.

    Attributes:
        name: of the file, without its ending.
        module: takes the inputs in order, gives a tensor or a tuple of them.
        inputs: in the order of `module.forward`.
        outputs: names in the order in which they come.
    """

    name: str
    module: nn.Module
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]

    def describe(self) -> dict[str, Any]:
        """What the manifest says of it: types and shapes, a varying dimension as [name, least, usual, most]."""
        inputs = {}
        for port in self.inputs:
            shape: list[Any] = list(port.example.shape)
            for dimension, size in port.varying.items():
                shape[dimension] = [size.name, size.least, size.usual, size.most]
            inputs[port.name] = {"type": str(port.example.dtype).removeprefix("torch."), "shape": shape}
        return {"inputs": inputs, "outputs": list(self.outputs)}


def write_graph(graph: Graph, folder: Path) -> list[Path]:
    """Write `NAME.onnx` and, beside it, its weights `NAME.onnx.data`.

    Args:
        graph: in evaluation mode, on the CPU.
        folder: exists.

    Returns:
        The files written.
    """
    file = folder / f"{graph.name}.onnx"
    dimensions: dict[str, Any] = {}
    shapes = []
    for port in graph.inputs:
        varying = {}
        for dimension, size in port.varying.items():
            if size.name not in dimensions:
                dimensions[size.name] = torch.export.Dim(size.name, min=size.least, max=size.most)
            varying[dimension] = dimensions[size.name]
        shapes.append(varying)
    with _quiet(), torch.no_grad():
        torch.onnx.export(
            graph.module.eval(),
            tuple(port.example for port in graph.inputs),
            file,
            input_names=[port.name for port in graph.inputs],
            output_names=list(graph.outputs),
            dynamic_shapes=_as_arguments(graph.module, shapes),
            opset_version=OPSET,
            dynamo=True,
            external_data=True,
            verbose=False,
        )
    weights = file.with_name(f"{file.name}.data")
    return [file, weights] if weights.exists() else [file]


def _as_arguments(module: nn.Module, shapes: list[Any]) -> tuple[Any, ...]:
    """Shapes as torch.export wants them: those of what `forward` takes as `*rest` in a tuple of their own."""
    code = module.forward.__code__
    if not code.co_flags & inspect.CO_VARARGS:
        return tuple(shapes)
    named = code.co_argcount - 1
    return *shapes[:named], tuple(shapes[named:])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leave out the exporter's remarks on the console; what fails is raised."""
    names = ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
