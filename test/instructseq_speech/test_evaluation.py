"""When a spoken command counts as understood, and the numbers that are reported."""

import json

import pytest

from instructseq_model.perception import Task
from instructseq_speech.corpus import PHRASINGS, config_folder, read_phrasings
from instructseq_speech.errors import SpeechError
from instructseq_speech.evaluation import SpokenCommand, Trial, Voice, holds, read_commands, score, try_commands
from instructseq_speech.recogniser import Heard
from instructseq_speech.report import markdown, scores_by_group, write_json


def trial(said, heard, *, keep=(), confidence=0.9, routed=True, trained=True):
    command = SpokenCommand(say=said, task=Task.DETECTION, keep=keep, trained=trained)
    return Trial(
        command=command,
        voice=Voice(name="en-us"),
        heard=heard,
        confidence=confidence,
        routed=routed,
        intact=holds(heard, keep),
        speech_seconds=2.0,
        recognition_seconds=0.5,
    )


def test_words_must_arrive_unbroken():
    assert holds("mark the red mug in green", ("red mug", "green"))
    assert not holds("mark the red big mug in green", ("red mug",))
    assert not holds("find the mugs", ("mug",))


def test_spellings_of_one_word_are_equal():
    assert holds("the gray tv", ("grey television",))


def test_scores_match_a_count_by_hand():
    pytest.importorskip("jiwer")
    trials = [
        trial("find the mug", "find the mug", keep=("mug",)),
        trial("find the red mug", "find the bed mug", keep=("red mug",)),
        trial("find the bowl", "find the bowl", keep=("bowl",), routed=False),
        trial("find the cup", "find the cup", keep=("cup",), confidence=0.1),
    ]
    found = score(trials, threshold=0.5)
    assert found.word_error_rate == pytest.approx(1 / 13)
    assert (found.routed, found.intact) == (0.75, 0.75)
    assert (found.success, found.wrongly_obeyed, found.asked_back) == (0.25, 0.5, 0.25)
    assert found.real_time == pytest.approx(0.25)


def test_the_report_has_a_row_a_recogniser_and_group(tmp_path):
    pytest.importorskip("jiwer")
    trials = [trial("find it", "find it"), trial("seek it", "sick it", trained=False)]
    groups = scores_by_group(trials, threshold=0.3)
    assert list(groups) == ["all", "known phrasings", "new phrasings", "en-us, 140 words/min"]
    table = markdown({"ears": groups}).splitlines()
    assert table[2].startswith("| ears | all | 2 | 25 | 100 | 100 | 100 | 0 | 0 | 0.25 |")
    write_json(tmp_path / "out" / "hearing.json", {"ears": trials}, threshold=0.3)
    assert json.loads((tmp_path / "out" / "hearing.json").read_text())["ears"]["trials"][1]["heard"] == "sick it"


def test_more_than_fifty_commands_of_all_tasks_are_said():
    config = config_folder()
    known = set(read_phrasings(config / PHRASINGS))
    commands = read_commands(config / "speech" / "commands.yaml", known=known)
    assert len({command.say for command in commands}) >= 60
    assert {command.task for command in commands} == set(Task)
    assert sum(command.trained for command in commands) >= 25
    assert sum(not command.trained for command in commands) >= 25
    assert all(holds(command.say, command.keep) for command in commands)


def test_a_list_that_is_none_is_refused(tmp_path):
    (tmp_path / "commands.yaml").write_text("- {say: 1}")
    with pytest.raises(SpeechError, match=r"commands\.yaml"):
        read_commands(tmp_path / "commands.yaml", known=())


def test_commands_are_said_with_every_voice(say):
    class Ears:
        def recognise(self, samples):
            return Heard(text="find the mug", confidence=len(samples) / 1e6)

    command = SpokenCommand(say="find the mug", task=Task.DETECTION, keep=("mug",), trained=True)
    voices = (Voice(name="en-us"), Voice(name="en-gb", words_per_minute=100, snr_db=10))
    fast, slow = try_commands(Ears(), [command], voices, route=lambda text: Task.DETECTION)
    assert fast.understood
    assert slow.understood
    assert slow.speech_seconds > fast.speech_seconds > 1
