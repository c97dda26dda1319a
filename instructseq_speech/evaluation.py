"""How well spoken commands are understood: word error rate, and whether the instruction still means the same.

A command succeeds when it is accepted, the router reads its task out of the heard words, and the words that say which
object is meant have arrived whole and in order; of a colour to paint in, too. Sentences come from a file like
config/speech/commands.yaml; espeak-ng says them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from instructseq_model.perception import Task
from instructseq_speech.corpus import spoken_words, with_object
from instructseq_speech.errors import SpeechError
from instructseq_speech.espeak import speak
from instructseq_speech.recogniser import RATE, Recogniser

ARTICLES = frozenset({"the", "a", "an"})
SPELLINGS = {"gray": "grey", "color": "colour", "colored": "coloured", "tv": "television"}
"""Words that sound the same or mean the same, by their other spelling."""

Route = Callable[[str], Task]
"""Reads the task out of an instruction."""


@dataclass(frozen=True, kw_only=True)
class SpokenCommand:
    """A sentence to be said.

    Attributes:
        say: its words.
        task: what it asks for.
        keep: words that must arrive, in order: which object, which colour; empty where there is none.
        trained: whether its phrasing is one that the language model was made from.
    """

    say: str
    task: Task
    keep: tuple[str, ...]
    trained: bool


@dataclass(frozen=True, kw_only=True)
class Voice:
    """How it is said; see `espeak.speak`."""

    name: str
    words_per_minute: int = 140
    snr_db: float | None = None

    @property
    def label(self) -> str:
        """Its name in tables."""
        noise = "" if self.snr_db is None else f", noise {self.snr_db:.0f} dB below"
        return f"{self.name}, {self.words_per_minute} words/min{noise}"


VOICES = (
    Voice(name="en-us"),
    Voice(name="en-gb"),
    Voice(name="en-us+m3"),
    Voice(name="en-us+f3"),
    Voice(name="en-us", words_per_minute=175),
    Voice(name="en-us", snr_db=20.0),
)
"""What commands are said with."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One command, said once.

    Attributes:
        confidence: the recogniser's, in [0, 1].
        routed: whether the task is right.
        intact: whether all words to keep arrived.
    """

    command: SpokenCommand
    voice: Voice
    heard: str
    confidence: float
    routed: bool
    intact: bool
    speech_seconds: float
    recognition_seconds: float

    @property
    def understood(self) -> bool:
        """Whether the instruction still means the same."""
        return self.routed and self.intact


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Shares in [0, 1] over trials; the word error rate may exceed 1.

    Attributes:
        wrongly_obeyed: share of all that is accepted at the threshold and not understood.
        asked_back: share that is below the threshold.
        success: share that is accepted and understood.
        real_time: seconds of computing for a second of speech.
    """

    count: int
    word_error_rate: float
    routed: float
    intact: float
    success: float
    wrongly_obeyed: float
    asked_back: float
    real_time: float


def read_commands(file: Path, *, known: Collection[str]) -> tuple[SpokenCommand, ...]:
    """Read the sentences.

    Args:
        file: a list of phrasings with task, object and colour.
        known: the phrasings that the language model was made from.

    Raises:
        SpeechError: the file is missing or not such a list.
    """
    try:
        raw: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        return tuple(_command(entry, trained=entry["phrasing"] in known) for entry in raw)
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise SpeechError(f"cannot read the commands {file} ({error!r}): see config/speech/commands.yaml") from error


def _command(entry: Mapping[str, str], *, trained: bool) -> SpokenCommand:
    thing, colour = entry.get("object", ""), entry.get("colour", "")
    text = with_object(entry["phrasing"], thing).replace("{color}", colour)
    without_article = " ".join(word for word in thing.split()[:1] if word not in ARTICLES)
    keep = (" ".join([without_article, *thing.split()[1:]]).strip(), colour)
    return SpokenCommand(
        say=text, task=Task(entry["task"]), keep=tuple(words for words in keep if words), trained=trained
    )


def try_commands(
    recogniser: Recogniser, commands: Sequence[SpokenCommand], voices: Iterable[Voice], *, route: Route
) -> list[Trial]:
    """Say every command with every voice.

    Args:
        recogniser: listens.
        commands: what is said.
        voices: how.
        route: reads the task out of what was heard.
    """
    return [_try(recogniser, command, voice, route) for voice in voices for command in commands]


def _try(recogniser: Recogniser, command: SpokenCommand, voice: Voice, route: Route) -> Trial:
    samples = speak(command.say, voice=voice.name, words_per_minute=voice.words_per_minute, snr_db=voice.snr_db)
    start = time.perf_counter()
    heard = recogniser.recognise(samples)
    taken = time.perf_counter() - start
    return Trial(
        command=command,
        voice=voice,
        heard=heard.text,
        confidence=heard.confidence,
        routed=bool(heard.text) and route(heard.text) is command.task,
        intact=holds(heard.text, command.keep),
        speech_seconds=len(samples) / RATE,
        recognition_seconds=taken,
    )


def holds(text: str, phrases: Sequence[str]) -> bool:
    """Whether each phrase stands in the text, its words unbroken; spellings of the same word count as equal."""
    words = f" {' '.join(_normal(text))} "
    return all(f" {' '.join(_normal(phrase))} " in words for phrase in phrases)


def score(trials: Sequence[Trial], *, threshold: float) -> Scores:
    """Scores of some trials.

    Args:
        trials: at least one.
        threshold: least confidence that is accepted.

    Raises:
        SpeechError: jiwer is not installed.
    """
    try:
        import jiwer
    except ImportError:
        raise SpeechError("measuring needs jiwer: pip install 'instructseq[speech]'") from None

    said = [" ".join(_normal(trial.command.say)) for trial in trials]
    heard = [" ".join(_normal(trial.heard)) for trial in trials]
    accepted = [trial.confidence >= threshold for trial in trials]
    count = len(trials)
    return Scores(
        count=count,
        word_error_rate=float(jiwer.wer(said, heard)),
        routed=sum(trial.routed for trial in trials) / count,
        intact=sum(trial.intact for trial in trials) / count,
        success=sum(sure and trial.understood for sure, trial in zip(accepted, trials, strict=True)) / count,
        wrongly_obeyed=sum(sure and not trial.understood for sure, trial in zip(accepted, trials, strict=True)) / count,
        asked_back=accepted.count(False) / count,
        real_time=sum(trial.recognition_seconds for trial in trials) / sum(trial.speech_seconds for trial in trials),
    )


def _normal(text: str) -> list[str]:
    return [SPELLINGS.get(word, word) for word in spoken_words(text)]
