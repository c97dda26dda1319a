"""A model's configuration: one YAML file that names encoders, sizes and label sets, read into frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from instructseq_model.errors import ConfigError
from instructseq_model.geometry import FITS
from instructseq_model.grounding import GroundingConfig
from instructseq_model.instruction import INSTRUCTION_SPECS
from instructseq_model.label_sets import LABEL_SET_NAMES, label_set
from instructseq_model.sequence_model import SequenceConfig
from instructseq_model.transformer import TransformerConfig
from instructseq_model.vision import VISION_SPECS
from instructseq_model.vocabulary import Vocabulary
from instructseq_model.vqvae import VQVAEConfig

DEEPEST = 20
"""Levels of a configuration file; there are three."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Everything that decides a model's shape.

    Attributes:
        name: what it is called.
        vision_encoder: one of `vision.VISION_SPECS`.
        image_size: side of the square that the encoder sees, pixels.
        fit: how an image becomes that square: "stretch" (all of the square used) or "letterbox" (shape kept).
        instruction_encoder: one of `instruction.INSTRUCTION_SPECS`.
        max_instruction_tokens: longer instructions are cut, with a warning.
        text_size: ids of the caption tokenizer.
        position_size: bins of a coordinate.
        max_text_tokens: longest caption, END included.
        max_boxes: most boxes in an answer.
        transformer: its layers.
        vqvae: the autoencoder of maps; gives the visual vocabulary and the map's grid.
        grounding: None for the paper's plain form.
        whitened: whether frozen features are whitened; see `SequenceConfig`.
        label_sets: those the model was trained on; the first is meant when an instruction names none.
    """

    name: str
    vision_encoder: str
    image_size: int
    fit: str
    instruction_encoder: str
    max_instruction_tokens: int
    text_size: int
    max_text_tokens: int
    max_boxes: int
    transformer: TransformerConfig
    vqvae: VQVAEConfig
    label_sets: tuple[str, ...]
    position_size: int = 1000
    grounding: GroundingConfig | None = None
    whitened: bool = False

    def __post_init__(self) -> None:
        _one_of("vision_encoder", self.vision_encoder, VISION_SPECS)
        _one_of("instruction_encoder", self.instruction_encoder, INSTRUCTION_SPECS)
        _one_of("fit", self.fit, FITS)
        for setting in ("image_size", "max_instruction_tokens", "max_text_tokens", "max_boxes"):
            value = getattr(self, setting)
            if not isinstance(value, int) or value < 1:
                raise ConfigError(f"{setting} must be a whole number of at least 1, got {value!r:.200}")
        patch = VISION_SPECS[self.vision_encoder].patch
        if self.image_size % patch:
            raise ConfigError(f"image_size is {self.image_size}; {self.vision_encoder} needs a multiple of {patch}")
        if not self.label_sets:
            raise ConfigError("label_sets is empty; name at least one")
        for name in self.label_sets:
            _one_of("label_sets", name, LABEL_SET_NAMES)
        classes = len(label_set(self.label_sets[0]).names)
        if self.grounding is not None and self.grounding.classes not in (0, classes):
            raise ConfigError(f"grounding.classes is {self.grounding.classes}; {self.label_sets[0]} has {classes}")

    @property
    def sequence(self) -> SequenceConfig:
        """The sequence model that these parts need."""
        vision = VISION_SPECS[self.vision_encoder]
        return SequenceConfig(
            transformer=self.transformer,
            vocabulary=Vocabulary(
                text_size=self.text_size, position_size=self.position_size, visual_size=self.vqvae.codes
            ),
            vision_width=vision.width * (1 + len(vision.inner_blocks)),
            vision_grid=self.image_size // vision.patch,
            instruction_width=INSTRUCTION_SPECS[self.instruction_encoder].width,
            max_instruction_tokens=self.max_instruction_tokens,
            map_grid=self.vqvae.grid,
            max_text_tokens=self.max_text_tokens,
            max_boxes=self.max_boxes,
            grounding=self.grounding,
            whitened=self.whitened,
        )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], *, origin: str) -> ModelConfig:
        """Build from a YAML mapping.

        Raises:
            ConfigError: a key is missing, unknown, or has a value that makes no model.
        """
        held = dict(values)
        try:
            held["transformer"] = TransformerConfig(**held["transformer"])
            held["vqvae"] = VQVAEConfig.from_mapping(held["vqvae"])
            held["label_sets"] = tuple(held["label_sets"])
            if held.get("grounding") is not None:
                held["grounding"] = GroundingConfig(**held["grounding"])
            return cls(**held)
        except ConfigError:
            raise
        # The parts calculate with what they are given; a text instead of a number may even be taken for a format.
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise ConfigError(
                f"{origin} is no model configuration ({error!s:.300}); compare config/household.yaml"
            ) from error

    def to_mapping(self) -> dict[str, Any]:
        """What `from_mapping` reads."""
        return asdict(self) | {"vqvae": self.vqvae.to_mapping(), "label_sets": list(self.label_sets)}


class _PlainLoader(yaml.SafeLoader):
    """Without aliases, of which a few lines say more than any memory holds, and without deep nesting."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read here: write the value out")
        if self.depth > DEEPEST:
            raise yaml.YAMLError(f"it is nested more than {DEEPEST} levels deep")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def load_model_config(path: Path) -> ModelConfig:
    """Read a model's YAML.

    Raises:
        ConfigError: no such file, or no model configuration in it.
    """
    if not path.is_file():
        raise ConfigError(f"there is no model configuration {path}; config/ holds large, base-* and household")
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_PlainLoader)
    # Whole numbers of thousands of digits, dates that do not exist and nesting without end are errors of their own.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is no YAML file ({error!s:.300})") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold a mapping; compare config/household.yaml")
    return ModelConfig.from_mapping(values, origin=str(path))


def _one_of(setting: str, value: str, known: Any) -> None:
    if value not in known:
        raise ConfigError(f"{setting} is {value!r:.200}; it must be one of {', '.join(known)}")
