"""Reading an export folder: every file checked against the manifest before anything is loaded from it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instructseq_model.checkpoint import check_hashes
from instructseq_model.errors import CheckpointError, ConfigError
from instructseq_model.model_config import ModelConfig, load_model_config

FORMAT = 1
MANIFEST, CONFIG = "manifest.json", "config.yaml"
ADVICE = "write it again with `instructseq export`"


@dataclass(frozen=True, kw_only=True)
class Export:
    """An export folder, checked.

    Attributes:
        folder: where it lies.
        config: the model's shape.
        backend: for which it was written.
        precision: of its graphs.
        graphs: shapes and types of each graph, as `export.graph.Graph.describe` says.
        hashes: sha256 of every file by name.
    """

    folder: Path
    config: ModelConfig
    backend: str
    precision: str
    graphs: dict[str, Any]
    hashes: dict[str, str]

    @property
    def room(self) -> int | None:
        """Tokens that the decoder's caches hold, where that is fixed."""
        held = self.graphs["decoder"]["inputs"]["keys_0"]["shape"][2]
        return held if isinstance(held, int) else None

    def file(self, graph: str) -> Path:
        """The ONNX file of a graph."""
        return self.folder / f"{graph}.onnx"


def is_export(folder: Path) -> bool:
    """Whether a folder's manifest is that of an export."""
    try:
        return "export" in json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def written_for(folder: Path) -> str:
    """The backend that an export was written for, or "checkpoint" for any other folder; nothing else is checked."""
    if not is_export(folder):
        return "checkpoint"
    return str(json.loads((folder / MANIFEST).read_text(encoding="utf-8")).get("backend"))


def read_export(folder: Path) -> Export:
    """Read and check an export folder.

    Raises:
        CheckpointError: a file is missing or damaged, the folder is no export, or another version wrote it.
    """
    file = folder / MANIFEST
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        found = manifest["export"]
        hashes = {str(name): str(value) for name, value in manifest["sha256"].items()}
        if not all(_inside(name) for name in hashes):
            raise ValueError("it names files outside the folder")
    except FileNotFoundError:
        raise CheckpointError(f"{folder} is no export: it has no {MANIFEST}; {ADVICE}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{file} is damaged ({error}); {ADVICE}") from error
    if found != FORMAT:
        raise CheckpointError(f"{folder} has export format {found!s:.40}, this program reads {FORMAT}; {ADVICE}")
    try:
        check_hashes(folder, {"sha256": hashes})
        config = load_model_config(folder / CONFIG)
        export = Export(
            folder=folder,
            config=config,
            backend=str(manifest["backend"]),
            precision=str(manifest["precision"]),
            graphs=dict(manifest["graphs"]),
            hashes=hashes,
        )
        if "decoder" in export.graphs and export.room is not None and export.room < 1:
            raise ValueError(f"its decoder has room for {export.room} tokens")
        return export
    except CheckpointError as error:
        raise CheckpointError(str(error).replace("fetch the checkpoint again", ADVICE)) from error
    except (ConfigError, KeyError, IndexError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder} was written by another version ({error}); {ADVICE}") from error


def _inside(name: str) -> bool:
    path = Path(name)
    return not path.is_absolute() and ".." not in path.parts
