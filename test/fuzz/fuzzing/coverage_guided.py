"""atheris on one kind of input, in test/fuzz: `python -m fuzzing.coverage_guided images -runs=100000 -len_control=0`.

atheris keeps the inputs that reach new lines and goes on from them. It chooses the bytes that all random choices of a
target are made from, so that the same targets serve it. Needs `pip install atheris` (Python 3.11 to 3.13).
"""

from __future__ import annotations

import sys
from random import Random

import atheris

with atheris.instrument_imports(include=["instructseq_model", "instructseq_ros", "instructseq_training", "PIL"]):
    from .targets import TARGETS, outcome


class Choices(Random):
    """Random choices out of bytes; zeros when they run out."""

    def __init__(self, data: bytes) -> None:
        super().__init__(0)
        self._provider = atheris.FuzzedDataProvider(data)

    def getrandbits(self, k: int) -> int:
        """`k` bits of the bytes."""
        held = self._provider.ConsumeBytes((k + 7) // 8)
        return int.from_bytes(held, "big") % (1 << k)

    def random(self) -> float:
        """A number in [0, 1)."""
        return self.getrandbits(53) / (1 << 53)


def main() -> None:
    """Run until a fault or the end of `-runs`."""
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, lambda data: outcome(target, target.make(Choices(data))))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
