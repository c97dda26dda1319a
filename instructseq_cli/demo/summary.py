"""The demo in numbers: what out/demo/summary.json holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from instructseq_cli.demo.answers import Answer
from instructseq_cli.demo.plan import Act, Ask
from instructseq_cli.demo.score import (
    average_precision,
    box_iou,
    mean_class_iou,
    names_mentioned,
    overall_iou,
    overlap,
    percentile,
)
from instructseq_cli.demo.session import Course
from instructseq_model.label_sets import label_set
from instructseq_model.perception import Task


def summarise(acts: Sequence[Act], course: Course) -> dict[str, Any]:
    """Counts, accuracy and latency of a demo.

    Returns:
        What `json.dumps` takes. `oiou` counts the answers to instructions that ask for a mask, `ap50` those that ask
        for a box, `miou` those that ask for classes; an answer of the wrong kind counts as empty. Latencies run from
        sending a frame to having its answer, milliseconds. What cannot be measured is null.
    """
    received = course.tally.received
    latencies = [answer.latency * 1000.0 for answer in course.answers]
    return {
        "frames_in": len(course.tally.sent),
        "frames_processed": received["perception"],
        "masks": received["mask"],
        "detections": received["detections"],
        "captions": received["caption"],
        "confidence_images": received["confidence"],
        "oiou": _rounded(mask_score(course.answers)),
        "ap50": _rounded(box_score(course.answers)),
        "latency_ms": {"p50": _rounded(percentile(latencies, 50), 1), "p95": _rounded(percentile(latencies, 95), 1)},
        "rmw": course.rmw,
        "ros_distro": course.ros_distro,
        "seconds": round(course.seconds, 1),
        "inputs": {act.name: _input_summary(act, course.answers) for act in acts},
        "unanswered": [ask.text for _, ask in unanswered(acts, course.answers)],
    }


def _input_summary(act: Act, answers: Sequence[Answer]) -> dict[str, Any]:
    own = [answer for answer in answers if answer.act.name == act.name]
    return {
        "answers": len(own),
        "oiou": _rounded(mask_score(own)),
        "ap50": _rounded(box_score(own)),
        "miou": _rounded(class_score(own)),
        "task_as_meant": _rounded(sum(a.perception.task == a.ask.task for a in own) / len(own) if own else None),
    }


def unanswered(acts: Sequence[Act], answers: Sequence[Answer]) -> list[tuple[Act, Ask]]:
    """The instructions that no answer came to, whatever it would have said."""
    heard = {(answer.act.name, answer.ask.text) for answer in answers}
    return [(act, ask) for act in acts for ask in act.asks if (act.name, ask.text) not in heard]


def mask_score(answers: Sequence[Answer]) -> float | None:
    """Overall IoU over the answers to instructions that ask for the mask of an object."""
    pairs = []
    for answer in answers:
        if answer.ask.task == Task.SEGMENTATION:
            truth = answer.frame.mask_of(answer.ask.targets)
            mask = answer.perception.mask if answer.perception.task == Task.SEGMENTATION else None
            pairs.append(overlap(truth & False if mask is None else mask, truth))
    return overall_iou(pairs)


def box_score(answers: Sequence[Answer]) -> float | None:
    """AP at IoU 0.5 over the answers to instructions that ask for boxes."""
    return average_precision(
        [
            (
                [(box.xyxy, box.score) for box in answer.perception.boxes],
                answer.frame.boxes_of(answer.ask.targets),
            )
            for answer in answers
            if answer.ask.task == Task.DETECTION
        ]
    )


def class_score(answers: Sequence[Answer]) -> float | None:
    """Mean IoU of the household classes over the answers to instructions that ask for them; None without truth."""
    household = label_set("household")
    pairs = []
    for answer in answers:
        if answer.ask.task != Task.SEMANTIC or answer.frame.classes is None:
            continue
        labels, mask = answer.perception.label_set, answer.perception.mask
        if mask is None or labels is None or labels.names != household.names:
            mask = np.full(answer.frame.classes.shape, household.unlabelled)
        pairs.append((mask, answer.frame.classes))
    return mean_class_iou(pairs, classes=len(household.names))


def verdict(answer: Answer) -> str:
    """How one answer compares with the truth, in a few words for the report."""
    if answer.perception.task != answer.ask.task:
        return f"answered as {answer.perception.task.value}, meant was {answer.ask.task.value}"
    if answer.ask.task == Task.SEGMENTATION:
        score = mask_score([answer])
        return f"IoU with the true mask {score:.2f}" if score is not None else "not scored"
    if answer.ask.task == Task.DETECTION:
        truth = answer.frame.boxes_of(answer.ask.targets)
        best = max((box_iou(box.xyxy, true) for box in answer.perception.boxes for true in truth), default=0.0)
        return f"IoU with the true box {best:.2f}" if truth else "no such object in view"
    if answer.ask.task == Task.SEMANTIC:
        score = class_score([answer])
        return f"mean IoU of the classes {score:.2f}" if score is not None else "no true classes to compare with"
    names = sorted(set(answer.frame.names.values()))
    named = names_mentioned(answer.perception.caption or "", names)
    return f"names {len(named)} of {len(names)} objects" + (f": {', '.join(named)}" if named else "")


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)
