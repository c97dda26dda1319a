"""Free-running evaluation during training: the model decodes its own outputs, as it will have to.

Teacher-forced accuracy says nothing here: a model that repeats its last token scores well and paints nothing.
"""

from __future__ import annotations

import random
from collections import defaultdict

import numpy as np
import torch

from instructseq_model.decoding import GREEDY, beam_search, decoding_prefix, generate, kind_probabilities
from instructseq_model.decoding.generate import Meanings
from instructseq_model.label_sets import label_set
from instructseq_model.maps import class_maps, code_classes, decode_maps, marked_codes, referring_masks
from instructseq_model.perceiver import KIND_OF_TASK
from instructseq_model.perception import Task
from instructseq_model.reading import MARK_THRESHOLD
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vocabulary import OutputKind
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
    meanings = {
        Task.SEGMENTATION: Meanings.marked(marked_codes(parts.vqvae), threshold=MARK_THRESHOLD),
        Task.SEMANTIC: Meanings(labels=code_classes(parts.vqvae, label_set("household"))),
    }
    for number in range(min(count, len(frames))):
        said = frames.said[number]
        examples = _examples(said, phrasings, rng, max_targets=model.config.max_boxes)
        encoded = parts.instruction_encoder.encode([example.instruction for example in examples])
        cut = min(encoded.states.shape[1], model.config.max_instruction_tokens)
        features = torch.from_numpy(np.array(frames.features[number : number + 1])).float()
        image = model.encode_image(features.to(model.head.weight.device))
        prefix = model.encode_instruction(image, encoded.states[:, :cut].float(), encoded.lengths.clamp(max=cut))
        rows = decoding_prefix(model, image, prefix)
        chosen = kind_probabilities(model, rows.begin)
        for row, example in enumerate(examples):
            expected = KIND_OF_TASK[example.task]
            right_kind.append(max(chosen, key=lambda kind: float(chosen[kind][row])) is expected)
            if example.task is Task.CAPTION:
                best = beam_search(model, rows.row(row), size=3)[0]
                first = model.config.vocabulary.text_range.start
                captions.append(
                    (
                        parts.tokenizer.decode([t - first for t in best.tokens if t - first < parts.tokenizer.size]),
                        said["captions"],
                    )
                )
                continue
            made = generate(model, rows.row(row), expected, sampling=GREEDY, meanings=meanings.get(example.task))
            if expected is OutputKind.BOXES:
                whole = model.config.vocabulary.tokens_to_boxes(made.tokens[0, : int(made.lengths[0])].tolist())
                boxes.append((np.array(whole, float).reshape(-1, 4), np.array(example.boxes, float).reshape(-1, 4)))
                continue
            codes = made.tokens - model.config.vocabulary.visual_range.start
            painted = decode_maps(parts.vqvae, codes)
            if example.task is Task.SEMANTIC:
                ids = class_maps(painted, household)[0]
                confusion += confusion_matrix(ids, np.asarray(frames.classes[number]), classes=len(household.names))
                continue
            true = np.isin(frames.instances[number], example.targets)
            masks[example.kind].append((referring_masks(painted)[0], true))
            if model.grounding is not None and prefix.pointing is not None:
                heat = model.grounding.heat_map(prefix.pointing.heat[row : row + 1])[0].cpu().numpy() > 0
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
