"""METEOR, ROUGE-L and CIDEr of captions through pycocoevalcap, beside `captions.bleu`: COCO's caption evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instructseq_model.errors import ConfigError
from instructseq_training.evaluation.captions import TokenizedCaptions
from instructseq_training.evaluation.java import JAVA_MISSING, has_java


@dataclass(frozen=True, kw_only=True)
class CaptionScores:
    """One metric over many images.

    Attributes:
        score: of all of them; METEOR and ROUGE-L in [0, 1], CIDEr in [0, 10] (papers print 100 times that).
        of_images: N, of each of them. ROUGE-L and CIDEr are their mean; METEOR adds up counts first, as BLEU does.
    """

    score: float
    of_images: NDArray[np.float64]


def rouge_l(captions: TokenizedCaptions) -> CaptionScores:
    """ROUGE-L: F-measure of the longest common subsequence, recall counting 1.2 times (Lin, 2004)."""
    from pycocoevalcap.rouge.rouge import Rouge

    return _scores(*Rouge().compute_score(*_as_coco(captions)))


def cider(captions: TokenizedCaptions) -> CaptionScores:
    """CIDEr-D: cosine of n-gram counts, each weighted by its rarity among the true captions of all images.

    It means nothing for a single image, whose n-grams are all equally rare: the score is 0.
    """
    from pycocoevalcap.cider.cider import Cider

    return _scores(*Cider().compute_score(*_as_coco(captions)))


def meteor(captions: TokenizedCaptions) -> CaptionScores:
    """METEOR 1.5: words matched as they are, by stem, synonym and paraphrase. Takes 2 GB of memory and some seconds.

    Raises:
        ConfigError: Java is missing.
    """
    if not has_java():
        raise ConfigError(JAVA_MISSING)
    from pycocoevalcap.meteor.meteor import Meteor

    return _scores(*Meteor().compute_score(*_as_coco(captions)))


def bleu_counts(captions: TokenizedCaptions) -> NDArray[np.float64]:
    """What BLEU adds up over images: N x 10 (matched n-grams 1 to 4, given n-grams 1 to 4, length, true length)."""
    from pycocoevalcap.bleu.bleu_scorer import cook_refs, cook_test

    rows = []
    for prediction, references in zip(captions.predictions, captions.references, strict=True):
        found = cook_test(prediction, cook_refs(references), eff="closest")
        rows.append([*found["correct"], *found["guess"], found["testlen"], found["reflen"]])
    return np.array(rows, dtype=np.float64)


def bleu_of_counts(sums: NDArray[np.float64], *, order: int) -> NDArray[np.float64]:
    """Corpus BLEU of summed counts, with the smoothing of pycocoevalcap.

    Args:
        sums: ... x 10, sums of rows of `bleu_counts`.
        order: n-grams up to this one, 1 to 4.

    Returns:
        ..., in [0, 1].
    """
    correct, guessed = sums[..., :order], sums[..., 4 : 4 + order]
    precision = ((correct + 1e-15) / (guessed + 1e-9)).prod(-1) ** (1 / order)
    ratio = (sums[..., 8] + 1e-15) / (sums[..., 9] + 1e-9)
    brevity: NDArray[np.float64] = np.exp(np.minimum(0.0, 1 - 1 / ratio))
    return precision * brevity


def _as_coco(captions: TokenizedCaptions) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    return dict(enumerate(captions.references)), {n: [text] for n, text in enumerate(captions.predictions)}


def _scores(score: float, of_images: Sequence[float]) -> CaptionScores:
    return CaptionScores(score=float(score), of_images=np.asarray(of_images, dtype=np.float64))
