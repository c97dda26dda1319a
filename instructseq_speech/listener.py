"""From a stream of sound to commands: utterances are cut, understood and judged."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from instructseq_speech.attention import Activation, Attention, Command, Manners
from instructseq_speech.recogniser import Recogniser, Samples
from instructseq_speech.utterances import Utterance, UtteranceCutter


@dataclass(frozen=True, kw_only=True)
class Reception:
    """One utterance and what it came to.

    Attributes:
        speech_seconds: its length.
        recognition_seconds: that the recogniser took.
    """

    command: Command
    speech_seconds: float
    recognition_seconds: float


class Listener:
    """Takes in sound and tells what was said. Not to be called from two threads at once.

    Args:
        recogniser: makes words of utterances.
        manners: how the robot listens.
        cutter: finds utterances.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        *,
        manners: Manners,
        cutter: UtteranceCutter,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recogniser = recogniser
        self._needs_button = manners.activation is Activation.PUSH_TO_TALK
        self._attention = Attention(manners, clock=clock)
        self._cutter = cutter

    def feed(self, samples: Samples) -> list[Reception]:
        """Take in sound; returns what was said in utterances that ended with it."""
        return self._receive(self._cutter.feed(samples))

    def talk(self, on: bool) -> list[Reception]:
        """The talk button was pressed or released; returns what was said while it was held."""
        if not on:
            return self._receive(self._cutter.release())
        self._cutter.hold()
        return []

    def finish(self) -> list[Reception]:
        """The sound has ended; returns what was being said."""
        return self._receive(self._cutter.flush())

    def _receive(self, utterances: list[Utterance]) -> list[Reception]:
        # What nobody may hear is not even recognised.
        wanted = [utterance for utterance in utterances if utterance.held or not self._needs_button]
        return [self._understand(utterance) for utterance in wanted]

    def _understand(self, utterance: Utterance) -> Reception:
        start = time.perf_counter()
        heard = self._recogniser.recognise(utterance.samples)
        taken = time.perf_counter() - start
        command = self._attention.judge(heard, held=utterance.held)
        return Reception(command=command, speech_seconds=utterance.seconds, recognition_seconds=taken)
