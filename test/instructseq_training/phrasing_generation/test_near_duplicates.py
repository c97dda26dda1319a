import numpy as np
import pytest

from instructseq_training.phrasing_generation.near_duplicates import SeenPhrasings, distance, distances, normalised


def test_distance_matches_hand_count() -> None:
    assert distance("kitten", "sitting") == pytest.approx(3 / 7)


def test_case_punctuation_and_the_length_of_placeholders_do_not_count() -> None:
    assert normalised("Paint {object}, please: {color}!") == "paint § please ¤"
    assert distance("Paint {object} {color}.", "paint  {object}: {color}") == 0


def test_distances_are_those_of_every_pair() -> None:
    some, others = ["find {object}", "caption"], ["finde {object}", "describe", "caption this"]
    expected = [[distance(one, other) for other in others] for one in some]
    assert np.allclose(distances(some, others), expected)


def test_a_typo_is_near_within_a_set_and_what_was_added_counts() -> None:
    seen = SeenPhrasings(["draw a bounding box around {object}"])
    assert seen.is_near("draw a bunding box arround {object}")
    assert not seen.is_near("Where is {object}?")
    seen.add("where's {object}")
    assert seen.is_near("Where is {object}?")


def test_the_other_split_is_kept_farther_away() -> None:
    seen = SeenPhrasings([], outside=["Draw a red box around {object}."])
    assert not SeenPhrasings(["Draw a red box around {object}."]).is_near("Draw a tight box around {object}.")
    assert seen.is_near_other_split("Draw a tight box around {object}.")
    assert not seen.is_near_other_split("Where is {object}?")
