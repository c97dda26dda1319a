"""Where sound comes from, apart from ROS topics: a WAV file or a microphone."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from instructseq_speech.audio import read_wav
from instructseq_speech.errors import SpeechError
from instructseq_speech.recogniser import RATE, Samples

CHUNK = RATE // 10
"""Samples handed on at a time: a tenth of a second."""

WAITING_CHUNKS = 100
"""Ten seconds of sound may wait for the recogniser; then the oldest is dropped."""

ROOM_SECONDS, ROOM_NOISE = 0.4, 30.0
"""Faint noise (its standard deviation) under a file, and so long before and after it. Files made by programs begin and
end with a word, in digital silence; detectors and recognisers expect a microphone, and lose the words at both ends."""


class Source(Protocol):
    """Gives sound until it ends or is closed."""

    def chunks(self) -> Iterator[Samples]:
        """Samples at `RATE`, a piece at a time; blocks until there are some."""
        ...

    def close(self) -> None:
        """Make `chunks` end soon."""
        ...


class WavSource:
    """A WAV file from beginning to end, as a microphone in a quiet room would hear it.

    Args:
        file: see `read_wav`.

    Raises:
        SpeechError: it cannot be read.
    """

    def __init__(self, file: Path) -> None:
        self._samples = _in_a_room(read_wav(file))
        self._closed = False

    def chunks(self) -> Iterator[Samples]:
        """All of it."""
        for start in range(0, len(self._samples), CHUNK):
            if self._closed:
                return
            yield self._samples[start : start + CHUNK]

    def close(self) -> None:
        """End at the next piece."""
        self._closed = True


def _in_a_room(samples: Samples) -> Samples:
    """Add the faint noise of a room, the same every time.

    Args:
        samples: N, int16.

    Returns:
        N + 2 * ROOM_SECONDS * RATE, int16.
    """
    sound = np.pad(samples.astype(np.float64), round(ROOM_SECONDS * RATE))
    noise = np.random.default_rng(0).normal(0, ROOM_NOISE, len(sound))
    return np.rint(sound + noise).clip(-32768, 32767).astype(np.int16)


class MicrophoneSource:
    """A microphone, by PortAudio.

    Args:
        device: part of its name, or its number; None takes the system's default.

    Raises:
        SpeechError: sounddevice or PortAudio is not installed, or there is no such microphone.
    """

    def __init__(self, device: str | None = None) -> None:
        try:
            import sounddevice
        except ImportError:
            raise SpeechError("a microphone needs sounddevice: pip install 'instructseq[speech]'") from None
        except OSError:
            raise SpeechError(
                "a microphone needs PortAudio: apt-get install libportaudio2; WAV files and topics do without"
            ) from None
        self._waiting: queue.Queue[Samples | None] = queue.Queue(WAITING_CHUNKS)
        chosen = int(device) if device is not None and device.isdigit() else device
        try:
            self._stream: Any = sounddevice.InputStream(
                samplerate=RATE, blocksize=CHUNK, channels=1, dtype="int16", device=chosen, callback=self._take
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            raise SpeechError(
                f"the microphone cannot be opened ({error}): name another with --device; "
                "`python -m sounddevice` lists what there is"
            ) from None

    def chunks(self) -> Iterator[Samples]:
        """What the microphone hears."""
        while (samples := self._waiting.get()) is not None:
            yield samples

    def close(self) -> None:
        """Stop listening."""
        self._stream.close()
        self._offer(None)

    def _take(self, data: Any, frames: int, when: Any, status: Any) -> None:
        self._offer(np.array(data[:, 0], np.int16))

    def _offer(self, samples: Samples | None) -> None:
        while True:
            try:
                return self._waiting.put_nowait(samples)
            except queue.Full:
                try:
                    self._waiting.get_nowait()
                except queue.Empty:  # the reader was faster
                    continue
