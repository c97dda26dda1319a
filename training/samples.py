"""Answers of a model to be looked at: one of each task on a few frames, beside what would have been right."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from instructseq_model.decoding import DecodingPrefix
from instructseq_model.label_sets import label_set
from instructseq_model.palette import NAMED_COLOURS, paint
from instructseq_model.perception import Task
from instructseq_model.sequence_model import SequenceModel
from instructseq_training.examples import (
    Example,
    caption_example,
    draw_expressions,
    referring_example,
    semantic_example,
)
from instructseq_training.frame_answers import answer_boxes, answer_caption, answer_map, read_frame
from instructseq_training.frozen_encoders import FrozenEncoders
from instructseq_training.instructions import InstructionSet
from instructseq_training.prepared import PreparedFrames

RIGHT, GIVEN = "white", "red"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """An answer.

    Attributes:
        name: task and number of the frame, such as "segmentation/0".
        picture: S x 2S x 3, uint8: what would have been right, and what was answered.
        text: the instruction, and for captions both texts.
    """

    name: str
    picture: NDArray[np.uint8]
    text: str


@torch.inference_mode()
def sample_answers(
    model: SequenceModel,
    parts: FrozenEncoders,
    frames: PreparedFrames,
    phrasings: InstructionSet,
    *,
    count: int,
    seed: int = 0,
) -> list[Sample]:
    """Free-running answers on the first `count` frames, one instruction of each task a frame, always the same ones."""
    rng = random.Random(seed)
    samples = []
    for number in range(min(count, len(frames))):
        examples = one_of_each(frames, number, phrasings, rng, max_targets=model.config.max_boxes)
        read = read_frame(model, parts, frames, number, [example.instruction for example in examples])
        for row, example in enumerate(examples):
            right, given, text = answer(model, parts, read.prefix.row(row), example, frames, number)
            picture = np.concatenate([right, given], 1)
            samples.append(Sample(name=f"{example.task.value}/{number}", picture=picture, text=text))
    return samples


def one_of_each(
    frames: PreparedFrames, number: int, phrasings: InstructionSet, rng: random.Random, *, max_targets: int
) -> list[Example]:
    """An instruction of each task on a frame."""
    said = frames.said[number]
    expressions = draw_expressions(said, 2, kind_weights={}, max_targets=max_targets, rng=rng)
    tasks = (Task.SEGMENTATION, Task.DETECTION)
    return [
        semantic_example(phrasings=phrasings, label_set="household", rng=rng),
        *(
            referring_example(said, expression, task=task, phrasings=phrasings, rng=rng)
            for expression, task in zip(expressions, tasks, strict=True)
        ),
        caption_example(said, phrasings=phrasings, rng=rng),
    ]


def answer(
    model: SequenceModel,
    parts: FrozenEncoders,
    prefix: DecodingPrefix,
    example: Example,
    frames: PreparedFrames,
    number: int,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], str]:
    """The right picture, the answered one, both S x S x 3 uint8, and the words that belong to them."""
    scene = paint(np.asarray(frames.classes[number]), label_set("household"))
    if example.task is Task.CAPTION:
        said = answer_caption(model, parts, prefix)
        return scene, np.zeros_like(scene), f"{example.instruction}\n\nright: {example.caption}\n\nanswered: {said}"
    if example.task is Task.DETECTION:
        right = with_boxes(scene, np.array(example.boxes, float).reshape(-1, 4), colour=RIGHT)
        return right, with_boxes(scene, answer_boxes(model, prefix), colour=GIVEN), example.instruction
    painted = answer_map(model, parts, prefix, example.task)
    if example.task is Task.SEMANTIC:
        return scene, painted, example.instruction
    mask = np.isin(frames.instances[number], example.targets)
    right = (mask[..., None] * np.array(NAMED_COLOURS[example.colour])).astype(np.uint8)
    return right, painted, example.instruction


def with_boxes(picture: NDArray[np.uint8], boxes: NDArray[np.floating], *, colour: str) -> NDArray[np.uint8]:
    """A darker picture with boxes drawn on it; boxes are N x 4, parts of the sides."""
    drawn = Image.fromarray(picture // 2)
    height, width = picture.shape[:2]
    for box in boxes.tolist():
        left, right = sorted((box[0] * width, box[2] * width))
        top, bottom = sorted((box[1] * height, box[3] * height))
        corners = (left, top, max(left, right - 1), max(top, bottom - 1))
        ImageDraw.Draw(drawn).rectangle(corners, outline=colour)
    return np.asarray(drawn)
