"""Free-running evaluation during training: the model decodes its own outputs, as it will have to.

Teacher-forced accuracy says nothing here: a model that repeats its last token scores well and paints nothing.
"""

from __future__ import annotations

import random
from collections import defaultdict

import numpy as np
import torch

from instructseq_model.decoding import kind_probabilities
from instructseq_model.label_sets import label_set
from instructseq_model.maps import class_maps, referring_masks
from instructseq_model.perceiver import KIND_OF_TASK
from instructseq_model.perception import Task
from instructseq_model.sequence_model import SequenceModel
from instructseq_training.evaluation.boxes import exact_set_accuracy
from instructseq_training.evaluation.captions import bleu
from instructseq_training.evaluation.masks import confusion_matrix, mean_iou, overall_iou
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


@torch.inference_mode()
def evaluate_frames(
    model: SequenceModel,
    parts: FrozenEncoders,
    frames: PreparedFrames,
    phrasings: InstructionSet,
    *,
    count: int,
    seed: int = 0,
) -> dict[str, float]:
    """Scores on the first `count` frames, one instruction of each task a frame and two expressions.

    Returns:
        res_oiou, rec_accuracy (all boxes right at IoU 0.5), semantic_miou, bleu4, kind_accuracy, heat_oiou, each in
        [0, 1], and res_oiou by kind of expression.
    """
    rng = random.Random(seed)
    masks: dict[str, list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
    heats: list[tuple[np.ndarray, np.ndarray]] = []
    boxes: list[tuple[np.ndarray, np.ndarray]] = []
    captions: list[tuple[str, list[str]]] = []
    household = label_set("household")
    confusion = np.zeros((len(household.names), len(household.names) + 1), np.int64)
    right_kind: list[bool] = []
    for number in range(min(count, len(frames))):
        said = frames.said[number]
        examples = _examples(said, phrasings, rng, max_targets=model.config.max_boxes)
        read = read_frame(model, parts, frames, number, [example.instruction for example in examples])
        chosen = kind_probabilities(model, read.prefix.begin)
        for row, example in enumerate(examples):
            expected = KIND_OF_TASK[example.task]
            right_kind.append(max(chosen, key=lambda kind: float(chosen[kind][row])) is expected)
            prefix = read.prefix.row(row)
            if example.task is Task.CAPTION:
                captions.append((answer_caption(model, parts, prefix), said["captions"]))
                continue
            if example.task is Task.DETECTION:
                boxes.append((answer_boxes(model, prefix), np.array(example.boxes, float).reshape(-1, 4)))
                continue
            painted = answer_map(model, parts, prefix, example.task)[None]
            if example.task is Task.SEMANTIC:
                ids = class_maps(painted, household)[0]
                confusion += confusion_matrix(ids, np.asarray(frames.classes[number]), classes=len(household.names))
                continue
            true = np.isin(frames.instances[number], example.targets)
            masks[example.kind].append((referring_masks(painted)[0], true))
            if model.grounding is not None and read.instructions.pointing is not None:
                heat = model.grounding.heat_map(read.instructions.pointing.heat[row : row + 1])[0].cpu().numpy() > 0
                factor = true.shape[0] // heat.shape[0]
                heats.append((heat.repeat(factor, 0).repeat(factor, 1), true))
    scores = {
        "res_oiou": overall_iou([pair for group in masks.values() for pair in group]),
        "rec_accuracy": exact_set_accuracy(boxes),
        "semantic_miou": mean_iou(confusion),
        "bleu4": bleu([c for c, _ in captions], [r for _, r in captions], tokenizer="regex").bleu_4,
        "kind_accuracy": float(np.mean(right_kind)),
    }
    if heats:
        scores["heat_oiou"] = overall_iou(heats)
    return scores | {f"res_{kind}": overall_iou(pairs) for kind, pairs in sorted(masks.items())}


def _examples(
    said: dict[str, object], phrasings: InstructionSet, rng: random.Random, *, max_targets: int
) -> list[Example]:
    expressions = draw_expressions(said, 4, kind_weights={}, max_targets=max_targets, rng=rng)
    tasks = [Task.SEGMENTATION, Task.SEGMENTATION, Task.DETECTION, Task.DETECTION]
    referring = [
        referring_example(said, expression, task=task, phrasings=phrasings, rng=rng)
        for expression, task in zip(expressions, tasks, strict=True)
    ]
    return [
        *referring,
        semantic_example(phrasings=phrasings, label_set="household", rng=rng),
        caption_example(said, phrasings=phrasings, rng=rng),
    ]
