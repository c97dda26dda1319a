"""A few rendered-like frames as shards, and a small checkpoint with random weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from instructseq_model.checkpoint import save_checkpoint
from instructseq_model.label_sets import LABEL_SET_NAMES, label_set
from instructseq_model.model_config import ModelConfig, load_model_config
from instructseq_model.perception import Task
from instructseq_model.routing import TASKS, Router
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.text import TextTokenizer
from instructseq_model.transformer import TransformerConfig
from instructseq_model.vqvae import VQVAE, VQVAEConfig
from instructseq_training.scenes.shards import Sample, shard_file, write_shard

CONFIG = Path(__file__).parents[4] / "config" / "household.yaml"
WORDS = ("a", "mug", "on", "the", "table", "bowl", "red", "blue")


def frame(number: int, split: str) -> Sample:
    """A mug on the left, a bowl on the right; in the split heldout the bowl was never trained on."""
    instances = np.zeros((48, 64), np.uint8)
    instances[:24, : 10 + number] = 1
    instances[24:, 32:] = 2
    objects = [
        {"index": 1, "name": "mug", "box": [0, 0, 10 + number, 24], "held_out": False},
        {"index": 2, "name": "bowl", "box": [32, 24, 64, 48], "held_out": split == "heldout"},
    ]
    expressions = [
        {"text": "the mug", "kind": "name", "targets": [1]},
        {"text": "the bowl", "kind": "name", "targets": [2]},
        {"text": "the blue bowl", "kind": "colour", "targets": [2]},
        {"text": "both things", "kind": "all", "targets": [1, 2]},
        {"text": "the lamp", "kind": "none", "targets": []},
    ]
    record = {"key": f"{split}-{number}", "split": split, "width": 64, "height": 48, "objects": objects}
    record |= {"expressions": expressions, "captions": ["a mug on the table", "a red mug and a bowl"]}
    rgb = np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8)
    classes = np.add.outer(np.arange(48) // 10 * 8, np.arange(64) // 8).astype(np.uint8)  # all forty, so that some hit
    return Sample(f"{split}-{number}", rgb, instances, classes, record)


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four frames each of val and heldout, in two shards."""
    folder = tmp_path_factory.mktemp("scenes")
    for split in ("val", "heldout"):
        for shard in (0, 1):
            write_shard(shard_file(folder, split, shard), (frame(2 * shard + i, split) for i in (0, 1)))
    return folder


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model that paints every answer, at random; its frozen encoders are the real ones."""
    config, sequence, router = random_parts("household")
    visual = config.sequence.vocabulary.visual_range
    with torch.no_grad():
        sequence.head.bias[visual.start : visual.stop] += 1000
    return written(tmp_path_factory.mktemp("checkpoint"), config, sequence, router)


@pytest.fixture(scope="session")
def all_marking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model of the public label sets that answers every instruction by marking the whole image."""
    config, sequence, router = random_parts("coco_stuff", "ade20k")
    visual = config.sequence.vocabulary.visual_range
    with torch.no_grad():
        sequence.head.bias[visual.start : visual.stop] += 1000
        router.task.bias[TASKS.index(Task.SEGMENTATION)] = 1000
    return written(tmp_path_factory.mktemp("all_marking"), config, sequence, router)


def random_parts(*label_sets: str) -> tuple[ModelConfig, SequenceModel, Router]:
    """Random weights that take every map of classes for one of the first label set."""
    household = load_model_config(CONFIG)
    assert household.grounding is not None
    config = replace(
        household,
        image_size=56,  # 4 x 4 cells
        transformer=TransformerConfig(layers=1, width=32, heads=2),
        vqvae=VQVAEConfig(resolution=16, channels=8, multipliers=(1, 2, 2), blocks=1, codes=32, normalization="pixel"),
        text_size=len(WORDS),
        position_size=30,
        max_text_tokens=5,
        label_sets=label_sets,
        grounding=replace(household.grounding, classes=len(label_set(label_sets[0]).names)),
    )
    torch.manual_seed(6)
    sequence, router = SequenceModel(config.sequence), Router(config.sequence.instruction_width)
    with torch.no_grad():  # far from even, so that different instructions are answered by different tasks
        sequence.head.weight.mul_(20)
        for parameter in sequence.transformer.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        router.task.weight.mul_(10)
        router.label_set.bias[LABEL_SET_NAMES.index(label_sets[0])] = 100
    return config, sequence, router


def written(folder: Path, config: ModelConfig, sequence: SequenceModel, router: Router) -> Path:
    """The parts as a checkpoint, with a VQ-VAE of random weights and a tokenizer of a few words."""
    save_checkpoint(
        folder,
        config,
        sequence=sequence.state_dict(),
        vqvae=VQVAE(config.vqvae).state_dict(),
        router=router.state_dict(),
        tokenizer=TextTokenizer(Tokenizer(WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="a"))),
    )
    return folder
