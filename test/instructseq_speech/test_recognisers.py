"""Recognisers: PocketSphinx on spoken commands; the others as far as it goes without their models."""

import sys

import pytest

from instructseq_speech.errors import SpeechError
from instructseq_speech.recognisers import RECOGNISERS, RecogniserOptions, make_recogniser
from instructseq_speech.vosk import read_result


@pytest.mark.parametrize(
    "words", ["segment everything", "put a box around the teddy bear", "hey robot label every pixel"]
)
def test_a_command_is_heard(say, commands_recogniser, words):
    heard = commands_recogniser.recognise(say(words))
    assert heard.text == words
    assert heard.confidence > 0.3


def test_noise_is_not_surely_a_command(commands_recogniser):
    import numpy as np

    noise = np.random.default_rng(0).normal(0, 500, 32000).astype(np.int16)
    heard = commands_recogniser.recognise(noise)
    assert not heard.text or heard.confidence < 0.3


def test_the_same_sound_is_heard_the_same_twice(say, commands_recogniser):
    sound = say("put a box around the teddy bear")
    first, second = commands_recogniser.recognise(sound), commands_recogniser.recognise(sound)
    assert first.text == second.text
    # PocketSphinx begins with the sounds that were likely at the end of what it heard before.
    assert first.confidence == pytest.approx(second.confidence, abs=0.1)


def test_a_wake_word_that_nobody_can_pronounce_is_refused():
    pytest.importorskip("pocketsphinx", reason="pip install 'instructseq[speech]'")
    with pytest.raises(SpeechError, match="xqzzt"):
        make_recogniser("pocketsphinx", RecogniserOptions(wake_words=("hey xqzzt",)))


def test_an_unknown_recogniser_is_refused():
    with pytest.raises(SpeechError, match=", ".join(RECOGNISERS)):
        make_recogniser("ears", RecogniserOptions())


@pytest.mark.parametrize("name", ["vosk", "whisper"])
def test_a_model_that_is_no_folder_is_refused(name, tmp_path):
    with pytest.raises(SpeechError, match="--model"):
        make_recogniser(name, RecogniserOptions(model=tmp_path / "nothing"))


@pytest.mark.parametrize(("name", "package"), [("vosk", "vosk"), ("whisper", "faster_whisper")])
def test_a_recogniser_that_is_not_installed_says_what_to_install(name, package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SpeechError, match=rf"instructseq\[{name}\]"):
        make_recogniser(name, RecogniserOptions(model=tmp_path))


def test_whisper_does_not_download_a_model(tmp_path):
    pytest.importorskip("faster_whisper", reason="pip install 'instructseq[whisper]'")
    with pytest.raises(SpeechError, match=r"model\.bin"):
        make_recogniser("whisper", RecogniserOptions(model=tmp_path))


def test_vosks_answer_is_read():
    answer = '{"result": [{"conf": 1.0, "word": "find"}, {"conf": 0.5, "word": "it"}], "text": "find it"}'
    heard = read_result(answer)
    assert (heard.text, heard.confidence) == ("find it", 0.75)
    assert read_result('{"text": ""}').confidence == 0
