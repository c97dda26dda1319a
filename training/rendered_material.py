"""Rendered scenes as material: image features computed once, then words drawn anew at each step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from instructseq_model.errors import ConfigError
from instructseq_model.model_config import ModelConfig
from instructseq_model.pretrained import pretrained_source
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.vision import VisionEncoder, build_vision_encoder
from instructseq_training.batches import Batcher
from instructseq_training.config import TrainConfig
from instructseq_training.fit import require_training_fit
from instructseq_training.free_running import evaluate_frames
from instructseq_training.frozen_encoders import FrozenEncoders
from instructseq_training.grounding_start import start_grounding
from instructseq_training.hardware import frozen_type
from instructseq_training.instructions import load_instruction_set
from instructseq_training.material import SAMPLE_FRAMES
from instructseq_training.prepared import FRAMES, PreparedFrames, load_prepared, prepare
from instructseq_training.samples import Sample, sample_answers
from instructseq_training.trained_parts import TrainedParts


class RenderedMaterial:
    """`Material` of prepared frames.

    Args:
        train_frames: to train on.
        val_frames: to evaluate on.
        settings: the run's.
    """

    vision: VisionEncoder | None = None

    def __init__(self, train_frames: PreparedFrames, val_frames: PreparedFrames, settings: TrainConfig) -> None:
        self.train_frames, self.val_frames, self.settings = train_frames, val_frames, settings
        self.held_out = load_instruction_set("held_out")
        self.messages: Sequence[str] = (f"rendered scenes: {len(train_frames)} training frames",)

    @classmethod
    def open(
        cls, scenes: Sequence[Path], prepared: Path, *, config: ModelConfig, settings: TrainConfig, device: torch.device
    ) -> RenderedMaterial:
        """Prepared frames, computed from the scenes where they are missing.

        Raises:
            ConfigError: a split is not rendered, what was prepared is damaged, or the model is to see images otherwise
                than they are prepared.
        """
        require_training_fit(config)
        prepare_splits(scenes, prepared, config, device)
        return cls(load_prepared(prepared / "train"), load_prepared(prepared / "val"), settings)

    def captions(self) -> Iterable[str]:
        """See `Material`."""
        return (caption for said in self.train_frames.said for caption in said["captions"])

    def batches(self, encoders: FrozenEncoders) -> Batcher:
        """See `Material`."""
        return Batcher(
            frames=self.train_frames,
            phrasings=load_instruction_set(self.settings.phrasings),
            sequence=encoders.sequence,
            instruction_encoder=encoders.instruction_encoder,
            vqvae=encoders.vqvae,
            tokenizer=encoders.tokenizer,
            seed=self.settings.seed,
        )

    def fit_start(self, model: SequenceModel, encoders: FrozenEncoders) -> None:
        """Fit the grounding's start, if the model has a grounding and the recipe a start for it."""
        if model.grounding is None or not self.settings.grounding_start.steps:
            return
        start_grounding(
            model,
            frames=self.train_frames,
            phrasings=load_instruction_set(self.settings.phrasings),
            encoder=encoders.instruction_encoder,
            config=self.settings.grounding_start,
            seed=self.settings.seed,
        )

    def evaluate(self, trained: TrainedParts, encoders: FrozenEncoders) -> dict[str, float]:
        """See `Material`."""
        count = self.settings.evaluation_frames
        return evaluate_frames(trained.sequence, encoders, self.val_frames, self.held_out, count=count)

    def sample(self, trained: TrainedParts, encoders: FrozenEncoders) -> list[Sample]:
        """See `Material`."""
        return sample_answers(trained.sequence, encoders, self.val_frames, self.held_out, count=SAMPLE_FRAMES)


def prepare_splits(scenes: Sequence[Path], out: Path, config: ModelConfig, device: torch.device) -> None:
    """Compute image features of the splits that have none yet.

    Args:
        scenes: folders of shards, whose frames follow one another; each split is in one of them at least.
        out: a folder for each split is made here.
        config: of the model, whose image encoder it is.
        device: to compute on.

    Raises:
        ConfigError: a split is not rendered.
    """
    missing = [split for split in ("val", "heldout", "train") if not (out / split / FRAMES).is_file()]
    if not missing:
        return
    encoder = build_vision_encoder(
        config.vision_encoder, image_size=config.image_size, pretrained=pretrained_source(config.vision_encoder)
    )
    encoder = encoder.to(device, frozen_type(device)).eval().requires_grad_(False)
    for split in missing:
        shards = [shard for folder in scenes for shard in sorted(folder.glob(f"{split}-*.tar"))]
        if not shards:
            raise ConfigError(
                f"{', '.join(map(str, scenes))} holds no {split}-*.tar; render them: "
                f"instructseq scenes {scenes[0]} --split {split}"
            )
        prepare(shards, out / split, encoder=encoder, map_side=config.vqvae.resolution)
