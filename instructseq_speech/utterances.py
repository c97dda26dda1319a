"""Cuts a stream of sound into utterances: what is said between two pauses, or while a button is held."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from instructseq_speech.errors import SpeechError
from instructseq_speech.recogniser import RATE, Samples

LONGEST_SECONDS = 15.0
"""An utterance is cut here, so that noise cannot fill the memory."""

SHORTEST_SECONDS = 0.2
FRAME_SECONDS = 0.03

LATELY, VOICED = 10, 6
"""Speech has begun when so many of the last frames sound like it; a click, or the detector at its start, is shorter."""


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """Something that was said.

    Attributes:
        samples: N, int16.
        start: of the speech, seconds from the start of the stream.
        held: whether a button was held meanwhile.
    """

    samples: Samples
    start: float
    held: bool

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / RATE


class UtteranceCutter:
    """Finds utterances with WebRTC's voice activity detection, which comes with pocketsphinx.

    Args:
        pause: so many seconds of silence end an utterance, 0.2 to 3.
        strictness: of the detection, 0 (takes much for speech) to 3.

    Raises:
        SpeechError: pocketsphinx is not installed.
    """

    def __init__(self, *, pause: float = 0.6, strictness: int = 2) -> None:
        try:
            from pocketsphinx import Vad
        except ImportError:
            raise SpeechError("pocketsphinx is not installed: pip install 'instructseq[speech]'") from None
        self._vad: Any = Vad(mode=strictness, sample_rate=RATE, frame_length=FRAME_SECONDS)
        self._frame = self._vad.frame_bytes // 2
        self._quiet_frames = max(1, round(pause / FRAME_SECONDS))
        self._pending = np.zeros(0, np.int16)
        self._position = 0
        self._held: list[Samples] | None = None
        self._before: deque[Samples] = deque(maxlen=round(0.45 / FRAME_SECONDS))
        self._lately: deque[bool] = deque(maxlen=LATELY)
        self._reset()

    def feed(self, samples: Samples) -> list[Utterance]:
        """Take in sound; returns the utterances that ended with it.

        Args:
            samples: N, int16, at `RATE`; any number.
        """
        if self._held is not None:
            self._position += len(samples)
            self._held.append(samples)
            full = sum(len(part) for part in self._held) >= LONGEST_SECONDS * RATE
            return self.release() if full else []
        self._pending = np.concatenate([self._pending, samples])
        found = []
        while len(self._pending) >= self._frame:
            frame, self._pending = self._pending[: self._frame], self._pending[self._frame :]
            self._position += self._frame
            found += self._take(frame)
        return found

    def hold(self) -> None:
        """A button is pressed: all from now on is one utterance, whatever it sounds like."""
        self._reset()
        self._pending = self._pending[:0]
        if self._held is None:
            self._held = []

    def release(self) -> list[Utterance]:
        """The button is released; returns the utterance, unless it is too short to be one."""
        held, self._held = self._held, None
        return [] if held is None else self._utterance(held, held_down=True)

    def flush(self) -> list[Utterance]:
        """The stream has ended; returns what was being said."""
        found = self.release()
        if self._speech:
            found += self._utterance(self._speech, held_down=False)
        self._reset()
        return found

    def _reset(self) -> None:
        self._speech: list[Samples] = []
        self._quiet = 0
        self._before.clear()
        self._lately.clear()

    def _take(self, frame: Samples) -> list[Utterance]:
        """One frame: silence before, speech, or the pause that ends it."""
        voiced = bool(self._vad.is_speech(frame.tobytes()))
        if not self._speech:
            self._before.append(frame)
            self._lately.append(voiced)
            if sum(self._lately) >= VOICED:
                self._speech = list(self._before)
            return []
        self._speech.append(frame)
        self._quiet = 0 if voiced else self._quiet + 1
        if self._quiet < self._quiet_frames and len(self._speech) * self._frame < LONGEST_SECONDS * RATE:
            return []
        found = self._utterance(self._speech, held_down=False)
        self._reset()
        return found

    def _utterance(self, parts: list[Samples], *, held_down: bool) -> list[Utterance]:
        samples = np.concatenate(parts) if parts else np.zeros(0, np.int16)
        if len(samples) < SHORTEST_SECONDS * RATE:
            return []
        return [Utterance(samples=samples, start=(self._position - len(samples)) / RATE, held=held_down)]
