"""Batches of prepared frames: frames of a step, the instructions asked on them, and all target tensors.

Which frames and which words come at a step depends on the seed and the step only, so a resumed run sees what an
uninterrupted one would have seen.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instructseq_model.instruction import InstructionEncoder
from instructseq_model.label_sets import label_set
from instructseq_model.palette import NAMED_COLOURS, paint
from instructseq_model.perception import Task
from instructseq_model.sequence_model import SequenceConfig
from instructseq_model.text import TextTokenizer
from instructseq_model.vocabulary import OutputKind
from instructseq_model.vqvae import VQVAE
from instructseq_training.batch import Batch, Outputs
from instructseq_training.config import BatchConfig
from instructseq_training.examples import (
    Example,
    caption_example,
    draw_expressions,
    referring_example,
    semantic_example,
)
from instructseq_training.frozen_encoders import FrozenEncoders
from instructseq_training.instructions import InstructionSet
from instructseq_training.prepared import PreparedFrames, class_targets


class Batcher:
    """Draws batches from prepared frames: `Batches` with the features of a frozen image encoder.

    Args:
        frames: prepared frames.
        phrasings: the instruction set to draw words from.
        sequence: shape of the model.
        instruction_encoder: frozen.
        vqvae: frozen, gives the target codes.
        tokenizer: of captions.
        seed: with the step, decides everything.
    """

    def __init__(
        self,
        *,
        frames: PreparedFrames,
        phrasings: InstructionSet,
        sequence: SequenceConfig,
        instruction_encoder: InstructionEncoder,
        vqvae: VQVAE,
        tokenizer: TextTokenizer,
        seed: int,
    ) -> None:
        self.frames, self.phrasings, self.sequence, self.seed = frames, phrasings, sequence, seed
        self.encoders = FrozenEncoders(
            sequence=sequence, instruction_encoder=instruction_encoder, vqvae=vqvae, tokenizer=tokenizer
        )
        self.household = label_set("household")

    def frame_numbers(self, step: int, count: int) -> list[int]:
        """The frames of a step: every frame once an epoch, in an order of the epoch's own."""
        total = len(self.frames)
        places = [divmod(place, total) for place in range(step * count, (step + 1) * count)]
        orders = {epoch: np.random.default_rng((self.seed, epoch)).permutation(total) for epoch, _ in places}
        return [int(orders[epoch][offset]) for epoch, offset in places]

    def batch(self, step: int, config: BatchConfig) -> Batch:
        """The batch of a step.

        Args:
            step: which one.
            config: how many of what it holds.
        """
        return self.parts(step, config, [range(config.frames)])[0]

    def parts(self, step: int, config: BatchConfig, places: Sequence[range]) -> list[Batch]:
        """Parts of a step's batch; which frames and words they hold does not depend on how the step is divided.

        Args:
            step: which one.
            config: how many of what the whole step holds.
            places: of each part, which of the step's frames it holds.
        """
        rng = random.Random(f"{self.seed} {step}")
        numbers = self.frame_numbers(step, config.frames)
        # Words of all frames, whoever works on them: drawn in one stream, they cost next to nothing.
        examples = [self._examples(number, config, rng) for number in numbers]
        return [
            self._batch([numbers[place] for place in part], [examples[place] for place in part], config, part)
            for part in places
        ]

    def most_maps(self, config: BatchConfig) -> int:
        """As many as there are."""
        return config.frames * config.maps

    def _batch(self, numbers: list[int], per_frame: list[list[Example]], config: BatchConfig, places: range) -> Batch:
        examples = [example for group in per_frame for example in group]
        owners = [number for number, group in zip(numbers, per_frame, strict=True) for _ in group]
        instructions = [example.instruction for example in examples]
        states, lengths = self.encoders.instruction_states(instructions, low_precision=config.low_precision)
        heat, refers = self._heat(examples, owners)
        return Batch(
            images=torch.from_numpy(np.array(self.frames.features[numbers])).float(),
            states=states,
            lengths=lengths,
            outputs=self._outputs(examples, owners, config),
            map_numbers=torch.arange(config.maps * places.start, config.maps * places.stop),
            heat=heat,
            refers=refers,
            classes=self._classes(numbers),
            examples=examples,
        )

    def _examples(self, number: int, config: BatchConfig, rng: random.Random) -> list[Example]:
        """One frame's instructions: referring maps, semantic maps, boxes, captions, then those for grounding alone."""
        said = self.frames.said[number]
        count = config.referring_maps + config.boxes + config.grounding
        expressions = draw_expressions(
            said, count, kind_weights=config.kind_weights, max_targets=self.sequence.max_boxes, rng=rng
        )
        tasks = [Task.SEGMENTATION] * config.referring_maps + [Task.DETECTION] * config.boxes
        tasks += [rng.choice([Task.SEGMENTATION, Task.DETECTION]) for _ in range(config.grounding)]
        referring = [
            referring_example(said, expression, task=task, phrasings=self.phrasings, rng=rng)
            for expression, task in zip(expressions, tasks, strict=True)
        ]
        maps = config.referring_maps
        semantic = [
            semantic_example(phrasings=self.phrasings, label_set="household", rng=rng)
            for _ in range(config.semantic_maps)
        ]
        captions = [caption_example(said, phrasings=self.phrasings, rng=rng) for _ in range(config.captions)]
        boxes_end = maps + config.boxes
        return referring[:maps] + semantic + referring[maps:boxes_end] + captions + referring[boxes_end:]

    def _outputs(self, examples: list[Example], owners: list[int], config: BatchConfig) -> dict[OutputKind, Outputs]:
        place = torch.arange(len(examples)).view(len(examples) // config.instructions, -1)
        ends = np.cumsum([config.referring_maps + config.semantic_maps, config.boxes, config.captions]).tolist()
        rows = {
            OutputKind.MAP: place[:, : ends[0]].flatten(),
            OutputKind.BOXES: place[:, ends[0] : ends[1]].flatten(),
            OutputKind.TEXT: place[:, ends[1] : ends[2]].flatten(),
        }
        outputs = {}
        for kind, chosen in rows.items():
            if len(chosen) == 0:
                continue
            asked = [(examples[row], owners[row]) for row in chosen.tolist()]
            maps = [self.target_map(example, number) for example, number in asked] if kind is OutputKind.MAP else []
            tokens = self.encoders.answer_tokens(
                kind, [example for example, _ in asked], maps, low_precision=config.low_precision
            )
            outputs[kind] = Outputs(rows=chosen, tokens=tokens)
        return outputs

    def target_map(self, example: Example, number: int) -> NDArray[np.uint8]:
        """The map an example asks for, S x S x 3: class colours, or the targets in the asked colour on black."""
        if example.task is Task.SEMANTIC:
            return paint(np.asarray(self.frames.classes[number]), self.household)
        mask = np.isin(self.frames.instances[number], example.targets)
        return (mask[..., None] * np.array(NAMED_COLOURS[example.colour])).astype(np.uint8)

    def _heat(self, examples: list[Example], owners: list[int]) -> tuple[Tensor, Tensor]:
        grounding = self.sequence.grounding
        refers = torch.tensor([e.task in (Task.SEGMENTATION, Task.DETECTION) for e in examples])
        if grounding is None:
            return torch.zeros(len(examples), 1, 1), torch.zeros_like(refers)
        side = self.sequence.vision_grid * grounding.subcells
        masks = np.stack(
            [np.isin(self.frames.instances[n], e.targets) for e, n in zip(examples, owners, strict=True)]
        )  # R x S x S
        factor = masks.shape[-1] // side
        pooled = masks.reshape(len(examples), side, factor, side, factor).mean((2, 4), dtype=np.float32)
        return torch.from_numpy(pooled), refers

    def _classes(self, numbers: list[int]) -> Tensor:
        grounding = self.sequence.grounding
        if grounding is None:
            return torch.zeros(len(numbers), 1, 1, dtype=torch.long)
        return class_targets(self.frames, numbers, side=self.sequence.vision_grid * grounding.subcells)
