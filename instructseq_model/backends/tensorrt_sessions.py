"""Engines run by TensorRT on torch's own stream, their inputs and outputs torch tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from instructseq_model.backends.export_reading import Export
from instructseq_model.backends.tensorrt_engines import library_name, profiles, read_engine, tensorrt_library
from instructseq_model.errors import CheckpointError, ConfigError


class TensorRTSession:
    """One engine; see `sessions.Session`.

    Args:
        engine: serialised.
        described: the graph's inputs and outputs in the manifest.
        library: tensorrt or tensorrt_rtx.
        device: a CUDA card.

    Raises:
        CheckpointError: TensorRT refuses the engine.
    """

    def __init__(self, engine: bytes, described: Mapping[str, Any], *, library: Any, device: torch.device) -> None:
        self._runtime = library.Runtime(library.Logger(library.Logger.ERROR))
        self._engine = self._runtime.deserialize_cuda_engine(engine)
        if self._engine is None:
            raise CheckpointError(f"{library_name(library)} refuses an engine; build it anew on this machine")
        self._described, self._device = described, device
        self._profiles = profiles(described)
        modes = {name: self._engine.get_tensor_mode(name) for name in self._names()}
        self._outputs = [name for name, mode in modes.items() if mode == library.TensorIOMode.OUTPUT]
        kinds = {
            library.DataType.FLOAT: torch.float32,
            library.DataType.HALF: torch.float16,
            library.DataType.BF16: torch.bfloat16,
            library.DataType.INT64: torch.int64,
            library.DataType.BOOL: torch.bool,
        }
        self._types = {name: kinds[self._engine.get_tensor_dtype(name)] for name in self._outputs}

    @property
    def device(self) -> torch.device:
        """The card."""
        return self._device

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Outputs by name, in memory of their own."""
        held = {name: tensor.contiguous() for name, tensor in inputs.items()}
        context = self._context(held)
        outputs = {
            name: torch.empty(tuple(context.get_tensor_shape(name)), dtype=self._types[name], device=self._device)
            for name in self._outputs
        }
        self._launch(context, held, outputs)
        torch.cuda.current_stream(self._device).synchronize()  # the context goes now
        return outputs

    def bind(self, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> Callable[[], None]:
        """Fix where inputs are read and outputs written."""
        held = (dict(inputs), dict(outputs))
        context = self._context(held[0])

        def run() -> None:
            self._launch(context, *held)

        return run

    def _names(self) -> list[str]:
        return [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]

    def _context(self, inputs: Mapping[str, Tensor]) -> Any:
        context = self._engine.create_execution_context()
        stream = torch.cuda.current_stream(self._device)
        if len(self._profiles) > 1:
            context.set_optimization_profile_async(self._fitting(inputs), stream.cuda_stream)
        for name, tensor in inputs.items():
            context.set_input_shape(name, tuple(tensor.shape))
        return context

    def _fitting(self, inputs: Mapping[str, Tensor]) -> int:
        """The first profile that the shapes lie in.

        Raises:
            ConfigError: there is none.
        """
        for number, ranges in enumerate(self._profiles):
            if all(
                least[d] <= size <= most[d]
                for name, (least, _, most) in ranges.items()
                for d, size in enumerate(inputs[name].shape)
            ):
                return number
        raise ConfigError("the engine takes no window of that many tokens for that many samples; decode fewer at once")

    def _launch(self, context: Any, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> None:
        for name, tensor in (*inputs.items(), *outputs.items()):
            context.set_tensor_address(name, tensor.data_ptr())
        if not context.execute_async_v3(torch.cuda.current_stream(self._device).cuda_stream):
            raise CheckpointError("TensorRT could not run an engine; build it anew on this machine")


class TensorRTSessions:
    """All engines of an export for this card; see `sessions.Sessions`.

    Args:
        export: a checked folder.
        device: a CUDA card.
        library: tensorrt or tensorrt_rtx; None for the one that is installed.

    Raises:
        ConfigError: TensorRT is not installed, or the device is no card.
        CheckpointError: an engine for this card and version is missing or damaged.
    """

    def __init__(self, export: Export, *, device: torch.device, library: Any = None) -> None:
        if device.type != "cuda":
            raise ConfigError("TensorRT needs a card; give --device cuda, or --backend onnxruntime for the CPU")
        library = library or tensorrt_library()
        self._device = device
        kind = "SM{}{}".format(*torch.cuda.get_device_capability(device))
        name = library_name(library)
        self._sessions = {
            graph: TensorRTSession(
                read_engine(export, graph, library=name, device=kind), described, library=library, device=device
            )
            for graph, described in export.graphs.items()
        }

    @property
    def device(self) -> torch.device:
        """Of all its sessions."""
        return self._device

    def __getitem__(self, graph: str) -> TensorRTSession:
        """The session of a graph."""
        return self._sessions[graph]
