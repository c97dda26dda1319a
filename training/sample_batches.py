"""Batches of a mixture of datasets: one image with one instruction a frame, decoded and encoded on the fly.

Which samples a step holds depends on the seed and the step only: frame f of step s is sample s * frames + f of the
training data, whichever process works on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from instructseq_model.geometry import fit_image
from instructseq_model.perceiver import KIND_OF_TASK
from instructseq_model.perception import Task
from instructseq_model.vision import VisionEncoder
from instructseq_model.vocabulary import OutputKind
from instructseq_training.batch import Batch, Outputs
from instructseq_training.config import BatchConfig
from instructseq_training.datasets.samples import TrainingSample
from instructseq_training.fit import TRAINING_FIT
from instructseq_training.frozen_encoders import FrozenEncoders

NO_CLASS = 255
"""In maps of places' classes: nothing is known of the place."""


class SamplesByNumber(Protocol):
    """Training samples by number, without an end."""

    def __getitem__(self, number: int) -> TrainingSample:
        """One of them, the same whenever asked for."""


class ImageReader(Protocol):
    """What becomes of a batch's pictures before the model sees them."""

    def __call__(self, pixels: Tensor) -> Tensor:
        """From I x 3 x S x S uint8 to what `Batch.images` holds."""


class FrozenFeatures:
    """An `ImageReader` for a frozen image encoder: its features.

    Args:
        encoder: on its device, in the precision it is to run in.
    """

    def __init__(self, encoder: VisionEncoder) -> None:
        self.encoder = encoder.eval().requires_grad_(False)

    def __call__(self, pixels: Tensor) -> Tensor:
        """I x P x Dv, float32."""
        device = next(self.encoder.parameters()).device
        with torch.no_grad():
            features: Tensor = self.encoder(pixels.to(device).float() / 255)
        return features.float()


def as_pixels(pixels: Tensor) -> Tensor:
    """An `ImageReader` for an image encoder that is trained: the pictures as they are, I x 3 x S x S uint8."""
    return pixels


class SampleBatcher:
    """Draws batches from training samples: `Batches` with one instruction a frame.

    Args:
        data: samples by number, such as `datasets.training_data.TrainingData`; the same whenever asked for.
        encoders: of words and answers.
        image_size: side of the square that the image encoder sees, pixels; pictures are stretched to it.
        read_images: `FrozenFeatures`, or `as_pixels` where the encoder is trained.
        labels: name of the label set of the grounding's classes: the model's first.
        readers: threads that read and decode pictures.
    """

    def __init__(
        self,
        *,
        data: SamplesByNumber,
        encoders: FrozenEncoders,
        image_size: int,
        read_images: ImageReader,
        labels: str,
        readers: int = 4,
    ) -> None:
        self.data, self.encoders, self.image_size, self.read_images = data, encoders, image_size, read_images
        self.sequence, self.labels = encoders.sequence, labels
        self._pool = ThreadPoolExecutor(readers, "pictures")

    def parts(self, step: int, config: BatchConfig, places: Sequence[range]) -> list[Batch]:
        """See `Batches.parts`; only the samples of these parts are read."""
        first = step * config.frames
        # Each part's pictures are asked for at once, so that readers are busy while the part before is encoded.
        drawn = [[self._pool.submit(self._sample, first + place) for place in part] for part in places]
        return [
            self._batch([sample.result() for sample in group], config, part)
            for group, part in zip(drawn, places, strict=True)
        ]

    def most_maps(self, config: BatchConfig) -> int:
        """A frame may hold one; its map has the frame's number."""
        return config.frames

    def _sample(self, number: int) -> tuple[TrainingSample, Tensor]:
        """A sample and its picture, 3 x S x S uint8."""
        sample = self.data[number]
        _, square = fit_image(sample.image, fit=TRAINING_FIT, side=self.image_size)
        return sample, torch.from_numpy(np.ascontiguousarray(square.transpose(2, 0, 1)))

    def _batch(self, drawn: list[tuple[TrainingSample, Tensor]], config: BatchConfig, places: range) -> Batch:
        samples = [sample for sample, _ in drawn]
        examples = [sample.example for sample in samples]
        instructions = [example.instruction for example in examples]
        states, lengths = self.encoders.instruction_states(instructions, low_precision=config.low_precision)
        outputs = self._outputs(samples, low_precision=config.low_precision)
        maps = outputs[OutputKind.MAP].rows if OutputKind.MAP in outputs else torch.zeros(0, dtype=torch.long)
        return Batch(
            images=self.read_images(torch.stack([pixels for _, pixels in drawn])),
            states=states,
            lengths=lengths,
            outputs=outputs,
            map_numbers=maps + places.start,
            heat=self._heat(samples),
            refers=torch.tensor([self.sequence.grounding is not None and s.mask is not None for s in samples]),
            classes=self._classes(samples),
            examples=examples,
        )

    def _outputs(self, samples: list[TrainingSample], *, low_precision: bool) -> dict[OutputKind, Outputs]:
        kinds = [KIND_OF_TASK[sample.example.task] for sample in samples]
        outputs = {}
        for kind in OutputKind:
            rows = [row for row, found in enumerate(kinds) if found is kind]
            if rows:
                maps = [samples[row].painted() for row in rows] if kind is OutputKind.MAP else []
                examples = [samples[row].example for row in rows]
                tokens = self.encoders.answer_tokens(kind, examples, maps, low_precision=low_precision)
                outputs[kind] = Outputs(rows=torch.tensor(rows), tokens=tokens)
        return outputs

    def _heat(self, samples: list[TrainingSample]) -> Tensor:
        """R x GS x GS: the share of each subcell that an instruction refers to; zero where it refers to nothing."""
        side = self._grounding_side
        heat = torch.zeros(len(samples), side, side)
        for row, sample in enumerate(samples):
            if sample.mask is not None and self.sequence.grounding is not None:
                factor = sample.mask.shape[-1] // side
                pooled = sample.mask.reshape(side, factor, side, factor).mean((1, 3), dtype=np.float32)
                heat[row] = torch.from_numpy(pooled)
        return heat

    def _classes(self, samples: list[TrainingSample]) -> Tensor:
        """I x GS x GS: the class at each subcell's middle, `NO_CLASS` where the sample says nothing of it."""
        side = self._grounding_side
        classes = torch.full((len(samples), side, side), NO_CLASS, dtype=torch.long)
        for row, sample in enumerate(samples):
            if sample.example.task is Task.SEMANTIC and sample.label_set == self.labels and sample.classes is not None:
                factor = sample.classes.shape[-1] // side
                middle = factor // 2
                classes[row] = torch.from_numpy(sample.classes[middle::factor, middle::factor].astype(np.int64))
        return classes

    @property
    def _grounding_side(self) -> int:
        grounding = self.sequence.grounding
        return 1 if grounding is None else self.sequence.vision_grid * grounding.subcells
