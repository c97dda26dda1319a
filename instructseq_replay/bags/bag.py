"""A bag: a folder of rosbag2, or one storage file of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from instructseq_replay.bags.damage import Damage, Message
from instructseq_replay.bags.decompression import SUFFIX
from instructseq_replay.bags.errors import BagError
from instructseq_replay.bags.storage import SALVAGE, TopicInfo, file_messages, file_topics

ALL_TIME = (0, 2**63 - 1)
"""From the first nanosecond to behind the last one."""


@dataclass(frozen=True, kw_only=True)
class Bag:
    """A bag that was found.

    Attributes:
        name: of its folder or file.
        files: its storage files, in their order.
        damage: what is known to be missing before anything is read.
    """

    name: str
    files: tuple[Path, ...]
    damage: tuple[Damage, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""
        return sum(file.stat().st_size for file in self.files)

    def topics(self) -> tuple[dict[str, TopicInfo], bool]:
        """The topics by name, and whether every file is sound as far as its index tells."""
        topics: dict[str, TopicInfo] = {}
        sound = not self.damage
        for file in self.files:
            found, file_sound = file_topics(file)
            sound = sound and file_sound
            for name, info in found.items():
                topics[name] = topics[name] + info if name in topics else info
        return topics, sound

    def messages(
        self, topics: Collection[str], *, span: tuple[int, int] = ALL_TIME, damage: set[Damage] | None = None
    ) -> Iterator[Message]:
        """The readable messages of some topics: file by file, in a sound file by time.

        Args:
            topics: their names.
            span: recorded at the first nanosecond or later, and before the second.
            damage: filled with what could not be read.
        """
        found: set[Damage] = set() if damage is None else damage
        found.update(self.damage)
        for file in self.files:
            yield from file_messages(file, topics=topics, start_ns=span[0], stop_ns=span[1], damage=found)


def open_bag(path: Path) -> Bag:
    """Find the files of a bag.

    Args:
        path: a folder with metadata.yaml, a folder whose metadata.yaml is lost, or an .mcap or .db3 file.

    Raises:
        BagError: there is nothing of the sort.
    """
    if path.is_file() and _storage_suffix(path) in SALVAGE:
        return Bag(name=path.name.split(".")[0], files=(path,))
    if not path.is_dir():
        raise BagError(f"there is no bag at {path}: name the folder of a bag, or an .mcap or .db3 file")
    present = sorted((file for file in path.iterdir() if _storage_suffix(file) in SALVAGE), key=_natural)
    named, damage = _named_files(path)
    missing = [Damage(file=file.name, what="the file is missing") for file in named if not file.is_file()]
    files = [file for file in named if file.is_file()] or present
    if not files:
        raise BagError(f"the folder {path} holds no .mcap and no .db3 file: name the folder of a bag")
    return Bag(name=path.resolve().name, files=tuple(files), damage=(*damage, *missing))


def _named_files(folder: Path) -> tuple[list[Path], list[Damage]]:
    """The files that metadata.yaml names; none where it cannot be read."""
    metadata = folder / "metadata.yaml"
    try:
        content = yaml.safe_load(metadata.read_text(encoding="utf-8"))
        names = content["rosbag2_bagfile_information"]["relative_file_paths"]
        return [folder / Path(str(name)).name for name in names], []
    except FileNotFoundError:
        return [], [Damage(file=metadata.name, what="the file is missing")]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, RecursionError):
        return [], [Damage(file=metadata.name, what="the file is damaged")]


def _storage_suffix(path: Path) -> str:
    return Path(path.stem).suffix if path.suffix == SUFFIX else path.suffix


def _natural(path: Path) -> list[int | str]:
    """Sorts "bag_2" before "bag_10"."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]
