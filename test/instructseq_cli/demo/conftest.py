"""A small demo that never ran: two inputs, answers of every kind."""

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instructseq_cli.demo.answers import Answer
from instructseq_cli.demo.frames import Frame
from instructseq_cli.demo.plan import Act, Ask
from instructseq_cli.demo.ros_side import Sent, Tally
from instructseq_cli.demo.session import Course
from instructseq_model.label_sets import label_set
from instructseq_model.perception import Box, Perception, Task
from instructseq_model.vocabulary import OutputKind

WIDTH, HEIGHT = 64, 48
LABELS = label_set("household")


def make_frame(number: int) -> Frame:
    """A mug, 8 x 10 pixels, on a floor."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), 90, np.uint8)).save(buffer, "jpeg")
    instances = np.zeros((HEIGHT, WIDTH), np.uint8)
    instances[10:20, 20:28] = 1
    return Frame(
        jpeg=buffer.getvalue(),
        offset_ns=number * 100_000_000,
        instances=instances,
        classes=(instances > 0).astype(np.uint8),
        names={1: "coffee mug"},
    )


def make_answer(act: Act, ask: Ask, number: int = 0, **fields) -> Answer:
    """A perfect answer, unless the fields say otherwise."""
    frame = make_frame(number)
    perfect = {
        Task.SEMANTIC: {"kind": OutputKind.MAP, "mask": frame.classes, "label_set": LABELS},
        Task.SEGMENTATION: {"kind": OutputKind.MAP, "mask": (frame.instances > 0).astype(np.uint8)},
        Task.DETECTION: {"kind": OutputKind.BOXES, "boxes": (Box(x1=20, y1=10, x2=28, y2=20, score=0.9),)},
        Task.CAPTION: {"kind": OutputKind.TEXT, "caption": "a mug on the floor"},
    }
    given = {"task": ask.task, "instruction": ask.text, "size_wh": (WIDTH, HEIGHT), **perfect[ask.task], **fields}
    return Answer(
        act=act,
        ask=ask,
        frame=frame,
        stamp=(5, number),
        perception=Perception(timings={"encode": 0.1, "decode": 0.2, "total": 0.3}, **given),
        latency=0.5 + number,
    )


@pytest.fixture
def acts() -> tuple[Act, ...]:
    asks = (
        Ask(text="segment all", task=Task.SEMANTIC),
        Ask(text="mark the mug in green", task=Task.SEGMENTATION, targets=("coffee mug",)),
        Ask(text="where is <the mug> & co?", task=Task.DETECTION, targets=("coffee mug",)),
        Ask(text="describe it", task=Task.CAPTION),
    )
    return (Act(name="table", title="A table", bag=Path("table"), asks=asks),)


@pytest.fixture
def course(acts) -> Course:
    answers = tuple(make_answer(acts[0], ask, number) for ask in acts[0].asks for number in range(3))
    tally = Tally(
        sent={(5, number): Sent(frame=make_frame(number), sent_ns=number) for number in range(9)},
        received=Counter(perception=12, mask=6, confidence=9, detections=3, caption=3),
    )
    return Course(answers=answers, tally=tally, rmw="rmw_test", ros_distro="kilted", seconds=12.0)


@pytest.fixture
def answer_to():
    """Makes answers: see `make_answer`."""
    return make_answer
