"""Where an utterance begins and ends."""

import numpy as np
import pytest

from instructseq_speech.recogniser import RATE
from instructseq_speech.utterances import LONGEST_SECONDS, UtteranceCutter

pytest.importorskip("pocketsphinx", reason="pip install 'instructseq[speech]'")


def quiet(seconds):
    return np.random.default_rng(0).normal(0, 20, round(seconds * RATE)).astype(np.int16)


def feed(cutter, sound, *, piece=1000):
    return [found for at in range(0, len(sound), piece) for found in cutter.feed(sound[at : at + piece])]


def test_two_sentences_with_a_pause_are_two_utterances(say):
    first, second = say("find the mug"), say("describe the picture")
    found = feed(UtteranceCutter(), np.concatenate([quiet(1), first, quiet(1), second, quiet(1)]))
    assert len(found) == 2
    assert found[0].start == pytest.approx(1.4, abs=0.35)
    assert found[1].start == pytest.approx(1 + len(first) / RATE + 1.4, abs=0.35)
    assert found[0].seconds == pytest.approx(len(first) / RATE, abs=0.7)


def test_silence_is_no_utterance():
    cutter = UtteranceCutter()
    assert feed(cutter, quiet(3)) + cutter.flush() == []


def test_what_is_being_said_at_the_end_is_not_lost(say):
    cutter = UtteranceCutter()
    sound = say("find the mug")[: round(0.9 * RATE)]
    assert feed(cutter, sound) == []
    assert len(cutter.flush()) == 1


def test_all_between_press_and_release_is_one_utterance():
    cutter = UtteranceCutter()
    cutter.hold()
    sound = quiet(2)
    assert feed(cutter, sound) == []
    (found,) = cutter.release()
    assert found.held
    np.testing.assert_array_equal(found.samples, sound)


def test_a_short_press_and_a_release_without_press_are_nothing():
    cutter = UtteranceCutter()
    assert cutter.release() == []
    cutter.hold()
    feed(cutter, quiet(0.1))
    assert cutter.release() == []


def test_a_button_that_sticks_does_not_fill_the_memory():
    cutter = UtteranceCutter()
    cutter.hold()
    (found,) = feed(cutter, quiet(LONGEST_SECONDS + 1))
    assert found.seconds == pytest.approx(LONGEST_SECONDS, abs=0.1)


def test_noise_without_end_is_cut(say):
    sound = np.tile(say("find the mug")[8000:-8000], 40)
    found = feed(UtteranceCutter(), sound)
    assert max(utterance.seconds for utterance in found) <= LONGEST_SECONDS
