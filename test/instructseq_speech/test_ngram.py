"""The language model: its probabilities sum to one, and PocketSphinx reads the same ones from the file."""

import math

import pytest

from instructseq_speech.ngram import END, count_ngrams, write_arpa

SENTENCES = [
    text.split()
    for text in ("mark the red mug", "mark the bowl", "find the red bowl", "where is the red mug", "find the mug")
]


@pytest.mark.parametrize("history", [(), ("the",), ("mark", "the"), ("where", "bowl"), ("<s>",), ("<s>", "find")])
def test_after_any_history_the_probabilities_sum_to_one(history):
    model = count_ngrams(SENTENCES)
    assert sum(model.probability(word, history) for word in (*model.words, END)) == pytest.approx(1)


def test_what_was_seen_is_more_probable_than_what_was_not():
    model = count_ngrams(SENTENCES)
    assert model.probability("red", ("find", "the")) > model.probability("where", ("find", "the")) > 0


def test_a_probability_matches_witten_and_bell_by_hand():
    model = count_ngrams([["a", "b"], ["a", "c"]])
    # After nothing: a twice, b, c once, END twice; 4 kinds of 6, mixed with 1 / 4.
    after_nothing = (1 + 4 / 4) / 10
    # After "a": b and c once; 2 kinds of 2.
    assert model.probability("b", ("a",)) == pytest.approx((1 + 2 * after_nothing) / 4)


def test_an_unknown_word_is_impossible():
    assert count_ngrams(SENTENCES).probability("banana", ("the",)) == 0


def test_nothing_cannot_be_counted():
    with pytest.raises(ValueError, match="word"):
        count_ngrams([[]])


def test_pocketsphinx_reads_the_same_probabilities(tmp_path):
    sphinx = pytest.importorskip("pocketsphinx", reason="pip install 'instructseq[speech]'")
    model = count_ngrams(SENTENCES)
    write_arpa(model, tmp_path / "model.arpa")
    logarithms = sphinx.LogMath()
    read = sphinx.NGramModel(sphinx.Config(loglevel="FATAL"), logarithms, str(tmp_path / "model.arpa"))
    for words in (
        ("mug",),
        ("red", "the"),
        ("bowl", "red"),
        ("mug", "the", "mark"),
        ("is", "red"),
        ("red", "the", "is"),
    ):
        expected = model.probability(words[0], tuple(reversed(words[1:])))
        assert math.exp(logarithms.log_to_ln(read.prob(list(words)))) == pytest.approx(expected, rel=0.01)
