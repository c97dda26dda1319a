"""TensorRT engines: built from an export's graphs by an explicit command, kept under what they depend on.

`tensorrt_rtx` (cards from Turing to Blackwell, a wheel on PyPI, builds without a card) and stock `tensorrt` (also
Hopper and Jetson, builds on the card itself) have one Python API. An engine runs only with the very version and kind of
card that it was built for; its key is a hash of all that, so one that does not fit is never found, let alone loaded.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from instructseq_model.backends.export_reading import Export
from instructseq_model.errors import CheckpointError, ConfigError
from instructseq_model.pretrained import file_sha256

ENGINES = "engines"
LIBRARIES = ("tensorrt", "tensorrt_rtx")
MOST_WINDOW = 64

Progress = Callable[[str, float, float], None]
"""Called with the graph's name, the share of all engines done in [0, 1], and the seconds that are probably left."""


@dataclass(frozen=True, kw_only=True)
class EngineKey:
    """What an engine depends on.

    Attributes:
        graph: sha256 of the graph and of its weights.
        precision: of the export.
        library: tensorrt or tensorrt_rtx, and its version.
        device: the kind of card, as SM86.
        profiles: the sizes it takes.
    """

    graph: tuple[str, ...]
    precision: str
    library: str
    device: str
    profiles: str

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that stand for all of it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


def tensorrt_library(name: str | None = None) -> Any:
    """The TensorRT that is installed.

    Args:
        name: one of `LIBRARIES`; None takes the first that is there.

    Raises:
        ConfigError: there is none.
    """
    for one in LIBRARIES if name is None else (name,):
        try:
            library = importlib.import_module(one)
        except ImportError:
            continue
        if hasattr(library, "Builder"):  # PyPI's `tensorrt` without its libraries has none
            return library
    raise ConfigError(
        "TensorRT is not installed; pip install tensorrt-rtx-cu13 for an RTX card, or use what JetPack brings"
    )


def library_name(library: Any) -> str:
    """Name and version of a TensorRT library."""
    return f"{library.__name__} {library.__version__}"


def engine_file(export: Export, graph: str, *, library: str, device: str) -> Path:
    """Where the engine of a graph for a kind of card lies, or would lie."""
    key = engine_key(export, graph, library=library, device=device)
    return export.folder / ENGINES / f"{graph}-{device}-{key.digest}.engine"


def engine_key(export: Export, graph: str, *, library: str, device: str) -> EngineKey:
    """What the engine of a graph depends on."""
    names = (f"{graph}.onnx", f"{graph}.onnx.data")
    return EngineKey(
        graph=tuple(export.hashes[name] for name in names if name in export.hashes),
        precision=export.precision,
        library=library,
        device=device,
        profiles=json.dumps(profiles(export.graphs[graph]), sort_keys=True),
    )


def profiles(described: Mapping[str, Any]) -> list[dict[str, list[list[int]]]]:
    """Ranges that an engine is tuned for: least, usual and most shape of every input that varies.

    The decoder has three: one token a row, a window of some, and a whole output of one row at once.
    """
    sizes = {one[0]: one for port in described["inputs"].values() for one in port["shape"] if isinstance(one, list)}
    if "window" not in sizes:
        return [_shapes(described, {})]
    whole = sizes["window"][3]
    few = min(MOST_WINDOW, whole)
    return [
        _shapes(described, {"window": (1, 1, 1)}),
        _shapes(described, {"window": (1, min(16, few), few)}),
        _shapes(described, {"window": (1, whole, whole), "rows": (1, 1, 1)}),
    ]


def _shapes(described: Mapping[str, Any], fixed: Mapping[str, tuple[int, int, int]]) -> dict[str, list[list[int]]]:
    """Least, usual and most shape by input."""
    found = {}
    for name, port in described["inputs"].items():
        if any(isinstance(one, list) for one in port["shape"]):
            found[name] = [
                [fixed.get(one[0], tuple(one[1:]))[end] if isinstance(one, list) else one for one in port["shape"]]
                for end in range(3)
            ]
    return found


