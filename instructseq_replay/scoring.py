"""Every finished frame against the truth, in one walk through the answers and the topics of truth of each bag."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from rosbags.typesys.store import Typestore

from instructseq_replay.answers import decode_answer
from instructseq_replay.bags.bag import Bag
from instructseq_replay.bags.damage import Damage
from instructseq_replay.frames import Header
from instructseq_replay.instructions import Asked, Instructions
from instructseq_replay.records import AnswerRecord, FrameRecord
from instructseq_replay.scores.blocks import BlockSums, block_of
from instructseq_replay.scores.measures import Measure, measure_for
from instructseq_replay.scores.scored import ScoredAnswer, scored
from instructseq_replay.truth.messages import LATE_NS, TruthMessages
from instructseq_replay.truth.truth import FrameFacts, Truth, TruthSource


@dataclass(kw_only=True)
class InstructionScores:
    """What one instruction came to.

    Attributes:
        asked: the instruction.
        measure: how it is scored; None without truth of its kind.
        sums: rows of the measure.
        as_meant: answers whose task was the one meant.
        with_truth: answers that could be compared.
    """

    asked: Asked
    measure: Measure | None
    sums: BlockSums = field(default_factory=BlockSums)
    as_meant: int = 0
    with_truth: int = 0


class Scorer:
    """Turns records into scored answers and adds up their rows.

    Args:
        instructions: what was asked.
        truth: what would be right; None without any.
        types: message types.
    """

    def __init__(self, instructions: Instructions, truth: TruthSource | None, *, types: Typestore) -> None:
        self._truth, self._types = truth, types
        gives = truth.gives if truth is not None else frozenset[str]()
        self.of_instruction = {
            asked.id: InstructionScores(asked=asked, measure=measure_for(asked, gives))
            for asked in instructions.instructions
        }

    def score_bag(
        self, name: str, bag: Bag, records: Iterator[FrameRecord], *, damage: set[Damage]
    ) -> Iterator[tuple[FrameRecord, list[ScoredAnswer]]]:
        """The answers of a bag with their scores.

        Args:
            name: of the bag in this run.
            bag: for its topics of truth.
            records: in the order of their time.
            damage: filled with truth that could not be read.
        """
        topics = self._truth.topics if self._truth is not None else ()
        messages = iter(bag.messages(topics, damage=damage)) if topics else iter(())
        walk = TruthMessages(messages, types=self._types, damage=damage)
        for record in records:
            yield record, list(self._score(name, record, walk))

    def _score(self, bag: str, record: FrameRecord, walk: TruthMessages) -> Iterator[ScoredAnswer]:
        if record.header is None:
            for name in self.of_instruction:
                yield _nothing(bag, record, name, record.problem)
            return
        facts = FrameFacts(
            key=record.key,
            header=record.header,
            size_wh=record.size_wh,
            messages=walk.of(record.key, record.header),
        )
        for name, scores in self.of_instruction.items():
            answer = record.answers.get(name)
            if answer is not None:
                yield self._one(bag, record, record.header, scores, answer, facts)

    def _one(
        self,
        bag: str,
        record: FrameRecord,
        header: Header,
        scores: InstructionScores,
        answer: AnswerRecord,
        facts: FrameFacts,
    ) -> ScoredAnswer:
        perception = decode_answer(self._types, answer.data)[1] if answer.data else None
        as_meant = perception is not None and perception.task is scores.asked.meant
        scores.as_meant += as_meant
        truth = self.truth_of(facts, scores)
        row = None
        if truth is not None and scores.measure is not None:
            row = scores.measure.row(perception if as_meant else None, truth)
        quality = None
        if row is not None and scores.measure is not None:
            scores.with_truth += 1
            scores.sums.add(block_of(bag, record.key), row)
            first = float(scores.measure.scores(row)[0])
            quality = None if np.isnan(first) else first
        if perception is None:
            return _nothing(bag, record, scores.asked.id, answer.problem, quality)
        return scored(
            perception,
            bag=bag,
            key=record.key,
            header=header,
            instruction=scores.asked.id,
            quality=quality,
            seconds=answer.seconds,
        )

    def truth_of(self, facts: FrameFacts, scores: InstructionScores) -> Truth | None:
        """What is true of a frame, where there is a measure for it."""
        if self._truth is None or scores.measure is None:
            return None
        return self._truth.truth_of(facts, scores.asked)


def _nothing(
    bag: str, record: FrameRecord, instruction: str, problem: str, quality: float | None = None
) -> ScoredAnswer:
    return ScoredAnswer(
        bag=bag,
        key=record.key,
        stamp_ns=record.header.stamp_ns if record.header is not None else None,
        instruction=instruction,
        problem=problem,
        quality=quality,
    )


def facts_of(record: FrameRecord, header: Header, bag: Bag, truth: TruthSource, types: Typestore) -> FrameFacts:
    """What truth needs to know of a single frame; only the stretch of the recording around it is read.

    A topic without a header whose last message is older than `LATE_NS` is not found.
    """
    around = (record.key.log_ns - LATE_NS, record.key.log_ns + LATE_NS)
    messages = iter(bag.messages(truth.topics, span=around)) if truth.topics else iter(())
    found = TruthMessages(messages, types=types, damage=set()).of(record.key, header)
    return FrameFacts(key=record.key, header=header, size_wh=record.size_wh, messages=found)
