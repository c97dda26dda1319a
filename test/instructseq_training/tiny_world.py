"""A tiny world: three frames, a small model and VQ-VAE with random weights, frozen encoders with random weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from instructseq_model.grounding import GroundingConfig
from instructseq_model.instruction import build_instruction_encoder
from instructseq_model.sequence_model import SequenceConfig
from instructseq_model.text import TextTokenizer
from instructseq_model.transformer import TransformerConfig
from instructseq_model.vocabulary import Vocabulary
from instructseq_model.vqvae import VQVAE, VQVAEConfig
from instructseq_training.batches import Batcher
from instructseq_training.instructions import load_instruction_set
from instructseq_training.prepared import PreparedFrames
from instructseq_training.tokenizer import train_tokenizer

SIDE = 32


def said(key: str) -> dict[str, Any]:
    """What is known of a frame with a mug on the left and a bowl on the right."""
    objects = [
        {"index": 1, "name": "mug", "box": [0, 0, 8, 16], "held_out": False},
        {"index": 2, "name": "bowl", "box": [16, 16, 32, 32], "held_out": False},
    ]
    expressions = [
        {"text": "the mug", "kind": "name", "targets": [1]},
        {"text": "the blue bowl", "kind": "colour", "targets": [2]},
        {"text": "both things", "kind": "all", "targets": [1, 2]},
        {"text": "the lamp", "kind": "none", "targets": []},
    ]
    captions = ["a mug and a bowl on a table", "a table with a mug and a bowl on it"]
    return {"key": key, "width": 32, "height": 32, "objects": objects, "expressions": expressions, "captions": captions}


def frames() -> PreparedFrames:
    """Three frames of 32 x 32 with 4 x 4 cells."""
    instances = np.zeros((3, SIDE, SIDE), np.uint8)
    instances[:, :16, :8] = 1
    instances[:, 16:, 16:] = 2
    features = np.random.default_rng(0).standard_normal((3, 16, 12)).astype(np.float16)
    return PreparedFrames(
        features=features, instances=instances, classes=instances + 1, said=[said(f"frame{n}") for n in range(3)]
    )


def vqvae() -> VQVAE:
    """Random weights, 4 x 4 codes for 32 x 32 pixels."""
    torch.manual_seed(0)
    config = VQVAEConfig(
        resolution=SIDE,
        channels=4,
        multipliers=(1, 2),
        blocks=1,
        attention_resolutions=(),
        mid_attention=False,
        codes=16,
        code_width=4,
        normalization="pixel",
        patch=4,
    )
    return VQVAE(config).eval().requires_grad_(False)


def tokenizer() -> TextTokenizer:
    """Learned from the frames' captions."""
    return train_tokenizer(said("x")["captions"] * 4, size=300)


PLAIN = GroundingConfig(subcells=2, key_width=8)
WHOLE = GroundingConfig(
    subcells=2, key_width=8, channels=2, refiner_layers=1, refiner_width=32, refiner_block=2, classes=3
)
"""Every part that a grounding may have."""


def sequence_config(grounding: GroundingConfig | None = PLAIN) -> SequenceConfig:
    """A model of two layers."""
    return SequenceConfig(
        transformer=TransformerConfig(layers=2, width=32, heads=2),
        vocabulary=Vocabulary(text_size=300, visual_size=16, position_size=50),
        vision_width=12,
        vision_grid=4,
        instruction_width=384,
        max_instruction_tokens=24,
        map_grid=4,
        max_text_tokens=12,
        max_boxes=2,
        grounding=grounding,
    )


def batcher(sequence: SequenceConfig | None = None) -> Batcher:
    """Batches of the three frames, with a random MiniLM."""
    torch.manual_seed(0)
    return Batcher(
        frames=frames(),
        phrasings=load_instruction_set("train"),
        sequence=sequence or sequence_config(),
        instruction_encoder=build_instruction_encoder("minilm", pretrained=None),
        vqvae=vqvae(),
        tokenizer=tokenizer(),
        seed=3,
    )
