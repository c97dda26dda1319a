"""Cases: an image, an instruction and the true answer, from rendered scenes and from real photographs."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructseq_model.errors import ConfigError
from instructseq_model.perception import Task
from instructseq_training.evaluation.real_photos import real_photographs
from instructseq_training.examples import caption_example, draw_expressions, referring_example, semantic_example
from instructseq_training.instructions import InstructionSet
from instructseq_training.scenes.shards import Sample, read_shard


@dataclass(frozen=True, kw_only=True)
class Case:
    """One question with its answer.

    Attributes:
        image: H x W x 3, RGB.
        instruction: the words.
        task: what they ask for.
        mask: of referring cases, H x W; None if not known.
        boxes: of detection cases, K x 4 pixels.
        classes: of semantic cases, H x W ids of `label_set`.
        captions: of caption cases, the true ones.
        kind: of the expression ("name", "relation" ...), "" for the other tasks.
        image_key: names the image among those of its dataset; cases with one key share an image.
        label_set: name of the label set of `classes`, and of what the instruction asks for.
        object_class: of referring cases, the name of what is meant; "" where there is none.
    """

    image: NDArray[np.uint8]
    instruction: str
    task: Task
    mask: NDArray[np.bool_] | None = None
    boxes: NDArray[np.float64] | None = None
    classes: NDArray[np.uint8] | None = None
    captions: tuple[str, ...] = ()
    kind: str = ""
    image_key: str = ""
    label_set: str = "household"
    object_class: str = ""


def scene_cases(
    scenes: Path,
    split: str,
    *,
    frames: int,
    phrasings: InstructionSet,
    expressions: int = 4,
    held_out_only: bool = False,
    seed: int = 0,
) -> list[Case]:
    """For each of the first frames of a split, expressions to be marked and boxed, one semantic map and one caption.

    Args:
        scenes: folder of shards.
        split: "val" or "heldout".
        frames: how many, spread evenly over the shards.
        phrasings: what the instructions are phrased with.
        expressions: of each frame; the first half are to be marked, the others to be boxed.
        held_out_only: expressions whose targets are objects never trained on, and none else.
        seed: decides expressions and phrasings.

    Raises:
        ConfigError: there are no such shards.
    """
    rng = random.Random(seed)
    cases: list[Case] = []
    for sample in spread_frames(scenes, split, frames):
        cases += _cases_of(sample, phrasings, rng, expressions=expressions, held_out_only=held_out_only)
    return cases


def spread_frames(scenes: Path, split: str, frames: int) -> Iterator[Sample]:
    """The first frames of a split, taken evenly from its shards.

    Args:
        scenes: folder of shards.
        split: "train", "val" or "heldout".
        frames: at most so many.

    Raises:
        ConfigError: there are no such shards.
    """
    shards = sorted(scenes.glob(f"{split}-*.tar"))
    if not shards:
        raise ConfigError(f"{scenes} holds no {split}-*.tar; render them: instructseq scenes {scenes} --split {split}")
    share = -(-frames // len(shards))
    samples = (sample for shard in shards for sample in islice(read_shard(shard), share))
    return islice(samples, frames)


def photograph_cases(phrasings: InstructionSet, *, seed: int = 0) -> list[Case]:
    """Every expression on the real photographs: as detection, and as segmentation where a mask is known."""
    rng = random.Random(seed)
    cases: list[Case] = []
    for photo in real_photographs():
        said: Mapping[str, Any] = {"width": 1, "height": 1, "objects": [], "captions": list(photo.captions)}
        for expression in photo.expressions:
            words = {"text": expression.text, "kind": expression.kind, "targets": list(expression.targets)}
            mask = photo.mask_of(expression)
            for task in (Task.SEGMENTATION, Task.DETECTION):
                if task is Task.SEGMENTATION and mask is None:
                    continue
                example = referring_example(said, words, task=task, phrasings=phrasings, rng=rng)
                cases.append(
                    Case(
                        image=photo.image,
                        instruction=example.instruction,
                        task=task,
                        mask=mask if task is Task.SEGMENTATION else None,
                        boxes=photo.boxes_of(expression) if task is Task.DETECTION else None,
                        kind=expression.kind,
                    )
                )
        cases.append(_caption_case(photo.image, said, phrasings, rng))
    return cases


def shuffled(cases: Sequence[Case], *, seed: int = 0) -> list[Case]:
    """The same cases, each with the instruction of another case of its task on another image: a baseline."""
    rng = random.Random(seed)
    mixed = []
    for case in cases:
        others = [o.instruction for o in cases if o.task is case.task and o.image is not case.image]
        mixed.append(Case(**{**case.__dict__, "instruction": rng.choice(others or [case.instruction])}))
    return mixed


def _cases_of(
    sample: Sample, phrasings: InstructionSet, rng: random.Random, *, expressions: int, held_out_only: bool
) -> Iterator[Case]:
    said = sample.record
    if held_out_only:
        unknown = {o["index"] for o in said["objects"] if o["held_out"]}
        kept = [e for e in said["expressions"] if e["targets"] and unknown.issuperset(e["targets"])]
        said = {**said, "expressions": kept}
    if said["expressions"]:
        drawn = draw_expressions(said, expressions, kind_weights={}, max_targets=6, rng=rng)
        for number, expression in enumerate(drawn):
            task = Task.SEGMENTATION if 2 * number < expressions else Task.DETECTION
            example = referring_example(said, expression, task=task, phrasings=phrasings, rng=rng)
            boxes = [o["box"] for o in said["objects"] if o["index"] in example.targets]
            yield Case(
                image=sample.rgb,
                instruction=example.instruction,
                task=task,
                mask=np.isin(sample.instances, example.targets) if task is Task.SEGMENTATION else None,
                boxes=np.array(boxes, float).reshape(-1, 4) if task is Task.DETECTION else None,
                kind=example.kind,
                image_key=sample.key,
            )
    semantic = semantic_example(phrasings=phrasings, label_set="household", rng=rng)
    yield Case(image=sample.rgb, instruction=semantic.instruction, task=Task.SEMANTIC, classes=sample.classes)
    yield _caption_case(sample.rgb, said, phrasings, rng)


def _caption_case(
    image: NDArray[np.uint8], said: Mapping[str, Any], phrasings: InstructionSet, rng: random.Random
) -> Case:
    example = caption_example(said, phrasings=phrasings, rng=rng)
    return Case(image=image, instruction=example.instruction, task=Task.CAPTION, captions=tuple(said["captions"]))
