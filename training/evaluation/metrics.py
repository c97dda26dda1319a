"""All scores in one place; each lives in the module of its subject."""

from instructseq_training.evaluation.boxes import (
    ScoredBoxes,
    accuracy_at_iou,
    average_precision,
    box_iou,
    exact_set_accuracy,
)
from instructseq_training.evaluation.calibration import Reliability, expected_calibration_error, reliability
from instructseq_training.evaluation.caption_scores import CaptionScores, cider, meteor, rouge_l
from instructseq_training.evaluation.captions import BleuScores, TokenizedCaptions, bleu, tokenized
from instructseq_training.evaluation.generalised import GeneralisedScores, generalised_scores
from instructseq_training.evaluation.masks import (
    ReferringScores,
    class_iou,
    confusion_matrix,
    mean_iou,
    overall_iou,
    pixel_accuracy,
    referring_scores,
)
from instructseq_training.evaluation.routes import Route, RoutingScores, routing_scores

__all__ = [
    "BleuScores",
    "CaptionScores",
    "GeneralisedScores",
    "ReferringScores",
    "Reliability",
    "Route",
    "RoutingScores",
    "ScoredBoxes",
    "TokenizedCaptions",
    "accuracy_at_iou",
    "average_precision",
    "bleu",
    "box_iou",
    "cider",
    "class_iou",
    "confusion_matrix",
    "exact_set_accuracy",
    "expected_calibration_error",
    "generalised_scores",
    "mean_iou",
    "meteor",
    "overall_iou",
    "pixel_accuracy",
    "referring_scores",
    "reliability",
    "rouge_l",
    "routing_scores",
    "tokenized",
]
