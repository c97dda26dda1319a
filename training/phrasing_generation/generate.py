"""From a language model to files of phrasings: ask, check, keep what is new, until there are enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from instructseq_model.errors import ConfigError
from instructseq_training.instructions import InstructionSet, Phrasing, load_instruction_set
from instructseq_training.phrasing_generation.answers import AnswerError, read_answer
from instructseq_training.phrasing_generation.checks import english_words, fault
from instructseq_training.phrasing_generation.endpoint import Answer
from instructseq_training.phrasing_generation.journal import NAME as JOURNAL
from instructseq_training.phrasing_generation.journal import Entry, Journal
from instructseq_training.phrasing_generation.kinds import Kind
from instructseq_training.phrasing_generation.near_duplicates import SeenPhrasings
from instructseq_training.phrasing_generation.output import check_folder, write_phrasings
from instructseq_training.phrasing_generation.prompt import Message, messages_for

IN_VAIN = 8
"""A kind is given up after so many answers in a row that brought nothing new."""

_KEPT_OF_BAD_ANSWER = 500
"""Characters of an unreadable answer that the journal keeps."""


@dataclass(frozen=True, kw_only=True)
class GenerationSettings:
    """What to generate.

    Attributes:
        model: name of the model, for journal and files.
        kinds: what is asked for, one after the other.
        count: phrasings that each kind has in the end, or a few more from its last answer.
        split: the set that they are meant for; they keep their distance from both.
        batch: phrasings to ask for at once.
        max_cost: US dollars that all answers of the journal together may cost, or None.
    """

    model: str
    kinds: Sequence[Kind]
    count: int
    split: Literal["train", "held_out"] = "train"
    batch: int = 25
    max_cost: float | None = None


class LanguageModel(Protocol):
    """What is asked; `endpoint.Endpoint` is one."""

    @property
    def has_price(self) -> bool:
        """Whether costs can be told."""

    def most_cost(self, messages: Sequence[Message]) -> float | None:
        """The most that an answer can cost."""

    def ask(self, messages: Sequence[Message]) -> Answer:
        """The answer."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run came to.

    Attributes:
        journal: everything that was answered, by this run and those before it.
        files: the files written.
        stopped: why there are fewer phrasings than wanted, one sentence each; empty if there are enough.
    """

    journal: Journal
    files: tuple[Path, ...]
    stopped: tuple[str, ...]


def generate(
    out: Path,
    settings: GenerationSettings,
    *,
    model: LanguageModel,
    on_answer: Callable[[Kind, Journal], None] = lambda *_: None,
) -> Outcome:
    """Ask for phrasings until every kind has enough; go on from the journal in `out` if there is one.

    Args:
        out: folder of the files and the journal; made if missing.
        settings: what to generate.
        model: who is asked.
        on_answer: told after each answer, and once before the first.

    Raises:
        ConfigError: `out` holds reviewed phrasings or a damaged journal, or a budget is given but no price is known.
        EndpointError: the model cannot be asked. The files hold what was answered before.
    """
    check_folder(out, settings.kinds)
    if settings.max_cost is not None and not model.has_price:
        raise ConfigError(
            f"the price of {settings.model} is unknown, so no budget can be kept: give its prices by --input-price "
            "and --output-price, or leave --max-cost out"
        )
    journal = Journal(out / JOURNAL)
    run = _Run(settings, model=model, journal=journal)
    stopped = []
    try:
        for kind in settings.kinds:
            on_answer(kind, journal)
            reason = run.fill(kind, on_answer=on_answer)
            if reason is not None:
                stopped.append(f"{kind.name}: {reason}")
    finally:
        files = tuple(
            write_phrasings(out, kind, texts, model=settings.model)
            for kind in settings.kinds
            if (texts := journal.accepted(kind.name))
        )
    return Outcome(journal=journal, files=files, stopped=tuple(stopped))


class _Run:
    """One run's view of what exists: both reviewed splits and everything in the journal."""

    def __init__(self, settings: GenerationSettings, *, model: LanguageModel, journal: Journal) -> None:
        self._settings = settings
        self._model = model
        self._journal = journal
        self._train, held_out = load_instruction_set("train"), load_instruction_set("held_out")
        own, other = (self._train, held_out) if settings.split == "train" else (held_out, self._train)
        self._seen = SeenPhrasings((p.text for p in own), outside=(p.text for p in other))
        for entry in journal.entries:
            for text in entry.accepted:
                self._seen.add(text)
        self._english = english_words(p.text for p in self._train)

    def fill(self, kind: Kind, *, on_answer: Callable[[Kind, Journal], None]) -> str | None:
        """Ask until a kind has enough; returns why it stopped before, or None."""
        in_vain = 0
        while (have := len(self._journal.accepted(kind.name))) < self._settings.count:
            progress = f"{have} of {self._settings.count} phrasings"
            if in_vain == IN_VAIN:
                return f"{IN_VAIN} answers in a row brought nothing new ({progress})"
            messages = self._messages(kind)
            if self._too_dear(messages):
                return f"another answer may pass the budget of ${self._settings.max_cost:g} ({progress})"
            entry = self._judged(kind, self._model.ask(messages))
            self._journal.add(entry)
            on_answer(kind, self._journal)
            in_vain = 0 if entry.accepted else in_vain + 1
        return None

    def _messages(self, kind: Kind) -> list[Message]:
        """Held-out phrasings are never shown: what is written for training must not be modelled on them."""
        known = [p.text for p in _of_kind(self._train, kind)] if self._settings.split == "train" else []
        return messages_for(
            kind,
            count=self._settings.batch,
            request=self._journal.requests(kind.name),
            known=known + self._journal.accepted(kind.name),
        )

    def _too_dear(self, messages: Sequence[Message]) -> bool:
        most = self._model.most_cost(messages)
        budget = self._settings.max_cost
        return budget is not None and most is not None and self._journal.cost + most > budget

    def _judged(self, kind: Kind, answer: Answer) -> Entry:
        accepted: list[str] = []
        rejected: list[tuple[str, str]] = []
        try:
            entries = read_answer(answer.text)
        except AnswerError as error:
            entries = ()
            rejected.append((answer.text[:_KEPT_OF_BAD_ANSWER], str(error)))
        for found in entries:
            text = found.strip() if isinstance(found, str) else found
            reason = self._reason_against(text, kind)
            if reason is None:
                self._seen.add(text)
                accepted.append(text)
            else:
                rejected.append((str(text)[:_KEPT_OF_BAD_ANSWER], reason))
        return Entry(
            kind=kind.name,
            model=self._settings.model,
            accepted=tuple(accepted),
            rejected=tuple(rejected),
            input_tokens=answer.input_tokens,
            output_tokens=answer.output_tokens,
            cost=answer.cost,
        )

    def _reason_against(self, entry: object, kind: Kind) -> str | None:
        reason = fault(entry, kind, english=self._english)
        if reason is not None:
            return reason
        if self._seen.is_near(str(entry)):
            return "near duplicate"
        return "near the other split" if self._seen.is_near_other_split(str(entry)) else None


def _of_kind(instructions: InstructionSet, kind: Kind) -> tuple[Phrasing, ...]:
    return instructions.of(kind.task, label_set=kind.label_set)
