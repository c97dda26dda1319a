import numpy as np
import pytest

from instructseq_training.scenes.captions import write_captions
from instructseq_training.scenes.colours import PAINTS, WORDS, colour_word, painted, possible_words, word_shares
from instructseq_training.scenes.language import enumeration, is_countable, ordinal_word, plural, with_article

from .test_expressions import random_objects


@pytest.mark.parametrize(
    ("noun", "result"),
    [
        ("cup", "cups"),
        ("box", "boxes"),
        ("knife", "knives"),
        ("woman", "women"),
        ("person", "people"),
        ("battery", "batteries"),
        ("toy", "toys"),
        ("scissors", "scissors"),
        ("pair of shoes", "pairs of shoes"),
        ("toilet brush", "toilet brushes"),
    ],
)
def test_plural(noun, result):
    assert plural(noun) == result


@pytest.mark.parametrize(
    ("phrase", "noun", "result"),
    [
        ("red mug", "mug", "a red mug"),
        ("orange mug", "mug", "an orange mug"),
        ("scissors", "scissors", "some scissors"),
    ],
)
def test_article(phrase, noun, result):
    assert with_article(phrase, noun) == result


def test_lists_and_ordinals():
    assert enumeration(["a"]) == "a"
    assert enumeration(["a", "b", "c"]) == "a, b and c"
    assert ordinal_word(3) == "third"
    assert not is_countable("bread")


@pytest.mark.parametrize("word", WORDS)
def test_every_paint_is_called_by_its_word(word):
    random = np.random.default_rng(0)
    colours = painted(np.array([[0.8, 0.8, 0.8], [0.5, 0.2, 0.1]]), word, random=random)
    shares = word_shares(colours)
    assert colour_word(shares, brightness={"white": 0.8, "black": 0.1}.get(word, 0.5)) == word
    assert word in possible_words(shares)
    assert set(PAINTS) == set(WORDS)


def test_mixed_colours_have_no_word():
    shares = word_shares(np.array([[0.9, 0.1, 0.1], [0.1, 0.1, 0.9]]))
    assert colour_word(shares, brightness=0.5) is None
    assert {"red", "blue"} <= set(possible_words(shares))


def test_white_in_the_dark_is_not_called_white():
    assert colour_word(word_shares(np.array([[0.95, 0.95, 0.95]])), brightness=0.3) is None


@pytest.mark.parametrize("seed", range(20))
def test_five_captions_mention_the_same_objects(seed):
    random = np.random.default_rng(seed)
    objects = random_objects(random)
    captions = write_captions(objects, place="table", random=random)
    assert len(set(captions)) == 5
    mentioned = [{o.name for o in objects if o.name in caption or plural(o.name) in caption} for caption in captions]
    assert all(names == mentioned[0] for names in mentioned)
    assert mentioned[0]
