"""InstructSeq as one module: image encoder, instruction encoder, sequence model, VQ-VAE and router."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor, nn

from instructseq_model.calibration import Calibration
from instructseq_model.decoding.prefix import DecodingPrefix, decoding_prefix, stack_prefixes
from instructseq_model.decoding.steps import Decoder
from instructseq_model.decoding.torch_steps import TorchDecoder
from instructseq_model.errors import ConfigError
from instructseq_model.instruction import InstructionEncoder, InstructionStates, build_instruction_encoder
from instructseq_model.label_sets import LabelSet
from instructseq_model.maps import PaintedCodes
from instructseq_model.model_config import ModelConfig
from instructseq_model.pretrained import pretrained_source
from instructseq_model.routing import Router
from instructseq_model.sequence_model import ImagePrefix, InstructionPrefix, SequenceModel
from instructseq_model.text import TextTokenizer
from instructseq_model.vision import VisionEncoder, build_vision_encoder
from instructseq_model.vqvae import VQVAE


class InstructSeq(nn.Module):
    """The five parts and the caption tokenizer.

    `decoder` decodes with the sequence model; another one may take its place.

    Args:
        config: the model's shape.
        vision: image encoder of `config.vision_encoder`.
        instruction: frozen instruction encoder of `config.instruction_encoder`.
        sequence: of `config.sequence`.
        vqvae: of `config.vqvae`.
        router: reads task and label set out of the instruction.
        tokenizer: of captions; None in a model with random weights that has none.
        calibration: of its confidence; None leaves it as the model says it.
        code_meanings: what the visual codes mean, as far as that is known; see `maps.PaintedCodes`.
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        vision: VisionEncoder,
        instruction: InstructionEncoder,
        sequence: SequenceModel,
        vqvae: VQVAE,
        router: Router,
        tokenizer: TextTokenizer | None,
        calibration: Calibration | None = None,
        code_meanings: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.calibration = calibration or Calibration()
        self.config = config
        self.vision, self.instruction, self.sequence = vision, instruction, sequence
        self.vqvae, self.router, self.tokenizer = vqvae, router, tokenizer
        self.decoder: Decoder = TorchDecoder(sequence)
        self._code_meanings = code_meanings

    @cached_property
    def painted_codes(self) -> PaintedCodes:
        """What the visual codes paint."""
        return PaintedCodes(self.vqvae, self._code_meanings)

    @property
    def marked_codes(self) -> Tensor:
        """Which visual codes paint a mark; see `maps.PaintedCodes`."""
        return self.painted_codes.marked_codes

    def code_classes(self, label_set: LabelSet) -> Tensor:
        """Which class of a label set each visual code paints; see `maps.PaintedCodes`."""
        return self.painted_codes.code_classes(label_set)

    @property
    def device(self) -> torch.device:
        """Where the sequence model runs."""
        return self.sequence.head.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """In what precision the sequence model runs."""
        return self.sequence.head.weight.dtype

    def read_image(self, pixels: Tensor) -> ImagePrefix:
        """Encode images: B x 3 x S x S in [0, 1]."""
        return self.sequence.encode_image(self.vision(pixels).to(self.dtype))

    def read_instruction(self, image: ImagePrefix, encoded: InstructionStates) -> InstructionPrefix:
        """Put encoded instructions on images; longer ones are cut to `config.max_instruction_tokens`."""
        length = min(encoded.states.shape[1], self.config.max_instruction_tokens)
        states = encoded.states[:, :length].to(self.device, self.dtype)
        return self.sequence.encode_instruction(image, states, encoded.lengths.to(self.device).clamp(max=length))

    def decoding_prefix(self, image: ImagePrefix, encoded: InstructionStates) -> DecodingPrefix:
        """Put encoded instructions and BEGIN on images."""
        return decoding_prefix(self.sequence, image, self.read_instruction(image, encoded))

    def stack_prefixes(self, prefixes: Sequence[DecodingPrefix]) -> DecodingPrefix:
        """Prefixes of this model, to be decoded together."""
        return stack_prefixes(prefixes)


def in_pytorch(model: object, *, purpose: str) -> InstructSeq:
    """A model in use, where its parts themselves are needed.

    Args:
        model: what a `Perceiver` holds.
        purpose: what for, as the message is to say it.

    Raises:
        ConfigError: it is an export, of which only the graphs are there.
    """
    if not isinstance(model, InstructSeq):
        raise ConfigError(f"{purpose} needs a checkpoint, not an export; give the checkpoint's folder")
    return model


def build_random(config: ModelConfig, *, pretrained_encoders: bool = False) -> InstructSeq:
    """A model with random weights of the trained parts.

    Args:
        config: the model's shape.
        pretrained_encoders: load the encoders' published weights; else they are random too.

    Raises:
        CheckpointError: published weights are wanted and cannot be had.
    """
    names = (config.vision_encoder, config.instruction_encoder)
    vision_source, instruction_source = (pretrained_source(name) if pretrained_encoders else None for name in names)
    return InstructSeq(
        config,
        vision=build_vision_encoder(names[0], image_size=config.image_size, pretrained=vision_source).eval(),
        instruction=build_instruction_encoder(
            names[1], pretrained=instruction_source, max_tokens=config.max_instruction_tokens
        ),
        sequence=SequenceModel(config.sequence).eval(),
        vqvae=VQVAE(config.vqvae).eval(),
        router=Router(config.sequence.instruction_width).eval(),
        tokenizer=None,
    )
