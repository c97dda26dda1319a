"""Random access to tar files that are not compressed: where each member's bytes lie, and reading them."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path

from instructseq_training.datasets.errors import DatasetError


@dataclass(frozen=True)
class Member:
    """One file in a tar.

    Attributes:
        offset: of its first byte.
        size: in bytes.
    """

    offset: int
    size: int


def members_of(file: Path) -> dict[str, dict[str, Member]]:
    """Members by WebDataset key (the name up to its first dot), then by what follows the dot; in the order of the tar.

    Raises:
        DatasetError: the file is missing or damaged.
    """
    found: dict[str, dict[str, Member]] = {}
    try:
        with tarfile.open(file, "r:") as archive:
            for member in archive:
                key, _, suffix = member.name.partition(".")
                found.setdefault(key, {})[suffix] = Member(member.offset_data, member.size)
    except (OSError, tarfile.TarError) as error:
        raise DatasetError(
            f"cannot read the shard {file} ({error}); delete it and run the same command again"
        ) from error
    return found


def read_members(file: Path, members: dict[str, Member]) -> dict[str, bytes]:
    """The bytes of some members, by the same names.

    Raises:
        DatasetError: the file is missing or shorter than it was.
    """
    try:
        with file.open("rb") as stream:
            contents = {}
            for name, member in members.items():
                stream.seek(member.offset)
                contents[name] = stream.read(member.size)
    except OSError as error:
        raise DatasetError(f"cannot read the shard {file} ({error.strerror}); make it again") from error
    if any(len(contents[name]) != member.size for name, member in members.items()):
        raise DatasetError(f"the shard {file} ends too early; delete it and run the same command again")
    return contents
