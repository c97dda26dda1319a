"""RefCOCO's pickles, damaged, and programs in the pickle language."""

from __future__ import annotations

import pickle
import tempfile
from functools import cache
from pathlib import Path
from random import Random

from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.pickles import read_plain_pickle

from .mutation import mutated, plain

REFUSALS = (DatasetError,)
PLAIN = (dict, list, tuple, set, frozenset, str, bytes, bytearray, int, float, bool, complex, type(None))


def make(random: Random) -> bytes:
    """A pickle of plain data, damaged; or a few random instructions to the unpickler."""
    if random.random() < 0.3:
        return _program(random)
    held = pickle.dumps([{"ref_id": 1, "sentences": plain(random)}], protocol=random.randrange(6))
    return mutated(random, held) if random.random() < 0.9 else held


def feed(data: bytes) -> None:
    """What comes out is plain data, all through."""
    file = _file()
    file.write_bytes(data)
    _check_plain(read_plain_pickle(file))


@cache
def _file() -> Path:
    return Path(tempfile.mkdtemp(prefix="fuzz-")) / "refs.p"


def _program(random: Random) -> bytes:
    named = (b"cos\nsystem\n", b"c__builtin__\neval\n", b"\x8c\x02os\x8c\x06system\x93", b"S'echo'\n", b"I1\n")
    moves = (b"(", b")", b"]", b"}", b"t", b"R", b"o", b"b", b"s", b"u", b"a", b"0", b"2", b"q\x01", b"h\x01")
    return b"".join(random.choice((*named, *moves)) for _ in range(random.randint(1, 12))) + b"."


def _check_plain(value: object) -> None:
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        one = waiting.pop()
        assert type(one) in PLAIN, type(one)
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set | frozenset):
            waiting += list(one)
