"""Which runtime is fastest on a CPU: the exported graphs in ONNX Runtime and OpenVINO, and PyTorch, by turns.

`python -m instructseq_bench.cpu_runtimes EXPORT CHECKPOINT [THREADS]` prints milliseconds of processor time. EXPORT is
a folder that `instructseq export` wrote in float32. OpenVINO is no part of this program: `pip install openvino` for
this alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from instructseq_bench.torch_parts import (
    BEFORE,
    INSTRUCTION_TOKENS,
    WINDOWS,
    Work,
    medians,
    step_name,
    told,
    torch_works,
)
from instructseq_model.backends.export_reading import Export, read_export
from instructseq_model.backends.onnxruntime_sessions import OnnxRuntimeSession
from instructseq_model.checkpoint import load_checkpoint
from instructseq_model.errors import ConfigError
from instructseq_model.precision import set_precision

Run = Callable[[dict[str, Tensor]], dict[str, Tensor]]
"""A graph."""


def main(arguments: list[str]) -> None:
    """Measure and print."""
    folder, checkpoint, *rest = arguments
    threads = int(rest[0]) if rest else 1
    torch.set_num_threads(threads)
    export = read_export(Path(folder))
    rows: dict[str, dict[str, Work]] = {}
    for name, load in _runtimes(threads).items():
        for case, work in _graph_works(export, load).items():
            rows.setdefault(case, {})[name] = work
    for precision in ("float32", "auto", "bfloat16"):
        model = load_checkpoint(Path(checkpoint))
        set_precision(model, precision, model.device)
        for case, work in torch_works(model).items():
            rows.setdefault(case, {})[f"PyTorch {precision}"] = work
    for case, works in rows.items():
        print(case, told(medians(works)), sep=": ", flush=True)


def _runtimes(threads: int) -> dict[str, Callable[[Path], Run]]:
    """By name, what loads a graph."""

    def onnxruntime(file: Path) -> Run:
        return OnnxRuntimeSession(file, device=torch.device("cpu"), threads=threads).run

    found: dict[str, Callable[[Path], Run]] = {"ONNX Runtime": onnxruntime}
    try:
        import openvino
    except ImportError:
        return found
    core = openvino.Core()
    core.add_extension(_tensor_scatter())

    def openvino_in(precision: str) -> Callable[[Path], Run]:
        options = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": precision, "NUM_STREAMS": 1}

        def load(file: Path) -> Run:
            compiled = core.compile_model(core.read_model(file), "CPU", options)
            request: Any = compiled.create_infer_request()
            names = [output.get_any_name() for output in compiled.outputs]

            def run(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
                request.infer({name: tensor.numpy() for name, tensor in inputs.items()}, share_inputs=True)
                return {name: torch.from_numpy(request.get_tensor(name).data) for name in names}

            return run

        return load

    return found | {f"OpenVINO {precision}": openvino_in(precision) for precision in ("f32", "bf16")}


def _tensor_scatter() -> Any:
    """What OpenVINO 2026.4 lacks: ONNX's TensorScatter along the third of four axes, by an operation that it has."""
    from openvino import opset13 as ops
    from openvino.frontend.onnx import ConversionExtension

    def convert(node: Any) -> Any:
        cache, new, starts = (node.get_input(index) for index in range(3))  # N x H x S x d, N x H x T x d, N
        shape = ops.shape_of(new, output_type="i64")
        ints = [ops.constant(value, dtype="int64") for value in (0, 1, 2)]
        count = ops.gather(shape, ints[2], ints[0])
        steps = ops.range(ints[0], count, ints[1], output_type="i64")  # T
        begins = ops.unsqueeze(starts, ops.constant([1, 2, 3], dtype="int64"))  # N x 1 x 1 x 1
        slots = ops.add(begins, ops.unsqueeze(steps, ops.constant([1], dtype="int64")))  # N x 1 x T x 1
        return ops.scatter_elements_update(cache, ops.broadcast(slots, shape), new, ints[2]).outputs()

    return ConversionExtension("TensorScatter", convert)


def _graph_works(export: Export, load: Callable[[Path], Run]) -> dict[str, Work]:
    """What each part does through one runtime."""
    runs = {name: load(export.file(name)) for name in ("vision", "instruction", "vq_decoder", "decoder", "head_map")}

    def one(graph: str, **sizes: int) -> Work:
        inputs = _inputs(export, graph, sizes)
        return lambda: runs[graph](inputs)

    def step(samples: int, tokens: int) -> Work:
        inputs = _inputs(export, "decoder", {"rows": samples, "window": tokens})
        inputs["starts"] = torch.full((samples,), BEFORE)
        return lambda: runs["head_map"]({"hidden": runs["decoder"](inputs)["hidden"].flatten(0, 1)})

    works = {"vision encoder": one("vision"), "instruction encoder": one("instruction", instruction=INSTRUCTION_TOKENS)}
    works |= {step_name(*size): step(*size) for size in WINDOWS}
    return works | {"VQ decoder": one("vq_decoder", rows=1)}


def _inputs(export: Export, graph: str, sizes: dict[str, int]) -> dict[str, Tensor]:
    """Numbers for a graph: zeros for ids, which all exist, else random ones; a size not given is the usual one."""
    made = {}
    for name, port in export.graphs[graph]["inputs"].items():
        shape: list[Any] = [sizes.get(one[0], one[2]) if isinstance(one, list) else one for one in port["shape"]]
        dtype = getattr(torch, port["type"])
        made[name] = torch.randn(shape).to(dtype) if dtype.is_floating_point else torch.zeros(shape, dtype=dtype)
    return made


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise ConfigError("give an export's folder and a checkpoint's")
    main(sys.argv[1:])
