"""Caption metrics against torchmetrics, a plain CIDEr written from its definition, and counts by hand."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from torchmetrics.functional.text.rouge import _rouge_l_score  # its public ROUGE needs NLTK's downloads
from torchmetrics.text import BLEUScore

from instructseq_model.errors import ConfigError
from instructseq_training.evaluation import caption_scores, java
from instructseq_training.evaluation.caption_scores import bleu_counts, bleu_of_counts, cider, meteor, rouge_l
from instructseq_training.evaluation.captions import TokenizedCaptions, bleu, tokenized

from .test_captions import PREDICTIONS, REFERENCES

needs_java = pytest.mark.skipif(not java.has_java(), reason=java.JAVA_MISSING)


@pytest.fixture
def captions() -> TokenizedCaptions:
    return tokenized(PREDICTIONS, REFERENCES, tokenizer="regex")


def plain_cider(predictions: list[str], references: list[list[str]]) -> list[float]:
    """CIDEr-D from its definition: clipped cosines of tf-idf vectors, a Gaussian of lengths, times 10."""

    def grams(text: str, n: int) -> Counter[tuple[str, ...]]:
        words = text.split()
        return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))

    scores = []
    for prediction, true in zip(predictions, references, strict=True):
        total = 0.0
        for n in (1, 2, 3, 4):
            seen = Counter(g for of_image in references for g in {g for text in of_image for g in grams(text, n)})

            def weigh(text: str, n: int = n, seen: Counter[tuple[str, ...]] = seen) -> dict[tuple[str, ...], float]:
                rarity = math.log(len(references))
                return {g: count * (rarity - math.log(max(1, seen[g]))) for g, count in grams(text, n).items()}

            given = weigh(prediction)
            for text in true:
                other = weigh(text)
                norms = math.sqrt(sum(v * v for v in given.values()) * sum(v * v for v in other.values()))
                product = sum(min(v, other.get(g, 0.0)) * other.get(g, 0.0) for g, v in given.items())
                apart = len(prediction.split()) - len(text.split())
                total += (product / norms if norms else 0.0) * math.exp(-(apart**2) / 72) / len(true) / 4
        scores.append(10 * total)
    return scores


def test_cider_agrees_with_its_definition(captions: TokenizedCaptions) -> None:
    expected = plain_cider(PREDICTIONS, REFERENCES)
    found = cider(captions)
    assert found.of_images.tolist() == pytest.approx(expected)
    assert found.score == pytest.approx(np.mean(expected))
    assert max(expected) > 0.5


def test_cider_of_a_perfect_caption_is_ten() -> None:
    texts = ["a red mug on a table", "two cats sleep in the sun"]
    assert cider(tokenized(texts, [[text] for text in texts], tokenizer="regex")).score == pytest.approx(10)


def test_rouge_l_of_one_reference_agrees_with_torchmetrics() -> None:
    prediction, reference = PREDICTIONS[0], REFERENCES[0][0]
    score = _rouge_l_score(prediction.split(), reference.split())
    p, r = float(score["precision"]), float(score["recall"])
    found = rouge_l(tokenized([prediction], [[reference]], tokenizer="regex")).score
    assert found == pytest.approx((1 + 1.2**2) * p * r / (r + 1.2**2 * p))


def test_rouge_l_matches_hand_count() -> None:
    # "a mug on the table" against "a red mug on a table": a, mug, on, table in order; 4 of 5 and 4 of 6.
    p, r = 4 / 5, 4 / 6
    found = rouge_l(tokenized(["a mug on the table"], [["a red mug on a table"]], tokenizer="regex")).score
    assert found == pytest.approx(2.44 * p * r / (r + 1.44 * p))


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_bleu_of_summed_counts_is_bleu(captions: TokenizedCaptions, order: int) -> None:
    found = bleu_of_counts(bleu_counts(captions).sum(0), order=order)
    assert found == pytest.approx(getattr(bleu(PREDICTIONS, REFERENCES, tokenizer="regex"), f"bleu_{order}"))
    assert found == pytest.approx(float(BLEUScore(n_gram=order)(PREDICTIONS, REFERENCES)), rel=1e-5)


def plain_meteor(matches: int, given: int, true: int, chunks: int) -> float:
    """METEOR 1.5 of exact matches of content words, with its parameters for English (Denkowski and Lavie, 2014)."""
    alpha, beta, gamma = 0.85, 0.2, 0.6
    precision, recall = matches / given, matches / true
    mean = precision * recall / (alpha * precision + (1 - alpha) * recall)
    return mean * (1 - gamma * (chunks / matches) ** beta)


@needs_java
def test_meteor_agrees_with_its_definition_on_exact_words() -> None:
    predictions = ["zebra giraffe", "red mug stands here", "red mug", "red mug"]
    references = [["giraffe zebra"], ["red mug stands"], ["red bowl"], ["red mug"]]
    found = meteor(tokenized(predictions, references, tokenizer="regex")).of_images
    expected = [plain_meteor(2, 2, 2, 2), plain_meteor(3, 4, 3, 1), plain_meteor(1, 2, 2, 1), 1.0]
    assert found.tolist() == pytest.approx(expected)


def test_without_java_meteor_says_what_to_install(captions: TokenizedCaptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caption_scores, "has_java", lambda: False)
    with pytest.raises(ConfigError, match="apt install default-jre-headless"):
        meteor(captions)