def build_engines(
    export: Export,
    devices: Sequence[str],
    *,
    library: Any,
    progress: Progress = lambda graph, share, left: None,
) -> list[Path]:
    """Build every engine that is not there yet, and delete those that nothing here can load any more.

    Args:
        export: a checked folder.
        devices: kinds of cards, as SM86; with stock TensorRT only that of this machine's card.
        library: as `tensorrt_library` gives it.
        progress: told before each engine; the estimate goes by the size of the graphs.

    Returns:
        The engines' files, new and old.

    Raises:
        ConfigError: the library does not know a kind of card.
        CheckpointError: TensorRT refuses a graph.
    """
    wanted = [(graph, device) for device in devices for graph in export.graphs]
    files = {pair: engine_file(export, pair[0], library=library_name(library), device=pair[1]) for pair in wanted}
    folder = export.folder / ENGINES
    folder.mkdir(exist_ok=True)
    _drop_stale(folder, keep=set(files.values()), devices=devices)
    missing = [pair for pair, file in files.items() if not _intact(file)]
    weights = {graph: _size(export, graph) for graph in export.graphs}
    total, done, began = sum(weights[graph] for graph, _ in missing), 0, time.monotonic()
    for graph, device in missing:
        spent = time.monotonic() - began
        progress(f"{graph} for {device}", done / total, spent / done * (total - done) if done else total / 20e6)
        engine = build_engine(export, graph, device, library=library)
        file = files[graph, device]
        partial = file.with_suffix(".part")
        partial.write_bytes(engine)
        key = engine_key(export, graph, library=library_name(library), device=device)
        described = {"key": asdict(key), "sha256": file_sha256(partial)}
        file.with_suffix(".json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
        partial.replace(file)
        done += weights[graph]
    return list(files.values())


def build_engine(export: Export, graph: str, device: str, *, library: Any) -> bytes:
    """One engine, serialised; needs no card where the library is TensorRT-RTX.

    Raises:
        ConfigError: the library does not know the kind of card.
        CheckpointError: TensorRT refuses the graph; the message has its reasons.
    """
    logger = library.Logger(library.Logger.ERROR)
    builder = library.Builder(logger)
    # Types are those of the graph: nothing is rounded behind the exporter's back.
    flags = getattr(library.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    network = builder.create_network(0 if flags is None else 1 << int(flags))
    parser = library.OnnxParser(network, logger)
    if not parser.parse_from_file(str(export.file(graph))):
        reasons = "; ".join(str(parser.get_error(index).desc()) for index in range(parser.num_errors))
        raise CheckpointError(f"{library_name(library)} cannot read the graph {graph} ({reasons}); update TensorRT")
    _allow_plain_attention(network, library)
    config = builder.create_builder_config()
    _aim_at(config, device, library)
    for ranges in profiles(export.graphs[graph]):
        if ranges:
            profile = builder.create_optimization_profile()
            for name, (least, usual, most) in ranges.items():
                profile.set_shape(name, least, usual, most)
            config.add_optimization_profile(profile)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise CheckpointError(f"{library_name(library)} builds no engine of {graph} for {device}; see its log above")
    return bytes(engine)


def read_engine(export: Export, graph: str, *, library: str, device: str) -> bytes:
    """The engine of a graph for this library and card.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    file = engine_file(export, graph, library=library, device=device)
    command = f"build it with `instructseq export CHECKPOINT {export.folder} --backend tensorrt`"
    if not file.is_file():
        others = sorted({one.name.split("-")[1] for one in file.parent.glob(f"{graph}-*.engine")})
        held = f"; there are engines for {', '.join(others)}, of this or another version" if others else ""
        raise CheckpointError(f"{export.folder} has no engine of {graph} for {device} and {library}{held}; {command}")
    if not _intact(file):
        raise CheckpointError(f"{file} is damaged; {command}")
    return file.read_bytes()


def _allow_plain_attention(network: Any, library: Any) -> None:
    """Let attention fall apart into matrix products where TensorRT has no kernel for it: in float32, for example."""
    if not hasattr(library, "IAttentionInputLayer"):
        return  # older versions have no such layer
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        if layer.type == library.LayerType.ATTENTION_INPUT:
            layer.__class__ = library.IAttentionInputLayer  # the library's own way of casting
            layer.attention.decomposable = True


def _aim_at(config: Any, device: str, library: Any) -> None:
    if not hasattr(config, "num_compute_capabilities"):
        return  # stock TensorRT builds for the card that it finds
    capability = getattr(library.ComputeCapability, device, None)
    if capability is None:
        known = sorted(name for name in dir(library.ComputeCapability) if name.startswith("SM"))
        raise ConfigError(f"{library_name(library)} builds nothing for {device}; it knows {', '.join(known)}")
    config.num_compute_capabilities = 1
    config.set_compute_capability(capability, 0)


def _intact(file: Path) -> bool:
    try:
        described = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        return bool(described["sha256"] == file_sha256(file))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _drop_stale(folder: Path, *, keep: set[Path], devices: Sequence[str]) -> None:
    """Delete engines of these kinds of cards that belong to another graph or version."""
    for file in folder.glob("*.engine"):
        if file not in keep and file.name.split("-")[1] in devices:
            file.unlink()
            file.with_suffix(".json").unlink(missing_ok=True)


def _size(export: Export, graph: str) -> int:
    return sum(file.stat().st_size for file in export.folder.glob(f"{graph}.onnx*"))
