"""Whether an utterance is meant for the robot, and what it asks for: wake word, button, threshold, "stop"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from instructseq_speech.corpus import spoken_words
from instructseq_speech.errors import SpeechError
from instructseq_speech.recogniser import Heard


class Activation(str, Enum):
    """When the robot listens."""

    ALWAYS = "always"
    WAKE_WORD = "wake_word"
    PUSH_TO_TALK = "push_to_talk"


class Outcome(str, Enum):
    """What becomes of an utterance."""

    ACCEPTED = "accepted"
    STOP = "stop"
    UNSURE = "unsure"
    NOT_ADDRESSED = "not_addressed"
    AWAKE = "awake"
    NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class Manners:
    """How the robot listens.

    Attributes:
        activation: when.
        wake_words: phrases that address the robot.
        awake_seconds: after a wake word alone, the next utterance within this time is a command.
        threshold: least confidence of a command, in [0, 1].
        stop_words: commands that end the standing instruction.
    """

    activation: Activation = Activation.ALWAYS
    wake_words: tuple[str, ...] = ("hey robot",)
    awake_seconds: float = 8.0
    threshold: float = 0.3
    stop_words: tuple[str, ...] = ("stop", "stop it", "stop please", "cancel", "never mind", "that is enough")

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            SpeechError: a value out of range, or a wake word that is none.
        """
        if not 0 <= self.threshold <= 1:
            raise SpeechError(f"the confidence threshold must lie in [0, 1], got {self.threshold}")
        if not 0 < self.awake_seconds <= 600:
            raise SpeechError(f"awake_seconds must lie in (0, 600], got {self.awake_seconds}")
        if self.activation is Activation.WAKE_WORD and not all(
            spoken_words(phrase) for phrase in self.wake_words or ("",)
        ):
            raise SpeechError("waking needs a wake word, such as 'hey robot': give one")


@dataclass(frozen=True, kw_only=True)
class Command:
    """What an utterance came to.

    Attributes:
        outcome: what becomes of it.
        text: the words without the wake word.
        confidence: the recogniser's, in [0, 1].
        reply: what the robot may say; empty where it better keeps silent.
    """

    outcome: Outcome
    text: str
    confidence: float
    reply: str

    @property
    def instruction(self) -> str | None:
        """What to publish as instruction: the words, the empty text for "stop", None for nothing."""
        return {Outcome.ACCEPTED: self.text, Outcome.STOP: ""}.get(self.outcome)


class Attention:
    """Judges one utterance after the other.

    Args:
        manners: how the robot listens.
        clock: seconds that never go back.
    """

    def __init__(self, manners: Manners, *, clock: Callable[[], float]) -> None:
        self._manners = manners
        self._clock = clock
        self._awake_until = float("-inf")
        # Longest first: "hey robot" before "hey".
        wakes = sorted((spoken_words(phrase) for phrase in manners.wake_words), key=len, reverse=True)
        self._wakes = [words for words in wakes if words]
        self._stops = [spoken_words(phrase) for phrase in manners.stop_words]

    def judge(self, heard: Heard, *, held: bool = False) -> Command:
        """What to do about an utterance.

        Args:
            heard: the recogniser's words.
            held: whether the talk button was held: then no wake word is needed.
        """
        words, woken = self._without_wake_word(spoken_words(heard.text))
        addressed = held or self._is_addressed(woken)
        text = " ".join(words)
        if not addressed:
            return Command(outcome=Outcome.NOT_ADDRESSED, text=text, confidence=heard.confidence, reply="")
        if not words:
            return self._no_words(heard, woken=woken)
        self._awake_until = float("-inf")
        return self._command(words, heard.confidence)

    def _is_addressed(self, woken: bool) -> bool:
        if self._manners.activation is Activation.WAKE_WORD:
            return woken or self._clock() < self._awake_until
        return self._manners.activation is Activation.ALWAYS

    def _no_words(self, heard: Heard, *, woken: bool) -> Command:
        if not woken:
            return Command(outcome=Outcome.NOTHING, text="", confidence=heard.confidence, reply="")
        self._awake_until = self._clock() + self._manners.awake_seconds
        return Command(outcome=Outcome.AWAKE, text="", confidence=heard.confidence, reply="Yes?")

    def _command(self, words: list[str], confidence: float) -> Command:
        text = " ".join(words)
        outcome, reply = Outcome.ACCEPTED, f"I heard: {text}."
        if words in self._stops:  # a stop is cheap to obey and costly to miss
            outcome, reply = Outcome.STOP, "I stop."
        elif confidence < self._manners.threshold:
            outcome, reply = Outcome.UNSURE, f"Sorry, did you say: {text}?"
        return Command(outcome=outcome, text=text, confidence=confidence, reply=reply)

    def _without_wake_word(self, words: list[str]) -> tuple[list[str], bool]:
        for wake in self._wakes:
            if words[: len(wake)] == wake:
                return words[len(wake) :], True
        return words, False
