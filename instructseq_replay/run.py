"""A run from bags to report: plan, evaluate, score, write."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from instructseq_model.errors import ConfigError
from instructseq_replay.bags.bag import Bag, open_bag
from instructseq_replay.bags.damage import Damage
from instructseq_replay.bags.decompression import SUFFIX
from instructseq_replay.bags.errors import BagError
from instructseq_replay.bags.types import INTERFACE_PACKAGES, message_types
from instructseq_replay.comparison import Difference, as_json, compare, read_answers
from instructseq_replay.engines.shards import Recording
from instructseq_replay.frames import FrameKey, cameras_of
from instructseq_replay.instructions import Instructions
from instructseq_replay.journal import Place, entry_at
from instructseq_replay.records import FrameRecord, from_entry
from instructseq_replay.results import ResultsBag
from instructseq_replay.run_folder import RunFolder
from instructseq_replay.scores.scored import ScoredAnswer
from instructseq_replay.scoring import Scorer
from instructseq_replay.summary import summarise, summarise_times
from instructseq_replay.truth.truth import TruthSource


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run is over.

    Attributes:
        recordings: the bags with their cameras.
        bags: the same by name.
        instructions: what is asked.
        truth: what would be right; None without any.
    """

    recordings: tuple[Recording, ...]
    bags: Mapping[str, Bag]
    instructions: Instructions
    truth: TruthSource | None

    @property
    def frames(self) -> int:
        """Frames to do, as far as the bags' indices tell; with a period, at most."""
        return sum(recording.frames for recording in self.recordings)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came out of a run.

    Attributes:
        summary: content of summary.json.
        times: content of timings.json.
        differences: to another run; empty without one.
        answers: all answers, scored.
        damage: what could not be read.
    """

    summary: dict[str, Any]
    times: dict[str, Any]
    answers: tuple[ScoredAnswer, ...]
    damage: tuple[Damage, ...]
    differences: tuple[Difference, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every part of every bag could be read."""
        return not self.damage and not self.summary["unreadable_frames"]


def make_plan(paths: Sequence[Path], instructions: Instructions, truth: TruthSource | None) -> Plan:
    """Look into the bags.

    Raises:
        BagError: one is missing, or holds no camera's images.
    """
    truth_topics = truth.topics if truth is not None else ()
    bags: dict[str, Bag] = {}
    recordings = []
    for path in paths:
        bag = open_bag(path)
        name = _new_name(bag.name, bags)
        topics, sound = bag.topics()
        cameras = cameras_of(topics, asked=instructions.cameras, truth=truth_topics)
        if not cameras and not _holds_nothing(topics):
            known = ", ".join(sorted(topics)) or "none"
            asked = f" called {' or '.join(instructions.cameras)}" if instructions.cameras else ""
            raise BagError(
                f"the bag {path} has no image topic{asked} (its topics: {known}): name `cameras` that it has"
            )
        bags[name] = bag
        own = [topics[camera] for camera in cameras]
        recordings.append(
            Recording(
                name=name,
                path=path.resolve(),
                cameras=cameras,
                first_ns=min((info.first_ns for info in own), default=0),
                last_ns=max((info.last_ns for info in own), default=0),
                enterable=sound and all(file.suffix != SUFFIX for file in bag.files),
                frames=sum(_frames(info.count, info.last_ns - info.first_ns, instructions.period_ns) for info in own),
            )
        )
    return Plan(recordings=tuple(recordings), bags=bags, instructions=instructions, truth=truth)


def _holds_nothing(topics: Mapping[str, Any]) -> bool:
    """Whether a bag is so damaged that not even its topics are known; it is listed, and the others are evaluated."""
    return not topics


def _frames(count: int, duration_ns: int, period_ns: int) -> int:
    return min(count, duration_ns // period_ns + 2) if period_ns else count


def _new_name(name: str, taken: Mapping[str, Bag]) -> str:
    """The bag's name, with a number behind it where another bag has it already."""
    number, unique = 1, name
    while unique in taken:
        number += 1
        unique = f"{name}-{number}"
    return unique


def finish(plan: Plan, folder: RunFolder, *, way: str, against: Path | None, step: Callable[[str], None]) -> Outcome:
    """Score what is finished, and write the results but for the report.

    Args:
        plan: of the run.
        folder: of the run, with its journals.
        way: "offline", or "realtime at ...".
        against: folder of another finished run to compare with.
        step: told what is done next, in words.

    Raises:
        ConfigError: there is nothing to score, or nothing to compare with.
        TruthError: the truth does not fit.
    """
    types = message_types(*INTERFACE_PACKAGES)
    index, noted = folder.index()
    damage = set(noted)
    for bag in plan.bags.values():
        damage.update(bag.damage)
    if not index:
        raise ConfigError(f"no frame could be read ({_first(damage)}): check the bags with `ros2 bag info`")
    scorer = Scorer(plan.instructions, plan.truth, types=types)
    answers: list[ScoredAnswer] = []
    cameras = {recording.name: recording.cameras for recording in plan.recordings}
    for name, places in groupby(index, key=lambda entry: entry[0]):
        step(f"scoring {name}, and writing its bag of results")
        records = _records(list(places))
        several = len(cameras.get(name, ())) > 1
        with ResultsBag(folder.results / name, types=types, several_cameras=several) as results:
            for record, scored in scorer.score_bag(name, plan.bags[name], records, damage=damage):
                answers += scored
                results.write(record)
    found = sorted(damage)
    lines = "".join(json.dumps(answer.line(), ensure_ascii=False) + "\n" for answer in answers)
    _write(folder.answers, lines)
    differences = compare(read_answers(against), answers) if against is not None else []
    summary = summarise(answers, scorer.of_instruction, found)
    if differences:
        summary["differences"] = as_json(differences)
    times = summarise_times(answers, way=way, lost=_lost(plan, answers) if way != "offline" else None)
    _write(folder.summary, json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    _write(folder.timings, json.dumps(times, indent=2) + "\n")
    return Outcome(
        summary=summary,
        times=times,
        answers=tuple(answers),
        damage=tuple(found),
        differences=tuple(differences),
    )


def _lost(plan: Plan, answers: Sequence[ScoredAnswer]) -> int:
    """Pairs of frame and instruction without an answer."""
    return plan.frames * len(plan.instructions.instructions) - sum(answer.task is not None for answer in answers)


def _records(places: list[tuple[str, FrameKey, Place]]) -> Iterator[FrameRecord]:
    for _, _, place in places:
        yield from_entry(entry_at(place))


def _first(damage: set[Damage]) -> str:
    return "; ".join(f"{entry.file}: {entry.what}" for entry in sorted(damage)[:3]) or "the bags hold no image"


def _write(path: Path, text: str) -> None:
    """Replace a file as a whole."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def records_of(folder: RunFolder, wanted: set[tuple[str, FrameKey]]) -> dict[tuple[str, FrameKey], FrameRecord]:
    """A few finished frames by bag and key."""
    index, _ = folder.index()
    return {(bag, key): from_entry(entry_at(place)) for bag, key, place in index if (bag, key) in wanted}
