"""Answers of the node with the inputs that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from instructseq_cli.demo.frames import Frame
from instructseq_cli.demo.plan import Act, Ask
from instructseq_model.perception import Perception
from instructseq_model.vocabulary import OutputKind
from instructseq_ros.received_answers import pixels_of


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer of the node.

    Attributes:
        act: the input it belongs to.
        ask: the instruction.
        frame: the picture it was computed from, found by the stamp in its header.
        stamp: that stamp, seconds and nanoseconds.
        perception: the answer.
        latency: seconds from sending the picture to having the answer.
    """

    act: Act
    ask: Ask
    frame: Frame
    stamp: tuple[int, int]
    perception: Perception
    latency: float


def with_confidence(answer: Answer, images: Mapping[tuple[int, int], Any]) -> Answer:
    """An answer of boxes with the confidence image of its stamp, which comes on a topic of its own.

    Args:
        answer: any answer; one that has its confidence, or is a text, is given back as it is.
        images: messages sensor_msgs/Image by stamp.
    """
    image = images.get(answer.stamp)
    if image is None or answer.perception.confidence is not None or answer.perception.kind is OutputKind.TEXT:
        return answer
    return replace(answer, perception=replace(answer.perception, confidence=pixels_of(image)))
