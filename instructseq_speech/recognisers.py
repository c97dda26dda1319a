"""The recognisers there are, by name. A further one is a line in `RECOGNISERS` and a file of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from instructseq_speech.errors import SpeechError
from instructseq_speech.recogniser import Recogniser

DEFAULT = "pocketsphinx"


@dataclass(frozen=True, kw_only=True)
class RecogniserOptions:
    """What a recogniser is made from.

    Attributes:
        model: folder of the model; None for recognisers that bring their own.
        wake_words: phrases that must be understood beside commands.
    """

    model: Path | None = None
    wake_words: tuple[str, ...] = ()


def _pocketsphinx(options: RecogniserOptions) -> Recogniser:
    from instructseq_speech.sphinx import DomainModel, SphinxRecogniser

    return SphinxRecogniser(domain=DomainModel(wake_words=options.wake_words))


def _pocketsphinx_general(options: RecogniserOptions) -> Recogniser:
    from instructseq_speech.sphinx import SphinxRecogniser

    return SphinxRecogniser(domain=None)


def _vosk(options: RecogniserOptions) -> Recogniser:
    from instructseq_speech.vosk import VoskRecogniser

    return VoskRecogniser(model=_folder(options, "vosk"))


def _whisper(options: RecogniserOptions) -> Recogniser:
    from instructseq_speech.whisper import WhisperRecogniser

    return WhisperRecogniser(model=_folder(options, "whisper"))


RECOGNISERS: dict[str, Callable[[RecogniserOptions], Recogniser]] = {
    "pocketsphinx": _pocketsphinx,
    "pocketsphinx-general": _pocketsphinx_general,
    "vosk": _vosk,
    "whisper": _whisper,
}
"""Name -> how to make it. `pocketsphinx` expects commands, `pocketsphinx-general` any English."""


def make_recogniser(name: str, options: RecogniserOptions) -> Recogniser:
    """The recogniser of that name.

    Raises:
        SpeechError: there is none, or it cannot be set up.
    """
    if name not in RECOGNISERS:
        raise SpeechError(f"there is no recogniser {name!r}: choose one of {', '.join(RECOGNISERS)}")
    return RECOGNISERS[name](options)


def _folder(options: RecogniserOptions, name: str) -> Path:
    if options.model is None or not options.model.is_dir():
        raise SpeechError(f"{name} needs a model and {options.model} is no folder: unpack one and name it with --model")
    return options.model
