"""All scores in one place; each lives in the module of its subject."""

from instructseq_training.evaluation.boxes import (
    ScoredBoxes,
    accuracy_at_iou,
    average_precision,
    box_iou,
    exact_set_accuracy,
)
from instructseq_training.evaluation.calibration import Reliability, expected_calibration_error, reliability
from instructseq_training.evaluation.captions import BleuScores, bleu
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
    "ReferringScores",
    "Reliability",
    "Route",
    "RoutingScores",
    "ScoredBoxes",
    "accuracy_at_iou",
    "average_precision",
    "bleu",
    "box_iou",
    "class_iou",
    "confusion_matrix",
    "exact_set_accuracy",
    "expected_calibration_error",
    "mean_iou",
    "overall_iou",
    "pixel_accuracy",
    "referring_scores",
    "reliability",
    "routing_scores",
]
