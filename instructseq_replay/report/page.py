"""The report of a run, put together: what to say, which frames to show, and the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment
from rosbags.typesys.store import Typestore

from instructseq_model.errors import InstructSeqError
from instructseq_model.perception import Perception
from instructseq_replay.answers import decode_answer
from instructseq_replay.bags.types import INTERFACE_PACKAGES, message_types
from instructseq_replay.frames import FrameKey, frames_of
from instructseq_replay.instructions import Asked
from instructseq_replay.records import FrameRecord
from instructseq_replay.report.charts import confidence_chart, difference_chart, latency_chart
from instructseq_replay.report.pictures import Pictures, pictures_of
from instructseq_replay.report.timeline import badness, rows_of
from instructseq_replay.run import Outcome, Plan, records_of
from instructseq_replay.run_folder import RunFolder
from instructseq_replay.scores.scored import ScoredAnswer
from instructseq_replay.scoring import facts_of
from instructseq_replay.truth.truth import Truth, TruthError

TEMPLATE = "report.html.j2"
WORST = 6
"""Frames that are shown of each instruction unless asked otherwise."""

APART_NS = 1_000_000_000
"""Frames that are shown lie so far apart: neighbours fail alike."""

_MOST_DAMAGE = 40


@dataclass(frozen=True, kw_only=True)
class Card:
    """One frame that is shown."""

    anchor: str
    answer: ScoredAnswer
    pictures: Pictures | None
    words: str
    seconds: float


def write_report(
    plan: Plan, folder: RunFolder, outcome: Outcome, *, model: str, other: str | None = None, worst: int = WORST
) -> None:
    """Write report.html of a run.

    Args:
        plan: of the run.
        folder: of the run.
        outcome: what came out.
        model: name of the checkpoint.
        other: name of the run that it is compared with.
        worst: frames to show of each instruction.
    """
    sections = _sections(plan, folder, outcome, worst)
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["share"] = _share
    environment.filters["interval"] = _interval
    template = environment.from_string(
        files("instructseq_replay.report").joinpath(TEMPLATE).read_text(encoding="utf-8")
    )
    page = template.render(
        title=", ".join(recording.name for recording in plan.recordings[:3])
        + (" …" if len(plan.recordings) > 3 else ""),
        model=model,
        other=other,
        summary=outcome.summary,
        times=outcome.times,
        complete=outcome.complete,
        damage=outcome.damage[:_MOST_DAMAGE],
        more_damage=max(0, len(outcome.damage) - _MOST_DAMAGE),
        sections=sections,
        latency=latency_chart(_milliseconds(outcome.answers)),
        differences=outcome.differences,
        difference_chart=difference_chart(outcome.differences),
        live=_live(outcome.times),
    )
    temporary = folder.report.with_name(folder.report.name + ".tmp")
    temporary.write_text(page, encoding="utf-8")
    temporary.replace(folder.report)


def _sections(plan: Plan, folder: RunFolder, outcome: Outcome, worst: int) -> list[dict[str, Any]]:
    """What the page shows of each instruction."""
    types = message_types(*INTERFACE_PACKAGES)
    by_instruction = {
        asked.id: [one for one in outcome.answers if one.instruction == asked.id]
        for asked in plan.instructions.instructions
    }
    chosen = {name: worst_apart(answers, worst) for name, answers in by_instruction.items()}
    wanted = {(answer.bag, answer.key) for answers in chosen.values() for answer in answers}
    records = records_of(folder, wanted)
    starts = _starts(outcome.answers)
    sections = []
    for asked in plan.instructions.instructions:
        own = by_instruction[asked.id]
        anchors = {answer: f"{asked.id}-{number}" for number, answer in enumerate(chosen[asked.id], start=1)}
        cards = [
            _card(plan, records.get((answer.bag, answer.key)), answer, asked, anchor, starts[answer.bag], types)
            for answer, anchor in anchors.items()
        ]
        sections.append(
            {
                "asked": asked,
                "numbers": outcome.summary["instructions"][asked.id],
                "rows": rows_of(own, anchors),
                "cards": cards,
                "confidence": confidence_chart(own),
                "by_quality": any(answer.quality is not None for answer in own),
            }
        )
    return sections


def worst_apart(answers: Sequence[ScoredAnswer], count: int) -> list[ScoredAnswer]:
    """The worst answers first, none within `APART_NS` of a worse one of the same camera."""
    taken: list[ScoredAnswer] = []
    for answer in sorted(answers, key=lambda one: (*badness(one), one.bag, one.key)):
        if len(taken) == count:
            break
        near = (
            other.bag == answer.bag
            and other.key.topic == answer.key.topic
            and abs(other.key.log_ns - answer.key.log_ns) < APART_NS
            for other in taken
        )
        if not any(near):
            taken.append(answer)
    return taken


def _card(
    plan: Plan,
    record: FrameRecord | None,
    answer: ScoredAnswer,
    asked: Asked,
    anchor: str,
    start_ns: int,
    types: Typestore,
) -> Card:
    pictures = None
    perception: Perception | None = None
    if record is not None and record.header is not None:
        found = record.answers.get(asked.id)
        perception = decode_answer(types, found.data)[1] if found is not None and found.data else None
        image = _image(plan, record, types)
        if image is not None:
            pictures = pictures_of(image, perception, _truth(plan, record, asked, types))
    seconds = (answer.key.log_ns - start_ns) / 1e9
    return Card(anchor=anchor, answer=answer, pictures=pictures, words=_words(answer, asked), seconds=seconds)


def _image(plan: Plan, record: FrameRecord, types: Typestore) -> Any | None:
    """The frame's pixels once more, out of its bag."""
    span = (record.key.log_ns, record.key.log_ns + 1)
    for frame in frames_of(plan.bags[record.bag], [record.key.topic], span=span):
        if frame.key == record.key:
            try:
                return frame.decode(types)[1]
            except InstructSeqError:
                return None
    return None


