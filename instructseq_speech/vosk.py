"""Vosk with a model by path (https://alphacephei.com/vosk/models); its package is an extra."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from instructseq_speech.errors import SpeechError
from instructseq_speech.recogniser import RATE, Heard, Samples


class VoskRecogniser:
    """Vosk.

    Args:
        model: the model's folder.

    Raises:
        SpeechError: vosk is not installed, or the folder holds no model.
    """

    def __init__(self, *, model: Path) -> None:
        try:
            # Named at run time: this file has the same last name.
            self._vosk: Any = importlib.import_module("vosk")
        except ImportError:
            raise SpeechError(
                "vosk is not installed: pip install 'instructseq[vosk]', or choose pocketsphinx"
            ) from None
        self._vosk.SetLogLevel(-1)
        try:
            self._model = self._vosk.Model(model_path=str(model))
        except Exception as error:  # vosk raises nothing more particular
            raise SpeechError(f"{model} holds no model of vosk ({error}): unpack one there") from None

    def recognise(self, samples: Samples) -> Heard:
        """The words; the confidence is the mean of the words' own."""
        decoder = self._vosk.KaldiRecognizer(self._model, RATE)
        decoder.SetWords(True)
        decoder.AcceptWaveform(samples.tobytes())
        return read_result(decoder.FinalResult())


def read_result(answer: str) -> Heard:
    """Vosk's answer: JSON with `text` and, where there are words, `result` with `conf` for each."""
    found = json.loads(answer)
    words = found.get("result", [])
    confidence = sum(float(word["conf"]) for word in words) / len(words) if words else 0.0
    return Heard(text=str(found.get("text", "")), confidence=min(1.0, confidence))
