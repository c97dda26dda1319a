"""PocketSphinx with its bundled English sounds: the recogniser that needs no download.

Its bundled language model is of general English and gets most commands wrong; the one that is built here from what
people say to the robot (`corpus.py`) hears known phrasings well. docs/listen.md has the numbers of both.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from instructseq_speech.corpus import (
    FILE,
    PHRASINGS,
    SpokenEnglish,
    config_folder,
    read_english,
    read_phrasings,
    sentences,
    spoken_words,
)
from instructseq_speech.errors import SpeechError
from instructseq_speech.ngram import count_ngrams, write_arpa
from instructseq_speech.recogniser import RATE, Heard, Samples

SENTENCES_EACH = 12
"""Sentences made of a phrasing: enough that every thing and relation is met often, in a second or two."""

SEED = 0

BEAMS = {"beam": 1e-60, "wbeam": 1e-40, "pbeam": 1e-60}
"""Wider than PocketSphinx's own: commands are short, and fewer right words are lost on the way."""

WORD_INSERTION = 0.3
"""Probability of a further word, half of PocketSphinx's own: a long word is not heard as several short ones."""

LEAST = 1e-12
"""Least probability of a word, so that it has a logarithm."""

Dictionary = Mapping[str, Sequence[str]]
"""Word -> its pronunciations in ARPAbet."""


@dataclass(frozen=True, kw_only=True)
class DomainModel:
    """A language model of what people say to the robot.

    Attributes:
        config: the folder `config` with speech/english.yaml and instructions/train.
        wake_words: phrases that commands may begin with; they need pronunciations.
        each: sentences made of a phrasing.
    """

    config: Path = field(default_factory=config_folder)
    wake_words: tuple[str, ...] = ()
    each: int = SENTENCES_EACH

    def write(self, folder: Path, dictionary: Dictionary) -> tuple[Path, Path]:
        """Count the model; returns the files of the language model (ARPA) and of its dictionary.

        Sentences with a word that has no pronunciation are left out: the instruction set has misspellings.

        Raises:
            SpeechError: the configuration cannot be read, or a wake word has no pronunciation.
        """
        english = read_english(self.config / FILE)
        spoken = {**dictionary, **{word: (sounds,) for word, sounds in english.pronunciations.items()}}
        unknown = sorted({word for phrase in self.wake_words for word in spoken_words(phrase)} - set(spoken))
        if unknown:
            raise SpeechError(
                f"nobody knows how to pronounce {', '.join(unknown)}: choose another wake word, or add "
                f"its pronunciation to {self.config / FILE}"
            )
        model = count_ngrams(self._sentences(english, spoken))
        write_arpa(model, folder / "commands.arpa")
        _write_dictionary({word: spoken[word] for word in model.words}, folder / "commands.dict")
        return folder / "commands.arpa", folder / "commands.dict"

    def _sentences(self, english: SpokenEnglish, spoken: Dictionary) -> Iterable[list[str]]:
        phrasings = read_phrasings(self.config / PHRASINGS)
        said = sentences(phrasings, english, each=self.each, seed=SEED, prefixes=self.wake_words)
        known = set(spoken)
        return (words for words in said if words and known.issuperset(words))


class SphinxRecogniser:
    """PocketSphinx.

    Args:
        domain: what to expect; None takes the bundled model of general English.

    Raises:
        SpeechError: pocketsphinx is not installed, or the domain cannot be used.
    """

    def __init__(self, *, domain: DomainModel | None) -> None:
        try:
            from pocketsphinx import Decoder, get_model_path
        except ImportError:
            raise SpeechError(
                "pocketsphinx is not installed: pip install 'instructseq[speech]', or choose another recogniser"
            ) from None
        options: dict[str, Any] = {"samprate": RATE, "loglevel": "FATAL", "wip": WORD_INSERTION, **BEAMS}
        if domain is None:
            self._decoder = Decoder(**options)
            return
        dictionary = _read_dictionary(Path(get_model_path("en-us/cmudict-en-us.dict")))
        with tempfile.TemporaryDirectory(prefix="instructseq-speech-") as folder:
            language, words = domain.write(Path(folder), dictionary)
            self._decoder = Decoder(lm=str(language), dict=str(words), **options)

    def recognise(self, samples: Samples) -> Heard:
        """The words; the confidence is the geometric mean of the words' posterior probabilities."""
        self._decoder.start_utt()
        self._decoder.process_raw(samples.tobytes(), full_utt=True)
        self._decoder.end_utt()
        if self._decoder.hyp() is None:
            return Heard(text="", confidence=0.0)
        words, logarithms = [], []
        for segment in self._decoder.seg():
            if not segment.word.startswith(("<", "[", "++")):
                words.append(segment.word.split("(")[0])
                logarithms.append(math.log(max(LEAST, segment.prob)))
        sure = math.exp(sum(logarithms) / len(words)) if words else 0.0
        return Heard(text=" ".join(words), confidence=min(1.0, sure))


def _read_dictionary(file: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        word, _, sounds = line.partition(" ")
        found.setdefault(word.split("(")[0], []).append(sounds.strip())
    return found


def _write_dictionary(entries: Dictionary, file: Path) -> None:
    lines = [
        f"{word if number == 1 else f'{word}({number})'} {sounds}"
        for word, several in entries.items()
        for number, sounds in enumerate(several, start=1)
    ]
    file.write_text("\n".join([*lines, ""]), encoding="utf-8")
