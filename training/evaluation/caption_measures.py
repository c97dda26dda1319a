"""The metrics of captions in the form of `measures.Measure`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from instructseq_model.perception import Task
from instructseq_training.evaluation.answers import Answer
from instructseq_training.evaluation.caption_scores import (
    CaptionScores,
    bleu_counts,
    bleu_of_counts,
    cider,
    meteor,
    rouge_l,
)
from instructseq_training.evaluation.captions import TokenizedCaptions, tokenized
from instructseq_training.evaluation.cases import Case
from instructseq_training.evaluation.measures import Measure, Statistics, ratio

NEEDS_JAVA = frozenset({"meteor"})
"""The measures that cannot be taken without Java."""

WITHOUT_INTERVAL = frozenset({"meteor"})
"""The measures whose score is no function of sums over cases."""


def _caption(case: Case, answer: Answer) -> list[Any]:
    return [answer.caption or "", list(case.captions)]


def _tokens(rows: Sequence[Any]) -> TokenizedCaptions:
    return _tokens_of(tuple((said, tuple(true)) for said, true in rows))


@lru_cache(maxsize=2)  # every caption metric asks for the same tokens, and each time would start Java anew
def _tokens_of(rows: tuple[tuple[str, tuple[str, ...]], ...]) -> TokenizedCaptions:
    return tokenized([said for said, _ in rows], [true for _, true in rows])


def _bleu_statistics(rows: Sequence[Any]) -> Statistics:
    return bleu_counts(_tokens(rows))


def _mean_statistics(rows: Sequence[Any], *, scores: Callable[[TokenizedCaptions], CaptionScores]) -> Statistics:
    of_images = scores(_tokens(rows)).of_images
    return np.stack([of_images, np.ones_like(of_images)], -1)


def _meteor_statistics(rows: Sequence[Any]) -> Statistics:
    """The whole's score as each case's share of it: only METEOR's own program can join its counts."""
    score = meteor(_tokens(rows)).score
    return np.tile([score, 1.0], (len(rows), 1))


def _of_captions(
    title: str, statistics: Callable[[Sequence[Any]], Statistics], score: Callable[[Statistics], Statistics]
) -> Measure:
    return Measure(title=title, tasks=(Task.CAPTION,), of_case=_caption, statistics=statistics, score=score)


CAPTION_MEASURES: Mapping[str, Measure] = {
    **{
        f"bleu{order}": _of_captions(f"BLEU-{order}", _bleu_statistics, partial(bleu_of_counts, order=order))
        for order in (1, 2, 3, 4)
    },
    "meteor": _of_captions("METEOR", _meteor_statistics, ratio),
    "rouge_l": _of_captions("ROUGE-L", partial(_mean_statistics, scores=rouge_l), ratio),
    "cider": _of_captions("CIDEr", partial(_mean_statistics, scores=cider), ratio),
}
"""By the name that table specifications use."""
