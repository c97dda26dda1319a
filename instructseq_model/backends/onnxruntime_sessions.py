"""Graphs run by ONNX Runtime, on the CPU or a CUDA card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from instructseq_model.backends.export_reading import Export
from instructseq_model.errors import CheckpointError, ConfigError

# Numbers of ONNX's TensorProto.DataType; bfloat16 has no numpy type.
_TYPES = {torch.float32: 1, torch.int64: 7, torch.bool: 9, torch.float16: 10, torch.bfloat16: 16}
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxRuntimeSession:
    """One graph; see `sessions.Session`.

    Args:
        file: an ONNX file with its weights beside it.
        device: cpu or cuda.
        threads: of the CPU; None for one a core.

    Raises:
        CheckpointError: ONNX Runtime cannot load the graph.
    """

    def __init__(self, file: Path, *, device: torch.device, threads: int | None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that spin between two steps starve the node's other work, and steps come back to back anyway.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        provider: Any = _PROVIDERS[device.type]
        if device.type == "cuda":
            provider = (provider, {"device_id": str(device.index or 0)})
        try:
            self._session = onnxruntime.InferenceSession(str(file), options, providers=[provider])
        except Exception as error:  # the library raises types of its own that share no base
            raise CheckpointError(
                f"ONNX Runtime {onnxruntime.__version__} cannot load {file} ({error}); export with --precision fp32, "
                "or install the version that docs/export.md names"
            ) from error
        self._device = device
        self._outputs = [output.name for output in self._session.get_outputs()]

    @property
    def device(self) -> torch.device:
        """Where inputs must lie and outputs come to lie."""
        return self._device

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Outputs by name, in memory of their own."""
        binding = self._session.io_binding()
        held = {name: tensor.contiguous() for name, tensor in inputs.items()}
        self._bind(binding.bind_input, held)
        for name in self._outputs:
            binding.bind_output(name, self._device.type, self._device.index or 0)
        self._launch(binding)
        return {
            name: torch.from_dlpack(value) for name, value in zip(self._outputs, binding.get_outputs(), strict=True)
        }

    def bind(self, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> Callable[[], None]:
        """Fix where inputs are read and outputs written."""
        held = (dict(inputs), dict(outputs))  # the binding knows addresses only
        binding = self._session.io_binding()
        self._bind(binding.bind_input, held[0])
        self._bind(binding.bind_output, held[1])

        def run(keep: object = held) -> None:
            self._launch(binding)

        return run

    def _bind(self, bind: Callable[..., None], tensors: Mapping[str, Tensor]) -> None:
        for name, tensor in tensors.items():
            place = (self._device.type, self._device.index or 0)
            bind(name, *place, _TYPES[tensor.dtype], list(tensor.shape), tensor.data_ptr())

    def _launch(self, binding: Any) -> None:
        if self._device.type == "cuda":  # ONNX Runtime has a stream of its own
            torch.cuda.current_stream(self._device).synchronize()
        self._session.run_with_iobinding(binding)


class OnnxRuntimeSessions:
    """All graphs of an export; see `sessions.Sessions`.

    Args:
        export: a checked folder.
        device: cpu or cuda.
        threads: of the CPU; None for one a core.

    Raises:
        ConfigError: ONNX Runtime is not installed, or has no support for the device.
        CheckpointError: a graph cannot be loaded there.
    """

    def __init__(self, export: Export, *, device: torch.device, threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise ConfigError("this folder needs ONNX Runtime; pip install onnxruntime") from error
        provider = _PROVIDERS.get(device.type)
        if provider not in onnxruntime.get_available_providers():
            raise ConfigError(
                f"this ONNX Runtime has no {provider or device.type}; for a card pip install onnxruntime-gpu, else use "
                "device cpu"
            )
        if device.type == "cpu" and export.precision == "bf16":
            raise ConfigError("ONNX Runtime computes no bfloat16 on a CPU; export with --precision fp32")
        self._device = device
        self._sessions = {
            name: OnnxRuntimeSession(export.file(name), device=device, threads=threads) for name in export.graphs
        }

    @property
    def device(self) -> torch.device:
        """Of all its sessions."""
        return self._device

    def __getitem__(self, graph: str) -> OnnxRuntimeSession:
        """The session of a graph."""
        return self._sessions[graph]
