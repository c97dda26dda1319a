"""Sound as samples: WAV files, and other rates and channels brought to those of the recognisers."""

from __future__ import annotations

import wave
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructseq_speech.errors import SpeechError
from instructseq_speech.recogniser import RATE, Samples

LONGEST_SECONDS = 3600
RATES = (4000, 192000)
_KINDS: dict[int, Any] = {1: np.uint8, 2: np.int16, 4: np.int32}


def read_wav(file: Path) -> Samples:
    """The samples of a WAV file, mixed to one channel and brought to `RATE`.

    Args:
        file: PCM of 8, 16 or 32 bits, at most an hour.

    Raises:
        SpeechError: there is no such file, or it is no such WAV.
    """
    try:
        with wave.open(str(file), "rb") as opened:
            width, channels, rate = opened.getsampwidth(), opened.getnchannels(), opened.getframerate()
            if opened.getnframes() > LONGEST_SECONDS * max(1, rate):
                raise SpeechError(f"{file} is longer than an hour: cut it")
            data = opened.readframes(opened.getnframes())
    except FileNotFoundError:
        raise SpeechError(f"there is no file {file}: check the path") from None
    except (OSError, EOFError, wave.Error) as error:
        raise SpeechError(f"{file} is no WAV that can be read ({error}): convert it to PCM with 16 bits") from None
    if width not in _KINDS:
        raise SpeechError(f"{file} has {8 * width} bits a sample: convert it to PCM with 16 bits")
    frame = width * channels
    raw = np.frombuffer(data[: len(data) // frame * frame], dtype=_KINDS[width]).reshape(-1, channels)  # N x channels
    return to_recogniser(_as_16_bits(raw), rate=rate)


def to_recogniser(samples: NDArray[np.int16], *, rate: int) -> Samples:
    """Samples of one or several channels, mixed to one and brought to `RATE`.

    Args:
        samples: N, or N x channels.
        rate: theirs, per second, 4000 to 192000.

    Raises:
        SpeechError: the rate is outside that range.
    """
    if not RATES[0] <= rate <= RATES[1]:
        raise SpeechError(f"{rate} samples a second cannot be used: give {RATES[0]} to {RATES[1]}, best {RATE}")
    mono = samples if samples.ndim == 1 else np.rint(samples.astype(np.float64).mean(axis=1))  # N
    if rate == RATE or not len(mono):
        return mono.astype(np.int16)
    from scipy.signal import resample_poly  # takes half a second to import

    common = gcd(rate, RATE)
    changed = resample_poly(mono.astype(np.float64), RATE // common, rate // common)
    return np.rint(changed).clip(-32768, 32767).astype(np.int16)


def _as_16_bits(raw: NDArray[Any]) -> NDArray[np.int16]:
    if raw.dtype == np.uint8:
        return (raw.astype(np.int16) - 128) * np.int16(256)
    if raw.dtype == np.int32:
        return (raw >> 16).astype(np.int16)
    return raw.astype(np.int16)
