"""Reading annotation files, with errors that say what to do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from instructseq_training.datasets.errors import DatasetError


def read_json(file: Path) -> Any:
    """The content of a JSON file.

    Raises:
        DatasetError: it is missing or damaged.
    """
    try:
        return json.loads(file.read_bytes())
    except OSError as error:
        raise DatasetError(
            f"cannot read {file} ({error.strerror}); `instructseq data check` says where it is"
        ) from error
    except ValueError as error:
        raise DatasetError(f"{file} is no JSON, or only part of it ({error}); fetch it again") from error


def entries(content: Any, *, keys: Iterable[str], origin: str) -> list[dict[str, Any]]:
    """A list of mappings that have at least some keys.

    Args:
        content: what should be one.
        keys: that every entry must have.
        origin: of the content, for the message.

    Raises:
        DatasetError: it is no such list.
    """
    wanted = set(keys)
    if not isinstance(content, list) or not all(isinstance(entry, Mapping) for entry in content):
        raise DatasetError(f"{origin} is no list of entries; fetch the published file again")
    lacking = next((sorted(wanted - set(entry)) for entry in content if not wanted <= set(entry)), None)
    if lacking:
        raise DatasetError(f"{origin} has an entry without {', '.join(lacking)}; fetch the published file again")
    return content


def listed(folder: Path, suffixes: Iterable[str]) -> list[str]:
    """Names of a folder's files with one of some suffixes (such as ".jpg"), sorted.

    Raises:
        DatasetError: there is no such folder.
    """
    if not folder.is_dir():
        raise DatasetError(f"there is no folder {folder}; `instructseq data check` says what belongs there")
    allowed = tuple(suffixes)
    return sorted(entry.name for entry in folder.iterdir() if entry.name.lower().endswith(allowed))


def first_few(names: Iterable[object], count: int = 3) -> str:
    """The first names of many, for a message."""
    chosen = [str(name) for name in names]
    return ", ".join(chosen[:count]) + (", ..." if len(chosen) > count else "")
