"""The sequence model: features and instruction states in, distributions over the unified vocabulary out.

Order of a sequence: image tokens, instruction tokens, BEGIN, output tokens (paper, section 3.2.1). The frozen encoders
and the VQ-VAE stand outside, so that training can run on stored features and decoding on cached ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from instructseq_model.errors import ConfigError
from instructseq_model.grounding import Conditioning, Grounding, GroundingConfig, ImageGrounding, Pointing
from instructseq_model.positions import grid_positions, line_positions
from instructseq_model.transformer import KeyValues, StaticCache, Transformer, TransformerConfig, causal_mask
from instructseq_model.vocabulary import BEGIN, OutputKind, Vocabulary
from instructseq_model.whitening import Whitening


@dataclass(frozen=True, kw_only=True)
class SequenceConfig:
    """Shape of the sequence model.

    Attributes:
        transformer: its layers.
        vocabulary: the unified vocabulary.
        vision_width: width of the image features.
        vision_grid: image tokens a side.
        instruction_width: width of the instruction states.
        max_instruction_tokens: longest instruction, tokens.
        map_grid: visual tokens a side of a map.
        max_text_tokens: longest text, tokens, END included.
        max_boxes: most boxes an answer holds.
        grounding: None for the paper's plain form.
        whitened: whether frozen features are whitened before anything else reads them; for encoders that stay frozen.
    """

    transformer: TransformerConfig
    vocabulary: Vocabulary
    vision_width: int
    vision_grid: int
    instruction_width: int
    max_instruction_tokens: int
    map_grid: int
    max_text_tokens: int
    max_boxes: int
    grounding: GroundingConfig | None = None
    whitened: bool = False

    def __post_init__(self) -> None:
        if self.grounding is not None and self.map_grid != self.vision_grid:
            raise ConfigError("grounding needs as many map tokens a side as image tokens; set map_grid = vision_grid")

    def output_length(self, kind: OutputKind) -> int:
        """Most output tokens of a kind: exactly so many for maps, END included for boxes and text."""
        if kind is OutputKind.MAP:
            return self.map_grid**2
        return 4 * self.max_boxes + 1 if kind is OutputKind.BOXES else self.max_text_tokens


class ImagePrefix(NamedTuple):
    """An image as the transformer holds it: computed once a frame, for all instructions on it.

    Attributes:
        states: I x P x D, normed.
        past: each layer's keys and values, I x H x P x d.
        grounding: what the grounding holds of it; None without grounding.
    """

    states: Tensor
    past: list[KeyValues]
    grounding: ImageGrounding | None

    def row(self, index: int) -> ImagePrefix:
        """One image, as views."""
        rows = slice(index, index + 1)
        past = [KeyValues(layer.keys[rows], layer.values[rows]) for layer in self.past]
        return ImagePrefix(self.states[rows], past, None if self.grounding is None else self.grounding.rows(rows))


class InstructionPrefix(NamedTuple):
    """Instructions read in front of their images: R rows, R / I consecutive ones an image.

    Attributes:
        past: each layer's keys and values of the instruction tokens, R x H x L x d.
        mask: R x L, bool, True for tokens that are there.
        pointing: where the grounding looks; None without grounding.
    """

    past: list[KeyValues]
    mask: Tensor
    pointing: Pointing | None


class SequenceModel(nn.Module):
    """Embeddings, transformer, grounding and output head."""

    def __init__(self, config: SequenceConfig) -> None:
        super().__init__()
        self.config = config
        width = config.transformer.width
        self.transformer = Transformer(config.transformer)
        self.image_whitening = Whitening(config.vision_width) if config.whitened else nn.Identity()
        self.pooled_whitening = Whitening(config.instruction_width) if config.whitened else nn.Identity()
        # Normed, or the features outgrow the positions beside them and the model goes blind to where things are.
        self.image_projection = nn.Sequential(nn.Linear(config.vision_width, width), nn.LayerNorm(width))
        self.image_positions = nn.Parameter(grid_positions(config.vision_grid, width))
        self.instruction_projection = nn.Sequential(nn.Linear(config.instruction_width, width), nn.LayerNorm(width))
        self.instruction_positions = nn.Parameter(0.02 * torch.randn(config.max_instruction_tokens, width))
        self.segments = nn.Parameter(0.02 * torch.randn(2, width))  # image, instruction
        self.tokens = nn.Embedding(config.vocabulary.size, width)
        nn.init.normal_(self.tokens.weight, std=0.1)
        self.map_positions = nn.Parameter(0.5 * grid_positions(config.map_grid, width))
        self.box_positions = nn.Parameter(0.1 * torch.randn(config.output_length(OutputKind.BOXES), width))
        self.text_positions = nn.Parameter(0.1 * torch.randn(config.max_text_tokens, width))
        self.head = nn.Linear(width, config.vocabulary.size)
        nn.init.normal_(self.head.weight, std=0.02)
        self._smooth_positions()
        self.grounding = None
        if config.grounding is not None:
            self.grounding = Grounding(
                config.grounding,
                width=width,
                vision_width=config.vision_width,
                instruction_width=config.instruction_width,
                grid=config.vision_grid,
            )

    @torch.no_grad()
    def _smooth_positions(self) -> None:
        """Start coordinate bins as places on a line: what is learned of one bin then holds for its neighbours too."""
        ids = self.config.vocabulary.position_range
        codes = line_positions(len(ids), self.tokens.weight.shape[1])
        self.tokens.weight[ids.start : ids.stop] = 0.14 * codes
        self.head.weight[ids.start : ids.stop] = 0.03 * codes

    @property
    def _causal(self) -> bool:
        return self.config.transformer.prefix_attention == "causal"

    def encode_image(self, features: Tensor) -> ImagePrefix:
        """Read images: features I x P x Dv, as the image encoder gives them."""
        features = self.image_whitening(features)
        x = self.image_projection(features) + self.image_positions + self.segments[0]
        mask = causal_mask(x.shape[1], x.shape[1], x.device) if self._causal else None
        states, past = self.transformer(x, mask=mask)
        grounding = None if self.grounding is None else self.grounding.read_image(states, features)
        return ImagePrefix(states, past, grounding)

    def encode_instruction(self, image: ImagePrefix, states: Tensor, lengths: Tensor) -> InstructionPrefix:
        """Read instructions on their images.

        Args:
            image: I images.
            states: R x L x Dt, frozen states; R is a multiple of I, consecutive rows belong to one image.
            lengths: R, number of tokens of each.
        """
        length = states.shape[1]
        mask = torch.arange(length, device=states.device) < lengths[:, None]  # R x L
        x = self.instruction_projection(states) + self.instruction_positions[:length] + self.segments[1]
        seen = mask[:, None, None]  # R x 1 x 1 x L
        if self._causal:
            seen = seen & causal_mask(length, length, x.device)
        if image.states.shape[0] == x.shape[0]:  # the mask then covers the image's tokens too
            seen = F.pad(seen.expand(-1, -1, length, -1), (image.states.shape[1], 0), value=True)
        top, past = self.transformer(x, past=image.past, mask=seen)
        pointing = None
        if self.grounding is not None and image.grounding is not None:
            weight = mask[..., None].to(top.dtype) / lengths[:, None, None].to(top.dtype)
            last = top[torch.arange(len(lengths), device=top.device), lengths - 1]
            pooled = self.pooled_whitening((states * mask[..., None]).sum(1) / lengths[:, None])
            summary = torch.cat([last, (top * weight).sum(1), pooled.to(top.dtype)], -1)  # R x (2D + Dt)
            pointing = self.grounding(image.grounding, image.states, summary)
        return InstructionPrefix(past, mask, pointing)

    def condition(self, image: ImagePrefix, instruction: InstructionPrefix, *, paint: bool) -> Conditioning | None:
        """What the grounding adds to output tokens; None without grounding. `paint`: for maps too."""
        if self.grounding is None or image.grounding is None or instruction.pointing is None:
            return None
        return self.grounding.condition(instruction.pointing, image.grounding, image.states, paint=paint)

    def pointed_at(self, instruction: InstructionPrefix) -> Tensor | None:
        """Where instructions point, laid out as images of logits, R x GS x GS; None without grounding."""
        if self.grounding is None or instruction.pointing is None:
            return None
        return self.grounding.heat_map(instruction.pointing.heat)

    def embed(self, tokens: Tensor, kind: OutputKind, start: int, conditioning: Conditioning | None) -> Tensor:
        """Embeddings of the input tokens at output steps start .. start + T - 1, R x T x D.

        The embedding of step i holds the token before it, the place of the token that it is to predict, and what the
        grounding has for that. Step 0 is BEGIN, where the kind is still open and no place is known.
        """
        placed = self._places(kind)[start : start + tokens.shape[1]]  # T x D
        if start == 0:
            placed = torch.cat([torch.zeros_like(placed[:1]), placed[1:]])
        return self.grounded(self.tokens(tokens) + placed, kind, start, conditioning)

    def grounded(self, x: Tensor, kind: OutputKind, start: int, conditioning: Conditioning | None) -> Tensor:
        """Add what the grounding has for output steps start .. start + T - 1 to their embeddings or states, R x T x D.

        It is added twice, before the transformer and after it: so a token can follow the grounding from the start, and
        the transformer learns what to make of it.
        """
        if conditioning is None:
            return x
        length = x.shape[1]
        added = torch.zeros_like(x)
        if kind is OutputKind.MAP and conditioning.cells is not None:
            added = conditioning.cells[:, start : start + length]
        elif kind is OutputKind.BOXES:
            added = conditioning.box[:, torch.arange(start, start + length, device=x.device) % 4]
        if start == 0:
            added = torch.cat([conditioning.begin[:, None], added[:, 1:]], 1)
        return x + added.to(x.dtype)

    def embed_at(
        self, tokens: Tensor, kind: OutputKind, steps: Tensor, rows: Tensor, conditioning: Conditioning | None
    ) -> Tensor:
        """`embed` for sequences that are at different output steps, all after the first: B x T x D.

        Args:
            tokens: B x T, the tokens of the steps before.
            kind: what the outputs are.
            steps: B x T, at least 1.
            rows: B, which row of the conditioning belongs to each sequence.
            conditioning: of R rows; None without grounding.
        """
        x = self.tokens(tokens) + self._places(kind)[steps]
        return self.grounded_at(x, kind, steps, rows, conditioning)

    def grounded_at(
        self, x: Tensor, kind: OutputKind, steps: Tensor, rows: Tensor, conditioning: Conditioning | None
    ) -> Tensor:
        """`grounded` for sequences that are at different output steps; arguments as for `embed_at`."""
        if conditioning is None:
            return x
        if kind is OutputKind.MAP and conditioning.cells is not None:
            return x + conditioning.cells[rows[:, None], steps].to(x.dtype)
        if kind is OutputKind.BOXES:
            return x + conditioning.box[rows[:, None], steps % 4].to(x.dtype)
        return x

    def _places(self, kind: OutputKind) -> Tensor:
        places = {OutputKind.MAP: self.map_positions, OutputKind.BOXES: self.box_positions}
        return places.get(kind, self.text_positions)

    def logits(self, image: ImagePrefix, instruction: InstructionPrefix, tokens: Tensor, kind: OutputKind) -> Tensor:
        """Teacher-forced logits of whole outputs, for training.

        Args:
            image: I images.
            instruction: R instructions.
            tokens: R x T, the inputs: BEGIN, then the output tokens but the last.
            kind: what the outputs are.

        Returns:
            R x T x V over the whole vocabulary.
        """
        rows, length = tokens.shape
        conditioning = self.condition(image, instruction, paint=kind is OutputKind.MAP)
        x = self.embed(tokens, kind, 0, conditioning)
        own = causal_mask(length, length, x.device).expand(rows, 1, -1, -1)
        mask = torch.cat([instruction.mask[:, None, None].expand(-1, 1, length, -1), own], -1)  # R x 1 x T x (L + T)
        images, cells = image.states.shape[:2]
        if rows == images:  # the mask then covers the image's tokens too
            mask = F.pad(mask, (cells, 0), value=True)
        states, _ = self.transformer(x, past=image.past, earlier=instruction.past, mask=mask)
        return self.head(self.grounded(states, kind, 0, conditioning))

    def head_of(self, states: Tensor, ids: range) -> Tensor:
        """Logits of one id range only: B x T x len(ids)."""
        return F.linear(states, self.head.weight[ids.start : ids.stop], self.head.bias[ids.start : ids.stop])

    def begin_tokens(self, rows: int) -> Tensor:
        """Rows x 1, BEGIN."""
        return torch.full((rows, 1), BEGIN, dtype=torch.long, device=self.head.weight.device)

    def static_cache(self, *, rows: int, length: int, dtype: torch.dtype) -> StaticCache:
        """Room for `length` output tokens of `rows` sequences."""
        return StaticCache(
            self.config.transformer, rows=rows, length=length, dtype=dtype, device=self.head.weight.device
        )
