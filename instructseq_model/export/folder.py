"""An export folder: graphs, tokenizers, configuration, label sets and a manifest that says what they are.

```
manifest.json                   format, backend, precision, versions, shapes of the graphs, sha256 of every file
config.yaml                     the model's shape, as in a checkpoint
vision.onnx  vision.onnx.data   a graph and its weights; so for every graph of `GRAPHS`
tokenizer.json                  of captions; absent in a model that has none
instruction_tokenizer.json      of instructions; absent in a model with random encoders
code_meanings.safetensors       which visual codes paint a mark, and which class of each label set
calibration.json                how often answers are right
label_sets/household.txt        class names in order; their colours are those that `palette` gives so many classes
engines/                        TensorRT's, one file for each graph and kind of card
```
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Sequence
from copy import deepcopy
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
import yaml

from instructseq_model.code_meanings import CODE_MEANINGS, save_code_meanings
from instructseq_model.errors import CheckpointError, ConfigError
from instructseq_model.export.decoder_graphs import decoder_graph, head_graph, painter_graph
from instructseq_model.export.encoder_graphs import instruction_graph, router_graph, vision_graph
from instructseq_model.export.graph import OPSET, Graph, write_graph
from instructseq_model.export.layout import longest_output
from instructseq_model.export.prefix_graphs import image_prefix_graph, instruction_prefix_graph
from instructseq_model.instruction_tokens import FileTokens
from instructseq_model.label_sets import label_set
from instructseq_model.model import InstructSeq
from instructseq_model.pretrained import file_sha256
from instructseq_model.vocabulary import OutputKind

FORMAT = 1
MANIFEST, CONFIG, TOKENIZER, INSTRUCTION_TOKENIZER, CALIBRATION = (
    "manifest.json",
    "config.yaml",
    "tokenizer.json",
    "instruction_tokenizer.json",
    "calibration.json",
)
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

GRAPHS: dict[str, Callable[[InstructSeq], Graph]] = {
    "vision": vision_graph,
    "instruction": instruction_graph,
    "router": router_graph,
    "image_prefix": image_prefix_graph,
    "instruction_prefix": instruction_prefix_graph,
    "decoder": decoder_graph,
    "head_map": lambda model: head_graph(model, OutputKind.MAP),
    "head_boxes": lambda model: head_graph(model, OutputKind.BOXES),
    "head_text": lambda model: head_graph(model, OutputKind.TEXT),
    "vq_decoder": painter_graph,
}
"""Every graph of an export, in the order in which a frame meets them."""

GRAPHS_OF_BACKEND = {
    "onnx": GRAPHS,
    # TensorRT's layer for caches wants their length fixed.
    "tensorrt": {**GRAPHS, "decoder": lambda model: decoder_graph(model, room=longest_output(model.config.sequence))},
}

FULL_PRECISION = ("instruction", "router")
"""Run once an instruction: nothing is gained by rounding them."""

Progress = Callable[[str, float], None]
"""Called with what is being done and the share done, in [0, 1]."""


def write_export(
    model: InstructSeq,
    folder: Path,
    *,
    backend: str,
    precision: str = "fp32",
    graphs: Sequence[str] | None = None,
    progress: Progress = lambda what, share: None,
) -> dict[str, Any]:
    """Write an export folder, without engines.

    Args:
        model: float32, on the CPU, in evaluation mode.
        folder: made if missing; must be empty, or hold an export, which is replaced.
        backend: for which it is meant, one of `GRAPHS_OF_BACKEND`.
        precision: one of `PRECISIONS`, of weights and activations; the instruction encoder stays in float32.
        graphs: names of those to write; None for all.
        progress: told before each graph.

    Returns:
        The manifest.

    Raises:
        ConfigError: unknown precision.
        CheckpointError: the folder holds something else.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"precision {precision!r} is none of {', '.join(PRECISIONS)}; name one")
    _make_empty(folder)
    files = _write_beside(model, folder)
    cast = _cast(model, PRECISIONS[precision])
    makers = GRAPHS_OF_BACKEND[backend]
    if graphs is not None:
        makers = {name: makers[name] for name in graphs}
    described = {}
    for number, (name, make) in enumerate(makers.items()):
        progress(f"tracing {name}", number / len(makers))
        graph = make(model if name in FULL_PRECISION else cast)
        files += write_graph(graph, folder)
        described[name] = graph.describe()
    progress("computing hashes", 1.0)
    manifest = {
        "export": FORMAT,
        "backend": backend,
        "precision": precision,
        "model": model.config.name,
        "opset": OPSET,
        "versions": _versions(),
        "graphs": described,
        "sha256": {str(file.relative_to(folder)): file_sha256(file) for file in files},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return manifest


def _write_beside(model: InstructSeq, folder: Path) -> list[Path]:
    """Everything that is no graph."""
    files = [folder / CONFIG, folder / CODE_MEANINGS, folder / CALIBRATION]
    files[0].write_text(yaml.safe_dump(model.config.to_mapping(), sort_keys=False), encoding="utf-8")
    save_code_meanings(model, model.config.label_sets, files[1])
    model.calibration.save(files[2])
    if model.tokenizer is not None:
        model.tokenizer.save(folder / TOKENIZER)
        files.append(folder / TOKENIZER)
    if isinstance(model.instruction.tokenize, FileTokens):
        model.instruction.tokenize.save(folder / INSTRUCTION_TOKENIZER)
        files.append(folder / INSTRUCTION_TOKENIZER)
    for name in model.config.label_sets:
        file = folder / "label_sets" / f"{name}.txt"
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n".join(label_set(name).names) + "\n", encoding="utf-8")
        files.append(file)
    return files


def _cast(model: InstructSeq, dtype: torch.dtype) -> InstructSeq:
    """A copy in another precision; the model itself where that is float32."""
    return model if dtype == torch.float32 else deepcopy(model).to(dtype)


def _make_empty(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()):
        try:
            known = "export" in json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError):
            known = False
        if not known:
            raise CheckpointError(f"{folder} holds something that is no export; name a new folder")
        for pattern in ("*.onnx", "*.onnx.data", MANIFEST):
            for file in folder.glob(pattern):
                file.unlink()
    folder.mkdir(parents=True, exist_ok=True)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("instructseq", "torch", "onnx", "onnxscript", "transformers", "timm"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "from source"
    return found
