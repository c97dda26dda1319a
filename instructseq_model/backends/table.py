"""The backends: what can run the model, and how each is loaded. A further one is a further entry of `BACKENDS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from instructseq_model.backends.devices import device_named
from instructseq_model.backends.export_reading import read_export, written_for
from instructseq_model.checkpoint import load_checkpoint
from instructseq_model.errors import ConfigError
from instructseq_model.model import InstructSeq
from instructseq_model.precision import set_precision
from instructseq_model.runnable_model import RunnableModel

Load = Callable[[Path, torch.device, int | None, str], RunnableModel]


@dataclass(frozen=True, kw_only=True)
class Backend:
    """One way to run the model.

    Attributes:
        reads: "checkpoint", or the `--backend` of `instructseq export` whose folders it reads.
        load: takes the folder, the device, the CPU threads (None for the library's choice) and, of a checkpoint, the
            precision, one of `precision.PRECISIONS`.
    """

    reads: str
    load: Load


def _load_torch(folder: Path, device: torch.device, threads: int | None, precision: str) -> InstructSeq:
    model = load_checkpoint(folder).to(device)
    set_precision(model, precision, device)
    return model


def _load_torch_compiled(folder: Path, device: torch.device, threads: int | None, precision: str) -> RunnableModel:
    from instructseq_model.decoding.compiled_steps import CompiledDecoder, check_compiler, compiled_pass

    check_compiler(device)
    model = _load_torch(folder, device, threads, precision)
    model.decoder = CompiledDecoder(model.sequence, compiled_pass(device))
    return model


def _load_onnxruntime(folder: Path, device: torch.device, threads: int | None, precision: str) -> RunnableModel:
    from instructseq_model.backends.exported_model import ExportedModel
    from instructseq_model.backends.onnxruntime_sessions import OnnxRuntimeSessions

    export = read_export(folder)
    return ExportedModel(export, OnnxRuntimeSessions(export, device=device, threads=threads))


def _load_tensorrt(folder: Path, device: torch.device, threads: int | None, precision: str) -> RunnableModel:
    from instructseq_model.backends.exported_model import ExportedModel
    from instructseq_model.backends.tensorrt_sessions import TensorRTSessions

    export = read_export(folder)
    return ExportedModel(export, TensorRTSessions(export, device=device))


BACKENDS: dict[str, Backend] = {
    "torch": Backend(reads="checkpoint", load=_load_torch),
    "torch-compiled": Backend(reads="checkpoint", load=_load_torch_compiled),
    "onnxruntime": Backend(reads="onnx", load=_load_onnxruntime),
    "tensorrt": Backend(reads="tensorrt", load=_load_tensorrt),
}


def load_backend(
    folder: Path,
    *,
    backend: str | None = None,
    device: str = "cpu",
    threads: int | None = None,
    precision: str = "auto",
) -> RunnableModel:
    """Load a checkpoint or an export.

    Args:
        folder: of a checkpoint, or one that `instructseq export` wrote.
        backend: one of `BACKENDS`; None takes the one that the folder was written for.
        device: "cpu", "cuda" or "cuda:1" ...
        threads: of the CPU; None leaves the library's choice.
        precision: of a checkpoint's weights, one of `precision.PRECISIONS`; an export keeps the one it was written in.

    Returns:
        The model, or the exported model under the same names.

    Raises:
        CheckpointError: the folder is neither, or damaged.
        ConfigError: the backend is unknown or does not read such a folder, the device does not exist here, or the
            precision is not to be had there.
    """
    place = device_named(device)
    if backend is not None and backend not in BACKENDS:
        raise ConfigError(f"there is no backend {backend!r}; choose one of {', '.join(BACKENDS)}")
    held = written_for(folder)
    chosen = backend or next((name for name, one in BACKENDS.items() if one.reads == held), None)
    if chosen is None:
        raise ConfigError(f"{folder} was exported for {held!r}, which this version does not know; export anew")
    # An export for TensorRT holds the same graphs, so ONNX Runtime reads it too.
    if (BACKENDS[chosen].reads == "checkpoint") != (held == "checkpoint"):
        what = "no export: write one with `instructseq export`" if held == "checkpoint" else "an export"
        raise ConfigError(f"backend {chosen!r} cannot read {folder}, which is {what}; or leave the backend out")
    if held != "checkpoint" and precision != "auto":
        raise ConfigError(f"precision {precision!r} is for checkpoints; {folder} keeps the one it was exported with")
    if threads is not None:
        threads = max(1, threads)
        torch.set_num_threads(threads)  # what exports leave to PyTorch is small, but would wake all cores
    return BACKENDS[chosen].load(folder, place, threads, precision)
