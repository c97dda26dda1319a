"""Generated phrasings as files of the instruction set's own format, marked as not yet reviewed."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from instructseq_model.errors import ConfigError
from instructseq_training.instructions import INSTRUCTIONS_DIR
from instructseq_training.phrasing_generation.kinds import Kind

MARK = "# NOT YET REVIEWED"
"""How a generated file begins. Whoever has read every line takes it away; the file is then never written again."""


def check_folder(folder: Path, kinds: Sequence[Kind]) -> None:
    """Check that nothing reviewed would be overwritten.

    Raises:
        ConfigError: the folder is one of the instruction set's, or holds a file of these kinds without the mark.
    """
    if INSTRUCTIONS_DIR.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise ConfigError(f"{folder} holds reviewed phrasings: generate elsewhere, read them, then copy them over")
    for kind in kinds:
        file = folder / f"{kind.name}.yaml"
        if file.exists() and not file.read_text(encoding="utf-8").startswith(MARK):
            raise ConfigError(f"{file} is reviewed, as its first line does not say otherwise: name another folder")


def write_phrasings(folder: Path, kind: Kind, phrasings: Sequence[str], *, model: str) -> Path:
    """Write one kind's file, whole or not at all.

    Args:
        folder: made if missing.
        kind: gives name, task and label set.
        phrasings: at least one.
        model: who wrote them, for the comment at the top.

    Returns:
        The file, as `load_instruction_set` reads it.
    """
    lines = [
        f"{MARK}: written by {' '.join(model.split())}. Read every line for its meaning, then remove this one.",
        f"task: {kind.task.value}",
        f"label_set: {kind.label_set or 'null'}",
        "phrasings:",
        # A JSON string is a YAML string.
        *(f"  - {json.dumps(text, ensure_ascii=False)}" for text in phrasings),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{kind.name}.yaml"
    draft = file.with_suffix(".yaml.part")
    draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.replace(draft, file)
    return file
