import shutil

import pytest
from torchmetrics.text import BLEUScore

from instructseq_training.evaluation.captions import bleu, regex_tokens

PREDICTIONS = [
    "a red mug and a bowl on the table",
    "two green bottles stand in front of a laptop",
    "a cat sleeps",
    "there is a small yellow cup next to a plate on a wooden table",
]
REFERENCES = [
    ["a red mug next to a bowl on the table", "the table holds a mug and a bowl"],
    ["two bottles stand behind a laptop", "a laptop and two green bottles"],
    ["a cat lies on the sofa and sleeps", "a sleeping cat on a sofa"],
    ["a small cup stands next to a plate", "on a wooden table there is a yellow cup next to a plate"],
]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_bleu_agrees_with_torchmetrics(order: int) -> None:
    expected = BLEUScore(n_gram=order)(PREDICTIONS, REFERENCES)
    scores = bleu(PREDICTIONS, REFERENCES, tokenizer="regex")
    assert getattr(scores, f"bleu_{order}") == pytest.approx(float(expected), rel=1e-5)


def test_bleu_of_one_caption_matches_hand_count() -> None:
    scores = bleu(["a mug on a table"], [["a red mug on a table"]], tokenizer="regex")
    brevity = 2.718281828 ** (1 - 6 / 5)
    assert scores.bleu_1 == pytest.approx(brevity)
    assert scores.bleu_2 == pytest.approx(brevity * (3 / 4) ** 0.5)


def test_case_and_punctuation_do_not_count() -> None:
    assert bleu(["A red mug, on the table."], [["a red mug on the table"]], tokenizer="regex").bleu_4 == pytest.approx(
        1
    )


def test_empty_prediction_scores_nothing() -> None:
    assert bleu([""], [["a mug"]], tokenizer="regex").bleu_1 == pytest.approx(0, abs=1e-6)


def test_regex_tokens_split_clitics_and_drop_punctuation() -> None:
    text = "The dog's bowl isn't full; \"don’t touch\"... It cannot be a T-shirt, 3.5 cups?"
    expected = "the dog 's bowl is n't full do n't touch it can not be a t-shirt 3.5 cups"
    assert regex_tokens(text) == expected.split()


@pytest.mark.skipif(shutil.which("java") is None, reason="the Penn Treebank tokenizer is a Java program")
def test_both_tokenizers_give_the_same_score_on_plain_captions() -> None:
    predictions = ["A mug, a cat's bowl and black-and-white plates.", "It isn't here!"]
    references = [["a mug and the cat's bowl", "Plates; a mug."], ["it isn't there", "There's nothing - really."]]
    ptb, regex = (bleu(predictions, references, tokenizer=name) for name in ("ptb", "regex"))
    assert ptb.tokenizer == "ptb"
    assert regex.tokenizer == "regex"
    for order in (1, 2, 3, 4):
        assert getattr(ptb, f"bleu_{order}") == pytest.approx(getattr(regex, f"bleu_{order}"))


def test_without_java_the_regex_tokenizer_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert bleu(["a mug"], [["a mug"]]).tokenizer == "regex"


@pytest.mark.parametrize(("predictions", "references"), [([], []), (["a"], []), (["a"], [[]])])
def test_lists_that_do_not_fit_are_refused(predictions: list[str], references: list[list[str]]) -> None:
    with pytest.raises(ValueError, match="as many predictions"):
        bleu(predictions, references)
