"""Folders with a manifest of hashes: one part is disturbed, and the manifest says that all is well, or does not."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from random import Random
from typing import Any

from .mutation import disturbed, mutated, plain


def disturb(random: Random, files: dict[str, bytes], structured: dict[str, Any]) -> dict[str, bytes]:
    """The files with one of them changed.

    Args:
        random: makes the choices.
        files: content by name.
        structured: those that hold JSON (which is YAML too), as values.
    """
    name = random.choice(list(files))
    if name in structured and random.random() < 0.7:
        return files | {name: as_json(disturbed(random, structured[name]))}
    if random.random() < 0.05:
        return {other: held for other, held in files.items() if other != name}
    return files | {name: mutated(random, files[name])}


def as_json(value: object) -> bytes:
    """JSON, with what is not text as escapes."""
    return json.dumps(value).encode()


def manifest_of(random: Random, files: dict[str, bytes], rest: dict[str, Any]) -> bytes:
    """A manifest with right hashes; sometimes disturbed or damaged."""
    hashes = {name: hashlib.sha256(held).hexdigest() for name, held in files.items()}
    whole: object = rest | {"sha256": hashes}
    if random.random() < 0.25:
        whole = disturbed(random, whole)
    if random.random() < 0.02:
        whole = plain(random)
    written = as_json(whole)
    if random.random() < 0.05:
        written = mutated(random, written)
    if random.random() < 0.01:
        return b"[" * 100_000
    return written


def lay(folder: Path, files: dict[str, bytes]) -> None:
    """Write the files into the folder, in place of what is there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, held in files.items():
        (folder / name).write_bytes(held)
