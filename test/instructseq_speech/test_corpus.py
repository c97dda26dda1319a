"""What the recogniser expects: the phrasings with the things of a household in them."""

import re

import pytest

from instructseq_speech.corpus import (
    FILE,
    PHRASINGS,
    config_folder,
    read_english,
    read_phrasings,
    sentences,
    spoken_words,
    with_object,
)
from instructseq_speech.errors import SpeechError

ENGLISH = """
patterns: ["the {colour} {thing}"]
slots: {colour: [red], thing: [mug]}
commands: [stop]
pronunciations: {}
"""


@pytest.fixture
def english(tmp_path):
    (tmp_path / "english.yaml").write_text(ENGLISH)
    return read_english(tmp_path / "english.yaml")


def test_phrasings_are_filled_with_things_and_colours(english):
    said = sentences(["Mark {object} in {color}!", "what's that?"], english, each=1, seed=0)
    assert [" ".join(words) for words in said] == ["mark the red mug in red", "what's that", "stop"]


def test_half_of_the_sentences_begin_with_the_wake_word(english):
    said = [" ".join(words) for words in sentences([], english, each=4, seed=0, prefixes=["Hey Robot"])]
    assert said == ["stop", "hey robot stop"] * 2


def test_an_object_brings_one_article():
    assert with_object("Segment the {object} now", "the red mug") == "Segment the red mug now"
    assert with_object("find {object}", "the red mug") == "find the red mug"


def test_punctuation_and_case_are_not_spoken():
    assert spoken_words("Where’s the T.V., please? 2x") == ["where's", "the", "t", "v", "please", "x"]


def test_every_kind_of_object_that_is_rendered_is_expected():
    catalogue = pytest.importorskip("instructseq_training.scenes.catalogue")
    names = {name for name, _, _ in catalogue.name_table().spoken.values()}
    assert names - set(read_english(config_folder() / FILE).slots["thing"]) == set()


def test_phrasings_for_other_label_sets_are_not_expected():
    phrasings = " ".join(read_phrasings(config_folder() / PHRASINGS)).lower()
    assert not re.search(r"\bcoco\b|\bade", phrasings)
    assert "{object}" in phrasings


@pytest.mark.parametrize("text", ["", "patterns: [a]", ENGLISH.replace("colour: [red], ", ""), "patterns: [", "- 1"])
def test_a_file_that_does_not_fit_is_refused(tmp_path, text):
    (tmp_path / "english.yaml").write_text(text)
    with pytest.raises(SpeechError):
        read_english(tmp_path / "english.yaml")


def test_a_folder_without_phrasings_is_refused(tmp_path):
    with pytest.raises(SpeechError, match="phrasings"):
        read_phrasings(tmp_path)
