"""Where sound comes from."""

import sys
import types
import wave

import numpy as np
import pytest

from instructseq_speech.errors import SpeechError
from instructseq_speech.recogniser import RATE
from instructseq_speech.sources import (
    CHUNK,
    ROOM_NOISE,
    ROOM_SECONDS,
    WAITING_CHUNKS,
    MicrophoneSource,
    WavSource,
)


def test_a_file_comes_in_pieces_and_whole(tmp_path):
    samples = np.arange(4000, dtype=np.int16) + np.int16(28000)
    with wave.open(str(tmp_path / "a.wav"), "wb") as opened:
        opened.setparams((1, 2, 16000, 0, "NONE", ""))
        opened.writeframes(samples.tobytes())
    pieces = list(WavSource(tmp_path / "a.wav").chunks())
    before = round(ROOM_SECONDS * RATE)
    assert {len(piece) for piece in pieces[:-1]} == {CHUNK}
    heard = np.concatenate(pieces).astype(np.int64)
    assert len(heard) == before + 4000 + before
    np.testing.assert_allclose(heard[before:-before], samples, atol=6 * ROOM_NOISE)
    assert heard.max() <= 32767  # what is loud stays loud
    for silence in (heard[:before], heard[-before:]):
        assert np.std(silence) == pytest.approx(ROOM_NOISE, rel=0.1)


def test_no_word_of_a_file_that_a_program_made_is_lost(tmp_path):
    """It begins and ends with a word, in digital silence; without the room's noise, "all" was heard of this one."""
    import subprocess

    from instructseq_speech import espeak
    from instructseq_speech.recognisers import RecogniserOptions, make_recogniser
    from instructseq_speech.utterances import UtteranceCutter

    pytest.importorskip("pocketsphinx", reason="pip install 'instructseq[speech]'")
    if not espeak.is_installed():
        pytest.skip("espeak-ng is not installed: apt-get install espeak-ng")
    subprocess.run([espeak.PROGRAM, "-w", str(tmp_path / "command.wav"), "mark the red mug"], check=True)
    cutter = UtteranceCutter()
    found = [one for chunk in WavSource(tmp_path / "command.wav").chunks() for one in cutter.feed(chunk)]
    (utterance,) = found + cutter.flush()
    heard = make_recogniser("pocketsphinx", RecogniserOptions()).recognise(utterance.samples)
    assert heard.text == "mark the red mug"


class Stream:
    """Stands for PortAudio, which needs a sound card."""

    def __init__(self, *, device, callback, **options):
        if device == "nowhere":
            raise ValueError("No input device matching 'nowhere'")
        self.callback, self.options = callback, options
        Stream.newest = self

    def start(self):
        pass

    def close(self):
        pass


@pytest.fixture
def sounddevice(monkeypatch):
    module = types.SimpleNamespace(InputStream=Stream, PortAudioError=OSError)
    monkeypatch.setitem(sys.modules, "sounddevice", module)


def test_the_microphone_gives_what_it_hears_until_it_is_closed(sounddevice):
    source = MicrophoneSource()
    Stream.newest.callback(np.array([[1], [2]], np.int16), 2, None, None)
    source.close()
    assert [piece.tolist() for piece in source.chunks()] == [[1, 2]]
    assert Stream.newest.options["samplerate"] == 16000


def test_when_nobody_reads_the_oldest_sound_is_dropped(sounddevice):
    source = MicrophoneSource()
    for number in range(WAITING_CHUNKS + 5):
        Stream.newest.callback(np.array([[number]], np.int16), 1, None, None)
    source.close()
    kept = [int(piece[0]) for piece in source.chunks()]
    assert kept == list(range(6, WAITING_CHUNKS + 5))


def test_a_microphone_that_is_not_there_is_named(sounddevice):
    with pytest.raises(SpeechError, match="nowhere"):
        MicrophoneSource("nowhere")


def test_without_sounddevice_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(SpeechError, match="pip install"):
        MicrophoneSource()


def test_on_a_machine_without_sound_the_message_says_what_to_do():
    """The real library, where it is: either PortAudio is missing, or a microphone, or it opens."""
    with pytest.raises(SpeechError, match=r"libportaudio2|--device|pip install"):
        MicrophoneSource("a microphone that nobody has")
