"""Many inputs of every kind: `python -m fuzzing.campaign --messages 1000000` in test/fuzz. A seed makes a run again.

Each input is made from its own seed, so that a fault is made again by `--only KIND --first NUMBER --messages 1`. A hang
and memory that keeps growing are faults too.
"""

from __future__ import annotations

import argparse
import faulthandler
import re
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType

from .targets import TARGETS, outcome

HANG_SECONDS = 60.0
"""Of the processor: on a busy machine the clock says nothing of an input."""

STANDSTILL_SECONDS = 1800
"""By the clock, after which the program ends with the place where it stands: no handler of Python's runs there."""

GROWTH_BYTES = 64 * 1024 * 1024
"""What a process may grow by after its first thousand inputs; caches and fragments of the heap have room in it."""


class Hang(BaseException):
    """An input takes too long; no handler of the program's own errors may take it."""


@dataclass
class Tally:
    """What became of the inputs of one kind.

    Attributes:
        refusals: how often each refusal came, by its first words without their numbers.
        faults: number and fault of those that the program did not bear.
        slowest: seconds of the slowest input.
        settled: bytes of the process after the thousandth input.
        growth: bytes that it has grown by since then.
    """

    kind: str
    fed: int = 0
    taken: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[int, str]] = field(default_factory=list)
    slowest: float = 0.0
    settled: int = 0
    growth: int = 0


def run(kind: str, messages: int, *, seed: int = 0, first: int = 0) -> Tally:
    """Feed inputs `first`, `first` + 1, ... of one kind.

    Args:
        kind: one of `TARGETS`.
        messages: how many.
        seed: of the whole campaign.
        first: number of the first.
    """
    target, tally = TARGETS[kind], Tally(kind)
    before = signal.signal(signal.SIGPROF, _hangs)
    for number in range(first, first + messages):
        made = target.make(Random(f"{seed} {kind} {number}"))
        start = time.perf_counter()
        faulthandler.dump_traceback_later(STANDSTILL_SECONDS, exit=True)
        signal.setitimer(signal.ITIMER_PROF, HANG_SECONDS)
        try:
            said = outcome(target, made)
        except (Exception, Hang) as fault:
            tally.faults.append((number, f"{type(fault).__name__}: {str(fault)[:300]}"))
        else:
            if said == "taken":
                tally.taken += 1
            else:
                tally.refusals[re.sub(r"\d+", "0", " ".join(said.split()[:5]))] += 1
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0.0)
            faulthandler.cancel_dump_traceback_later()
        tally.slowest = max(tally.slowest, time.perf_counter() - start)
        tally.fed += 1
        if tally.fed == min(1000, messages // 2):
            tally.settled = resident_bytes()
    signal.signal(signal.SIGPROF, before)
    tally.growth = max(0, resident_bytes() - tally.settled) if tally.settled else 0
    return tally


def _hangs(number: int, frame: FrameType | None) -> None:
    where = "" if frame is None else f" at {frame.f_code.co_filename}:{frame.f_lineno}"
    raise Hang(f"it took {HANG_SECONDS:g} s of the processor{where}")


def resident_bytes() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def main(arguments: list[str] | None = None) -> int:
    """Run and print one line a kind; 1 where anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000, help="in all, shared by the kinds")
    parser.add_argument("--only", choices=[*TARGETS], help="one kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first input of each kind")
    chosen = parser.parse_args(arguments)
    kinds = [chosen.only] if chosen.only else [*TARGETS]
    failed = False
    total = 0
    for kind in kinds:
        begin = time.monotonic()
        tally = run(kind, -(-chosen.messages // len(kinds)), seed=chosen.seed, first=chosen.first)
        total += tally.fed
        print(
            f"{kind:13} {tally.fed:8} fed, {tally.taken:8} taken, {sum(tally.refusals.values()):8} refused in "
            f"{len(tally.refusals):4} ways, {len(tally.faults):4} faults, slowest {tally.slowest * 1000:7.1f} ms, "
            f"grew by {tally.growth / 2**20:5.1f} from {tally.settled / 2**20:5.1f} MiB, "
            f"{time.monotonic() - begin:6.0f} s",
            flush=True,
        )
        for number, fault in tally.faults[:20]:
            print(f"  --only {kind} --seed {chosen.seed} --first {number} --messages 1: {fault!a}")
        failed |= bool(tally.faults) or tally.growth > GROWTH_BYTES
    print(f"{total} messages, {'faults' if failed else 'no faults'}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
