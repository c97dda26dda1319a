"""The named object models: Sweet Home 3D's catalogue, narrowed and renamed by the reviewed table names.yaml."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from instructseq_training.scenes.assets import CATALOGUE
from instructseq_training.scenes.errors import SceneError

HELD_OUT_EVERY = 4  # of a name with that many models, every fourth is held out


@dataclass(frozen=True)
class ObjectModel:
    """One model of the catalogue under the name people would call it.

    Attributes:
        identity: the catalogue's id, such as `Scopia#teapot`.
        name: spoken name, lower case.
        category: class of the household label set.
        place: `table` or `room`.
        archive: file name of the `.sh3f` that holds it.
        member: path of its OBJ file in the archive.
        size: width, depth, height in metres, as the catalogue gives them.
        rotation: 3 x 3, row by row, applied to the OBJ's own axes (y is up).
        creator: who made it.
        licence: under which licence.
        held_out: never rendered in splits `train` and `val`.
    """

    identity: str
    name: str
    category: str
    place: str
    archive: str
    member: str
    size: tuple[float, float, float]
    rotation: tuple[float, ...]
    creator: str
    licence: str
    held_out: bool = False


@dataclass(frozen=True)
class NameTable:
    """The reviewed table names.yaml.

    Attributes:
        spoken: catalogue name -> (spoken name, class, place).
        held_out: spoken names that are never trained on.
        confusable: spoken name -> names that may mean the same thing, itself included.
        class_nouns: class -> nouns for any of its objects.
        confusable_classes: class -> classes whose objects could pass for it, itself included.
    """

    spoken: dict[str, tuple[str, str, str]]
    held_out: frozenset[str]
    confusable: dict[str, frozenset[str]]
    class_nouns: dict[str, tuple[str, ...]]
    confusable_classes: dict[str, frozenset[str]]


@lru_cache(maxsize=1)
def name_table() -> NameTable:
    """The reviewed names, read once."""
    raw: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("names.yaml").read_text(encoding="utf-8"))
    spoken: dict[str, tuple[str, str, str]] = {}
    for category, places in raw["classes"].items():
        for place, entries in places.items():
            for entry in entries:
                original, _, renamed = entry.partition(" = ")
                spoken[original] = (renamed or original.lower(), category, place)
    return NameTable(
        spoken=spoken,
        held_out=frozenset(raw["held_out_names"]),
        confusable=_closure(raw["confusable"]),
        class_nouns={category: tuple(nouns) for category, nouns in raw["class_nouns"].items()},
        confusable_classes=_closure(raw["confusable_classes"]),
    )


def read_catalogue(root: Path) -> list[ObjectModel]:
    """Every model that is rendered, in a fixed order.

    Args:
        root: as `find_assets` returns it.

    Raises:
        SceneError: an archive is damaged, or none of the models is in the table.
    """
    table = name_table()
    models = []
    for archive in sorted((root / CATALOGUE).glob("*.sh3f")):
        for entry in _entries(archive):
            if entry.get("name") in table.spoken:
                models.append(_model(entry, archive=archive.name, named=table.spoken[entry["name"]]))
    if not models:
        raise SceneError(f"no known model in {root / CATALOGUE}: is this Debian's sweethome3d-furniture 1.8?")
    return _with_held_out(sorted(models, key=lambda model: (model.name, model.identity)), names=table.held_out)


def _closure(groups: list[list[str]]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for group in groups:
        for name in group:
            found.setdefault(name, set()).update(group)
    return {name: frozenset(others) for name, others in found.items()}


def _entries(archive: Path) -> list[dict[str, str]]:
    try:
        with zipfile.ZipFile(archive) as opened:
            text = opened.read("PluginFurnitureCatalog.properties").decode("latin1")
    except (zipfile.BadZipFile, KeyError) as error:
        raise SceneError(f"{archive} is damaged ({error}): install sweethome3d-furniture again") from error
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text)
    licence = next(iter(re.findall(r"^license=(.*)$", text, re.MULTILINE)), "").strip()
    entries: dict[int, dict[str, str]] = {}
    for key, number, value in re.findall(r"^(\w+)#(\d+)=(.*)$", text, re.MULTILINE):
        entries.setdefault(int(number), {"catalogue_licence": licence})[key] = value.strip()
    return [entries[number] for number in sorted(entries)]


def _model(entry: dict[str, str], *, archive: str, named: tuple[str, str, str]) -> ObjectModel:
    name, category, place = named
    width, depth, height = (float(entry[key]) / 100 for key in ("width", "depth", "height"))
    return ObjectModel(
        identity=entry.get("id") or f"{archive.removesuffix('.sh3f')}:{entry['model'].split('/')[-2]}",
        name=name,
        category=category,
        place=place,
        archive=archive,
        member=entry["model"].lstrip("/"),
        size=(width, depth, height),
        rotation=tuple(float(value) for value in entry.get("modelRotation", "1 0 0 0 1 0 0 0 1").split()),
        creator=entry.get("creator", "unknown"),
        licence=entry.get("license") or entry["catalogue_licence"],
    )


def _with_held_out(models: list[ObjectModel], *, names: frozenset[str]) -> list[ObjectModel]:
    seen: dict[str, int] = {}
    result = []
    for model in models:
        seen[model.name] = seen.get(model.name, 0) + 1
        held_out = model.name in names or seen[model.name] % HELD_OUT_EVERY == 0
        result.append(ObjectModel(**{**model.__dict__, "held_out": held_out}))
    return result
