"""Speech made by the program espeak-ng, to test recognisers with."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from instructseq_speech.audio import read_wav
from instructseq_speech.errors import SpeechError
from instructseq_speech.recogniser import RATE, Samples

PROGRAM = "espeak-ng"
SILENCE_SECONDS = 0.4
ROOM_NOISE = 30.0
"""Standard deviation of the noise under all speech: recognisers do not expect digital silence."""


def is_installed() -> bool:
    """Whether espeak-ng is there."""
    return shutil.which(PROGRAM) is not None


def speak(text: str, *, voice: str = "en-us", words_per_minute: int = 140, snr_db: float | None = None) -> Samples:
    """Say a text, with a little silence before and after and the faint noise of a room.

    Args:
        text: English words.
        voice: one of `espeak-ng --voices=en`, perhaps with a variant such as en-us+f3.
        words_per_minute: 80 to 450.
        snr_db: loudness of the speech above additional white noise, decibels; None adds none. Fixed by the text.

    Raises:
        SpeechError: espeak-ng is not installed, or refuses.
    """
    if not is_installed():
        raise SpeechError("espeak-ng is not installed: apt-get install espeak-ng")
    with tempfile.TemporaryDirectory(prefix="instructseq-speech-") as folder:
        file = Path(folder) / "speech.wav"
        command = [PROGRAM, "-v", voice, "-s", str(words_per_minute), "-w", str(file), text]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode != 0 or not file.is_file():
            raise SpeechError(f"espeak-ng does not say {text!r}: {done.stderr.strip() or 'no reason given'}")
        said = read_wav(file).astype(np.float64)
    quiet = np.zeros(round(SILENCE_SECONDS * RATE))
    sound = np.concatenate([quiet, said, quiet])
    noise = ROOM_NOISE
    if snr_db is not None:
        noise = max(noise, float(np.sqrt(np.mean(said**2))) / 10 ** (snr_db / 20))
    chance = np.random.default_rng(len(text))
    return np.rint(sound + chance.normal(0, noise, len(sound))).clip(-32768, 32767).astype(np.int16)
