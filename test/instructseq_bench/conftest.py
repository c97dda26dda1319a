"""A small model, a clip of noise, and a preset that measures almost nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from instructseq_bench.presets import Preset
from instructseq_bench.setting import Clip, Setting
from instructseq_model.checkpoint import save_checkpoint
from instructseq_model.model_config import ModelConfig
from instructseq_model.perception import Task
from instructseq_model.routing import Router
from instructseq_model.sequence_model import SequenceConfig, SequenceModel
from instructseq_model.text import TextTokenizer
from instructseq_model.transformer import TransformerConfig
from instructseq_model.vocabulary import Vocabulary
from instructseq_model.vqvae import VQVAE

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def tiny_paper() -> SequenceConfig:
    """The paper's form in the size of a test: 16 image tokens, maps of 16 tokens."""
    return SequenceConfig(
        transformer=TransformerConfig(layers=2, width=32, heads=2),
        vocabulary=Vocabulary(text_size=20, position_size=10, visual_size=50),
        vision_width=12,
        vision_grid=4,
        instruction_width=10,
        max_instruction_tokens=6,
        map_grid=4,
        max_text_tokens=5,
        max_boxes=2,
    )


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The household model's shape, made small, with the weights it was born with."""
    values = yaml.safe_load((ROOT / "config" / "household.yaml").read_text(encoding="utf-8"))
    values["transformer"] |= {"layers": 1, "width": 32, "heads": 2}
    values["vqvae"] |= {"channels": 16}
    values["max_text_tokens"] = 8
    config = ModelConfig.from_mapping(values, origin="the test")
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny")
    save_checkpoint(
        folder,
        config,
        sequence=SequenceModel(config.sequence).state_dict(),
        vqvae=VQVAE(config.vqvae).state_dict(),
        router=Router(config.sequence.instruction_width).state_dict(),
        tokenizer=TextTokenizer(Tokenizer(WordLevel({"red": 0, "square": 1}, unk_token="red"))),
    )
    return folder


@pytest.fixture(scope="session")
def smallest() -> Preset:
    return Preset(
        name="smallest",
        seconds=0.1,
        least=1,
        most=2,
        paper_steps=4,
        paper_map=True,
        frames=2,
        stream_frames=4,
        map_samples=(2,),
        windows=(64,),
        task_samples=(1, 2),
        growing_samples=(1, 2),
        growing_sizes=(64, 128),
        growing_questions=(1, 2),
        starts=1,
        rates=(5.0,),
        rate_seconds=0.5,
        peak_trials=1,
    )


def noise_clip(frames: int) -> Clip:
    """Noise in which a square moves."""
    pictures = np.random.default_rng(0).integers(80, 120, (max(frames, 3), 48, 64, 3), np.uint8)
    for number, picture in enumerate(pictures):
        picture[10:30, 10 + number : 30 + number] = (220, 30, 20)
    words = dict.fromkeys(Task, "mark the red square in green")
    return Clip(frames=tuple(pictures), instructions=words, origin="noise")


@pytest.fixture
def make_setting(
    tiny_paper: SequenceConfig, tiny_checkpoint: Path, smallest: Preset, tmp_path: Path
) -> Callable[..., Setting]:
    """A setting of the smallest preset; fields by name."""

    def make(**fields: Any) -> Setting:
        values = {
            "preset": smallest,
            "device": "cpu",
            "threads": None,
            "checkpoint": tiny_checkpoint,
            "paper": tiny_paper,
            "clip": noise_clip,
            "out": tmp_path,
        }
        return Setting(**(values | fields))

    return make