def _truth(plan: Plan, record: FrameRecord, asked: Asked, types: Typestore) -> Truth | None:
    if plan.truth is None or record.header is None:
        return None
    try:
        return plan.truth.truth_of(facts_of(record, record.header, plan.bags[record.bag], plan.truth, types), asked)
    except TruthError:
        return None


def _words(answer: ScoredAnswer, asked: Asked) -> str:
    """What the answer says, in a few words."""
    if answer.problem:
        return answer.problem
    if asked.meant is not None and answer.task != asked.meant.value:
        return f"answered as {answer.task}, meant was {asked.meant.value}"
    if answer.caption is not None:
        return f"“{answer.caption}”"
    if answer.task == "detection":
        return f"{len(answer.boxes)} box{'es' if len(answer.boxes) != 1 else ''}"
    return "nothing marked" if not answer.share else f"{_share(answer.share)} of the image marked"


def _starts(answers: Sequence[ScoredAnswer]) -> dict[str, int]:
    """Time of the first frame of each bag, nanoseconds."""
    starts: dict[str, int] = {}
    for answer in answers:
        starts[answer.bag] = min(starts.get(answer.bag, answer.key.log_ns), answer.key.log_ns)
    return starts


def _milliseconds(answers: Sequence[ScoredAnswer]) -> list[float]:
    """Of each frame once."""
    frames: dict[tuple[str, FrameKey], float] = {}
    for answer in answers:
        if answer.seconds is not None:
            frames[answer.bag, answer.key] = 1000 * answer.seconds
    return list(frames.values())


def _live(times: dict[str, Any]) -> dict[str, int]:
    """Frames of all cameras, those a live node would have answered, and gaps in the recording."""
    cameras = times["cameras"].values()
    return {
        "frames": sum(camera["frames"] for camera in cameras),
        "answers": sum(camera["live_answers"] for camera in cameras),
        "gaps": sum(len(camera["gaps"]) for camera in cameras),
    }


def _share(value: float | None) -> str:
    """A share in percent."""
    if value is None:
        return "–"
    return "<1 %" if 0 < value < 0.01 else f"{100 * value:.0f} %"


def _interval(score: dict[str, Any]) -> str:
    """A score with its interval."""
    if score["value"] is None:
        return "–"
    ends = score["interval"]
    return f"{score['value']:.3f}" + (f" ({ends[0]:.3f} to {ends[1]:.3f})" if ends else "")
