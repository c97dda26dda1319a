"""Faster-whisper with a model by path (a folder in CTranslate2's format); its package is an extra."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from instructseq_speech.corpus import spoken_words
from instructseq_speech.errors import SpeechError
from instructseq_speech.recogniser import Heard, Samples

PROMPT = "Mark the red mug in green. Where is the mug left of the laptop? Describe the picture. Segment everything."
"""Said to Whisper beforehand, so that it expects commands."""


class WhisperRecogniser:
    """Faster-whisper on the CPU.

    Args:
        model: the model's folder, with model.bin and tokenizer.json.

    Raises:
        SpeechError: faster-whisper is not installed, or the folder holds no model.
    """

    def __init__(self, *, model: Path) -> None:
        try:
            from faster_whisper import WhisperModel
        except ImportError:
            raise SpeechError(
                "faster-whisper is not installed: pip install 'instructseq[whisper]', or choose pocketsphinx"
            ) from None
        missing = [name for name in ("model.bin", "tokenizer.json") if not (model / name).is_file()]
        if missing:  # given a name in place of a folder, faster-whisper would download
            raise SpeechError(f"{model} lacks {' and '.join(missing)}: give the folder of a model for CTranslate2")
        try:
            self._model = WhisperModel(str(model), device="cpu", compute_type="int8", local_files_only=True)
        except (RuntimeError, ValueError) as error:
            raise SpeechError(f"{model} holds no model that faster-whisper reads ({error}): take another") from None

    def recognise(self, samples: Samples) -> Heard:
        """The words; the confidence is the mean probability of the tokens (geometric), less that there is no speech."""
        sound = samples.astype(np.float32) / 32768  # N, in [-1, 1]
        found, _ = self._model.transcribe(sound, language="en", beam_size=5, initial_prompt=PROMPT, temperature=0.0)
        segments = list(found)
        text = " ".join(spoken_words(" ".join(segment.text for segment in segments)))
        if not text:
            return Heard(text="", confidence=0.0)
        sure = min(math.exp(segment.avg_logprob) * (1 - segment.no_speech_prob) for segment in segments)
        return Heard(text=text, confidence=min(1.0, max(0.0, sure)))
