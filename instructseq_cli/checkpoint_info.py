"""`instructseq info`: what a checkpoint is, without loading it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from instructseq_model.checkpoint_folders import DEFAULT, find_checkpoint
from instructseq_model.errors import CheckpointError

CARD = "README.md"
"""A checkpoint's model card, as hubs call it too."""

MANIFEST = "manifest.json"
"""The hashes that the checkpoint's files had when they were written."""

_LENGTH_BYTES = 8  # a safetensors file begins with the length of its JSON header, little-endian
_MAX_HEADER_BYTES = 100_000_000  # the format's own limit


@dataclass(frozen=True, kw_only=True)
class FileInfo:
    """One file of a checkpoint.

    Attributes:
        name: path inside the checkpoint's folder.
        size_bytes: its size.
        sha256: its hash, hexadecimal.
        parameters: numbers stored, by the first part of their names; empty for files other than safetensors.
        intact: whether the hash is the one in the manifest; None for a file that the manifest does not name.
    """

    name: str
    size_bytes: int
    sha256: str
    parameters: dict[str, int]
    intact: bool | None


@dataclass(frozen=True, kw_only=True)
class CheckpointInfo:
    """A checkpoint at a glance; `card` is the model card's text in Markdown, or None."""

    folder: str
    files: tuple[FileInfo, ...]
    card: str | None

    @property
    def size_bytes(self) -> int:
        """Size of all files together."""
        return sum(file.size_bytes for file in self.files)

    @property
    def parameters(self) -> dict[str, int]:
        """Numbers stored in all files, by part of the model."""
        total: Counter[str] = Counter()
        for file in self.files:
            total.update(file.parameters)
        return dict(total)


def read_checkpoint_info(folder: Path) -> CheckpointInfo:
    """Read sizes, hashes and the model card of a checkpoint.

    Args:
        folder: the checkpoint's folder.

    Raises:
        CheckpointError: the folder holds no file, or a weights file is damaged.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    recorded = _recorded_hashes(folder / MANIFEST)
    if not paths:
        raise CheckpointError(f"{folder} holds no file: give a folder made by `instructseq train`")
    files = tuple(_file_info(path, folder, recorded) for path in paths)
    card = folder / CARD
    return CheckpointInfo(
        folder=str(folder), files=files, card=card.read_text(encoding="utf-8") if card.is_file() else None
    )


def _recorded_hashes(manifest: Path) -> dict[str, str]:
    """The hashes that the manifest records, by file; empty without a manifest.

    Raises:
        CheckpointError: the manifest is damaged.
    """
    if not manifest.is_file():
        return {}
    try:
        return {str(name): str(value) for name, value in json.loads(manifest.read_bytes())["sha256"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{manifest} is damaged ({error!r}): fetch the checkpoint again") from None


def _file_info(path: Path, folder: Path, recorded: dict[str, str]) -> FileInfo:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    parameters = count_parameters(path) if path.suffix == ".safetensors" else {}
    name = str(path.relative_to(folder))
    return FileInfo(
        name=name,
        size_bytes=path.stat().st_size,
        sha256=digest.hexdigest(),
        parameters=parameters,
        intact=digest.hexdigest() == recorded[name] if name in recorded else None,
    )


def count_parameters(path: Path) -> dict[str, int]:
    """Numbers stored in a safetensors file, by the first part of their names, from its header alone.

    Raises:
        CheckpointError: the header is damaged.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if not 0 < length <= min(_MAX_HEADER_BYTES, path.stat().st_size):
                raise ValueError(f"a header of {length} bytes")
            header = json.loads(file.read(length))
            counts: Counter[str] = Counter()
            for name, entry in header.items():
                if name != "__metadata__":
                    counts[name.split(".")[0]] += prod(entry["shape"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is no intact safetensors file ({error}): fetch or train it again") from None
    return dict(counts)


def info(
    checkpoint: Annotated[
        str, typer.Argument(help="Folder of a checkpoint, or the name of one that is shipped.")
    ] = DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")] = False,
    memory: Annotated[bool, typer.Option("--memory", help="Show how much memory the model needs instead.")] = False,
    samples: Annotated[int, typer.Option(min=1, max=32, help="Sequences drawn, for --memory.")] = 10,
) -> None:
    """Show a checkpoint: its model card, its files with sizes and SHA-256, and how many parameters each part has.

    * instructseq info

    * instructseq info out/model --json

    * instructseq info --memory --samples 4
    """
    if memory:
        _show_memory(find_checkpoint(checkpoint), samples)
        return
    found = read_checkpoint_info(find_checkpoint(checkpoint))
    if as_json:
        typer.echo(json.dumps(_for_programs(found), indent=2))
        return
    console = Console(highlight=False)
    console.print(Markdown(_without_front_matter(found.card) if found.card else "*This checkpoint has no model card.*"))
    console.print(_files_table(found))
    parts = ", ".join(f"{name} {count / 1e6:.2f} M" for name, count in found.parameters.items())
    console.print(f"Parameters: {parts or 'none found'}", markup=False)
    console.print(f"Folder: {found.folder}", markup=False, soft_wrap=True)


def _show_memory(folder: Path, samples: int) -> None:
    from instructseq_model.memory_budget import memory_budgets
    from instructseq_model.model_config import load_model_config

    table = Table(title=f"Megabytes for {samples} samples, without the runtime's own", box=None, pad_edge=False)
    for heading in ("", "weights", "prefix", "caches", "activations", "together"):
        table.add_column(heading, justify="right" if heading else "left")
    for one in memory_budgets(load_model_config(folder / "config.yaml"), samples=samples):
        sizes = (one.weights, one.prefix, one.caches, one.activations, one.total)
        table.add_row(one.precision, *(f"{size / 1e6:.1f}" for size in sizes))
    Console(highlight=False).print(table)


def _for_programs(found: CheckpointInfo) -> dict[str, Any]:
    return {**asdict(found), "size_bytes": found.size_bytes, "parameters": found.parameters}


def _files_table(found: CheckpointInfo) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("File")
    table.add_column("Size", justify="right")
    table.add_column("")
    table.add_column("SHA-256", overflow="fold")
    words = {True: "intact", False: "CHANGED", None: ""}
    for file in found.files:
        table.add_row(file.name, _readable(file.size_bytes), words[file.intact], file.sha256)
    table.add_row("together", _readable(found.size_bytes), "", "", style="bold")
    return table


def _readable(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 100_000 else f"{size_bytes / 1e3:.1f} kB"


def _without_front_matter(card: str) -> str:
    """The card without the YAML block that hubs put at its head."""
    if not card.startswith("---\n"):
        return card
    return card.split("\n---\n", 1)[-1]
