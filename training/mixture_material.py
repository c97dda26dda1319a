"""A mixture of datasets as material: pictures read, decoded and encoded as they come (paper, section 4.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from instructseq_model.errors import ConfigError
from instructseq_model.model import InstructSeq
from instructseq_model.model_config import ModelConfig
from instructseq_model.perception import Task
from instructseq_model.pretrained import pretrained_source
from instructseq_model.routing import Router
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vision import VisionEncoder, build_vision_encoder
from instructseq_training.config import TrainConfig
from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.mixture import Mixture
from instructseq_training.datasets.overlap import TRAIN
from instructseq_training.datasets.shards import plan_file
from instructseq_training.datasets.table import dataset
from instructseq_training.datasets.training_data import open_training_data
from instructseq_training.fit import require_training_fit
from instructseq_training.frozen_encoders import FrozenEncoders
from instructseq_training.hardware import frozen_type
from instructseq_training.instructions import load_instruction_set
from instructseq_training.material import SAMPLE_FRAMES
from instructseq_training.mixture_evaluation import evaluate_parts, open_validation, show_parts
from instructseq_training.sample_batches import FrozenFeatures, SampleBatcher, as_pixels
from instructseq_training.samples import Sample
from instructseq_training.trained_parts import TrainedParts


class MixtureMaterial:
    """`Material` of public datasets.

    Args:
        root: folder of all datasets, or of their shards.
        mixture: datasets, tasks and shares.
        config: the model's shape.
        settings: the run's.
        encoder: the image encoder on the run's device; trained if `settings.vision` says so, else frozen here.

    Raises:
        DatasetError: a dataset is missing or damaged.
        ConfigError: the model does not fit the mixture.
    """

    def __init__(
        self, root: Path, mixture: Mixture, *, config: ModelConfig, settings: TrainConfig, encoder: VisionEncoder
    ) -> None:
        require_label_sets(mixture, config)
        opened = open_training_data(
            root,
            mixture,
            phrasings=load_instruction_set(settings.phrasings),
            map_side=config.vqvae.resolution,
            max_targets=config.max_boxes,
            seed=settings.seed,
        )
        self.data, self.config, self.settings = opened.data, config, settings
        self.validation, lacking = open_validation(root, mixture)
        self.messages: Sequence[str] = (*opened.messages, *lacking)
        self.encoder = encoder
        self.vision: VisionEncoder | None = encoder if settings.vision.trained else None

    def captions(self) -> Iterable[str]:
        """Captions of all datasets that are asked for any, each dataset once."""
        components = self.data.mixture.components
        splits = {
            component.dataset: split
            for component, split in zip(components, self.data.splits, strict=True)
            if component.task is Task.CAPTION
        }
        return (c for split in splits.values() for place in range(len(split)) for c in split[place].captions)

    def batches(self, encoders: FrozenEncoders) -> SampleBatcher:
        """See `Material`."""
        return SampleBatcher(
            data=self.data,
            encoders=encoders,
            image_size=self.config.image_size,
            read_images=FrozenFeatures(self.encoder) if self.vision is None else as_pixels,
            labels=self.config.label_sets[0],
            readers=self.settings.execution.readers,
        )

    def fit_start(self, model: SequenceModel, encoders: FrozenEncoders) -> None:
        """Nothing comes before the first step."""

    def evaluate(self, trained: TrainedParts, encoders: FrozenEncoders) -> dict[str, float]:
        """See `Material`."""
        model = self._model(trained, encoders)
        return evaluate_parts(model, self.validation, count=self.settings.evaluation_frames)

    def sample(self, trained: TrainedParts, encoders: FrozenEncoders) -> list[Sample]:
        """See `Material`."""
        return show_parts(self._model(trained, encoders), self.validation, count=SAMPLE_FRAMES)

    def _model(self, trained: TrainedParts, encoders: FrozenEncoders) -> InstructSeq:
        """The whole model, to be asked; its router does not matter where tasks are given."""
        return InstructSeq(
            self.config,
            vision=self.encoder if trained.vision is None else trained.vision,
            instruction=encoders.instruction_encoder,
            sequence=trained.sequence,
            vqvae=encoders.vqvae,
            router=Router(self.config.sequence.instruction_width).to(trained.sequence.head.weight.device),
            tokenizer=encoders.tokenizer,
        ).eval()


def open_encoder(config: ModelConfig, settings: TrainConfig, device: torch.device) -> VisionEncoder:
    """The published image encoder: in float32 to be trained, in the faster type to stay frozen.

    Raises:
        CheckpointError: its weights cannot be had.
    """
    name = config.vision_encoder
    encoder = build_vision_encoder(name, image_size=config.image_size, pretrained=pretrained_source(name))
    return encoder.to(device, torch.float32 if settings.vision.trained else frozen_type(device))


def require_datasets(root: Path, mixture: Mixture) -> None:
    """Check that the training split of every dataset is there, as published or in shards.

    Raises:
        DatasetError: some are not; the message names them all.
    """
    lacking = []
    for name in mixture.datasets:
        if plan_file(root, name, TRAIN).is_file():
            continue
        missing = [" or ".join(need.paths) for need in dataset(name).needs if not need.found(root, TRAIN)]
        if missing:
            lacking.append(f"{name} ({', '.join(missing).format(split=TRAIN)})")
    if lacking:
        raise DatasetError(
            f"{root} lacks {len(lacking)} of the mixture's {len(mixture.datasets)} datasets: {', '.join(lacking)}; "
            f"`instructseq data check {root}` says where to get them. Or name a mixture without them in the recipe"
        )


def require_label_sets(mixture: Mixture, config: ModelConfig) -> None:
    """Check that the model can be asked for what the mixture trains.

    Raises:
        ConfigError: it does not name a label set of the mixture, or sees images otherwise than they are given here.
    """
    named = {dataset(c.dataset).label_set for c in mixture.components if c.task is Task.SEMANTIC}
    missing = sorted(name for name in named if name and name not in config.label_sets)
    if missing:
        raise ConfigError(
            f"the mixture has maps of {', '.join(missing)}, but the model {config.name} knows "
            f"{', '.join(config.label_sets)}; add them to its label_sets, or leave these maps out of the mixture"
        )
    require_training_fit(config)
