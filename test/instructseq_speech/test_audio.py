"""Sound from files and messages, whatever its rate, width and channels."""

import wave
from types import SimpleNamespace

import numpy as np
import pytest

from instructseq_speech.audio import read_wav, to_recogniser
from instructseq_speech.audio_messages import AUDIO_TYPES, audio_type, message_samples
from instructseq_speech.errors import SpeechError
from instructseq_speech.recogniser import RATE


def tone(rate, *, hertz=440.0, seconds=0.5):
    return 8000 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


def write(file, samples, *, rate, width=2, channels=1):
    with wave.open(str(file), "wb") as opened:
        opened.setnchannels(channels)
        opened.setsampwidth(width)
        opened.setframerate(rate)
        opened.writeframes(samples.tobytes())


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
def test_another_rate_gives_the_same_tone(rate):
    changed = to_recogniser(np.rint(tone(rate)).astype(np.int16), rate=rate)
    expected = tone(RATE)
    middle = slice(800, -800)  # the filter rings at the ends
    assert len(changed) == pytest.approx(len(expected), abs=2)
    length = min(len(changed), len(expected))
    assert np.abs(changed[:length][middle] - expected[:length][middle]).max() < 150


@pytest.mark.parametrize(("width", "kind", "scale", "shift"), [(1, np.uint8, 1 / 256, 128), (4, np.int32, 65536, 0)])
def test_other_widths_are_read(tmp_path, width, kind, scale, shift):
    write(tmp_path / "a.wav", (tone(RATE) * scale + shift).astype(kind), rate=RATE, width=width)
    assert np.abs(read_wav(tmp_path / "a.wav") - tone(RATE)).max() <= 256


def test_channels_are_mixed(tmp_path):
    pair = np.stack([tone(RATE), -tone(RATE)], axis=1).astype(np.int16)
    write(tmp_path / "a.wav", pair, rate=RATE, channels=2)
    assert np.abs(read_wav(tmp_path / "a.wav")).max() <= 1


@pytest.mark.parametrize("data", [b"", b"RIFF", b"RIFF\x00\x00\x00\x00WAVEfmt ", bytes(1000)])
def test_what_is_no_sound_is_refused(tmp_path, data):
    (tmp_path / "a.wav").write_bytes(data)
    with pytest.raises(SpeechError, match="convert it"):
        read_wav(tmp_path / "a.wav")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SpeechError, match="no file"):
        read_wav(tmp_path / "a.wav")


def test_an_absurd_rate_is_refused():
    with pytest.raises(SpeechError, match="4000 to 192000"):
        to_recogniser(np.zeros(10, np.int16), rate=1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("std_msgs/msg/Int16MultiArray", SimpleNamespace(data=[1, -2, 300])),
        ("std_msgs/msg/UInt8MultiArray", SimpleNamespace(data=np.array([1, -2, 300], "<i2").tobytes() + b"x")),
        ("audio_common_msgs/msg/AudioData", SimpleNamespace(data=np.array([1, -2, 300], "<i2").tobytes())),
        (
            "audio_common_msgs/msg/AudioDataStamped",
            SimpleNamespace(audio=SimpleNamespace(data=np.array([1, -2, 300], "<i2").tobytes())),
        ),
    ],
)
def test_every_message_type_gives_its_samples(name, message):
    assert message_samples(message, AUDIO_TYPES[name], rate=RATE, channels=1).tolist() == [1, -2, 300]


def test_interleaved_channels_are_mixed_and_a_broken_frame_left_out():
    message = SimpleNamespace(data=[10, 20, 30, 40, 50])
    samples = message_samples(message, AUDIO_TYPES["std_msgs/msg/Int16MultiArray"], rate=RATE, channels=2)
    assert samples.tolist() == [15, 35]


def test_a_type_that_is_not_installed_says_what_to_use_instead():
    with pytest.raises(SpeechError, match="AudioData"):
        audio_type("some_msgs/msg/Sound")
