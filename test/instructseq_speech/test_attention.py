"""Whether the robot was meant, and what it does then."""

import pytest

from instructseq_speech.attention import Activation, Attention, Manners, Outcome
from instructseq_speech.errors import SpeechError
from instructseq_speech.recogniser import Heard


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def heard(text, confidence=0.9):
    return Heard(text=text, confidence=confidence)


def attention(clock, activation=Activation.ALWAYS, **manners):
    return Attention(Manners(activation=activation, **manners), clock=clock)


def test_a_command_becomes_an_instruction_and_is_repeated(clock):
    command = attention(clock).judge(heard("mark the red mug"))
    assert (command.outcome, command.instruction) == (Outcome.ACCEPTED, "mark the red mug")
    assert command.reply == "I heard: mark the red mug."


def test_an_unsure_command_is_asked_back(clock):
    command = attention(clock, threshold=0.5).judge(heard("mark the red mug", 0.49))
    assert (command.outcome, command.instruction) == (Outcome.UNSURE, None)
    assert command.reply == "Sorry, did you say: mark the red mug?"


def test_stop_is_obeyed_however_unsure(clock):
    command = attention(clock).judge(heard("stop", 0.01))
    assert (command.outcome, command.instruction) == (Outcome.STOP, "")


def test_without_its_name_the_robot_does_nothing(clock):
    command = attention(clock, Activation.WAKE_WORD).judge(heard("mark the red mug"))
    assert (command.outcome, command.instruction, command.reply) == (Outcome.NOT_ADDRESSED, None, "")


def test_the_wake_word_is_cut_off(clock):
    judged = attention(clock, Activation.WAKE_WORD, wake_words=("robot", "hey robot")).judge(heard("hey robot find it"))
    assert judged.instruction == "find it"


def test_after_the_wake_word_alone_one_command_follows(clock):
    listening = attention(clock, Activation.WAKE_WORD, awake_seconds=8.0)
    assert listening.judge(heard("hey robot")).outcome is Outcome.AWAKE
    clock.now += 7.9
    assert listening.judge(heard("find the mug")).instruction == "find the mug"
    assert listening.judge(heard("find the bowl")).outcome is Outcome.NOT_ADDRESSED


def test_the_robot_does_not_stay_awake(clock):
    listening = attention(clock, Activation.WAKE_WORD, awake_seconds=8.0)
    listening.judge(heard("hey robot"))
    clock.now += 8.1
    assert listening.judge(heard("find the mug")).outcome is Outcome.NOT_ADDRESSED


def test_with_a_button_only_what_is_said_while_it_is_held_counts(clock):
    listening = attention(clock, Activation.PUSH_TO_TALK)
    assert listening.judge(heard("find the mug")).outcome is Outcome.NOT_ADDRESSED
    assert listening.judge(heard("find the mug"), held=True).instruction == "find the mug"


def test_no_words_are_no_command(clock):
    assert attention(clock).judge(heard("")).outcome is Outcome.NOTHING


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 1.1},
        {"awake_seconds": 0},
        {"activation": Activation.WAKE_WORD, "wake_words": ()},
        {"activation": Activation.WAKE_WORD, "wake_words": ("hey", "?")},
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(SpeechError):
        Manners(**wrong)
