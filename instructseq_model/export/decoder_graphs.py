"""Graphs of decoding: a step with caches, the output head of each kind, and the map's painter.

One decoder graph serves all kinds and windows. What differs between kinds, where a token stands and what the grounding
adds there, comes in as row numbers of two tables (`layout.Layout`). The caches are written in place, each row at a
position of its own, by ONNX's TensorScatter: ONNX Runtime does it without a copy where input and output are one buffer,
and TensorRT takes it for its KV-cache-update layer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from instructseq_model.export.graph import OPSET, Graph, Input, Size
from instructseq_model.export.layout import MOST_ROWS, cache_names, longest_output
from instructseq_model.model import InstructSeq
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.transformer import Block, KeyValues, attend_shared_prefix
from instructseq_model.vocabulary import END, OutputKind


def decoder_graph(model: InstructSeq, *, room: int | None = None) -> Graph:
    """T tokens of each of N samples through the transformer.

    Inputs: `tokens` and `places` (N x T), `starts` (N, where each row's first token goes in its caches), `past` (as
    `instruction_prefix` gives it); with grounding `added` (N x T) and `conditioning`; each layer's caches, N x H x S x
    d. Outputs: `hidden` N x T x D, what the heads read, and the caches.

    Args:
        model: in evaluation mode.
        room: S, tokens that the caches hold; None lets it vary.
    """
    config, shape = model.config.sequence, model.config.transformer
    depth = shape.width // shape.heads
    longest = longest_output(config)
    cells = config.vision_grid**2
    rows = Size(name="rows", least=1, usual=10, most=MOST_ROWS)
    window = Size(name="window", least=1, usual=1, most=longest)
    held = Size(name="room", least=1, usual=longest, most=longest)
    prefix = Size(name="prefix", least=cells + 3, usual=cells + 17, most=cells + config.max_instruction_tokens + 1)
    per_token = {0: rows, 1: window}
    example = {"rows": 3, "window": 2, "room": room or 7, "prefix": cells + 6}
    whole = torch.zeros(example["rows"], example["window"], dtype=torch.long)
    past = torch.randn(shape.layers, 2, 1, shape.heads, example["prefix"], depth).to(model.dtype)
    inputs = [
        Input(name="tokens", example=whole.clone(), varying=per_token),
        Input(name="places", example=whole.clone(), varying=per_token),
        Input(name="starts", example=torch.arange(example["rows"]), varying={0: rows}),
        Input(name="past", example=past, varying={4: prefix}),
    ]
    if model.sequence.grounding is not None:
        added = torch.randn(1, config.output_length(OutputKind.MAP) + 5, shape.width).to(model.dtype)
        inputs += [
            Input(name="added", example=whole.clone(), varying=per_token),
            Input(name="conditioning", example=added),
        ]
    names = [name for pair in cache_names(shape.layers) for name in pair]
    cache = torch.randn(example["rows"], shape.heads, example["room"], depth).to(model.dtype)
    per_row = {0: rows} if room else {0: rows, 2: held}
    inputs += [Input(name=name, example=cache.clone(), varying=per_row) for name in names]
    return Graph(
        name="decoder",
        module=_Decoder(model.sequence),
        inputs=tuple(inputs),
        outputs=("hidden", *(f"new_{name}" for name in names)),
    )


def head_graph(model: InstructSeq, kind: OutputKind) -> Graph:
    """Hidden states, M x D, to logits of one kind's choices, M x C, float32, END last where the kind has one."""
    config = model.config.sequence
    most = MOST_ROWS * longest_output(config)
    positions = Size(name="positions", least=1, usual=10, most=most)
    hidden = torch.randn(3, model.config.transformer.width).to(model.dtype)
    return Graph(
        name=f"head_{kind.value}",
        module=_Head(model.sequence, kind),
        inputs=(Input(name="hidden", example=hidden, varying={0: positions}),),
        outputs=("logits",),
    )


def painter_graph(model: InstructSeq) -> Graph:
    """Codes of N maps, N x G x G, to pictures, N x 3 x S x S float32 in [-1, 1]: the VQ-VAE's decoder."""
    grid = model.config.vqvae.grid
    rows = Size(name="rows", least=1, usual=1, most=MOST_ROWS)
    return Graph(
        name="vq_decoder",
        module=_Painter(model),
        inputs=(Input(name="codes", example=torch.zeros(3, grid, grid, dtype=torch.long), varying={0: rows}),),
        outputs=("images",),
    )


class _Decoder(nn.Module):
    def __init__(self, model: SequenceModel) -> None:
        super().__init__()
        self.tokens = model.tokens
        self.transformer = model.transformer
        tables = (model.map_positions, model.box_positions, model.text_positions)
        self.register_buffer("places", torch.cat([table.detach() for table in tables]), persistent=False)
        self.conditioned = model.grounding is not None

    places: Tensor

    def forward(
        self, tokens: Tensor, places: Tensor, starts: Tensor, past: Tensor, *rest: Tensor
    ) -> tuple[Tensor, ...]:
        caches = rest[2:] if self.conditioned else rest
        x = self.tokens(tokens) + self.places[places]  # N x T x D
        beside = rest[1][0][rest[0]] if self.conditioned else None  # N x T x D
        if beside is not None:
            x = x + beside
        steps = torch.arange(tokens.shape[1], device=tokens.device) + starts[:, None]  # N x T, slots in the caches
        slots = torch.arange(caches[0].shape[2], device=tokens.device)
        mask = (slots <= steps[..., None])[:, None]  # N x 1 x T x S
        written: list[Tensor] = []
        for layer, block in enumerate(self.transformer.blocks):
            assert isinstance(block, Block)
            query, own = block.attention.project(block.norm_attention(x))
            held = KeyValues(*(scatter(caches[2 * layer + i], own[i], starts) for i in range(2)))
            prefix = KeyValues(past[layer, 0], past[layer, 1])
            attended = attend_shared_prefix(query, prefix, held, own_mask=mask)
            x = x + block.attention.merge(attended)
            x = x + block.mlp(x)
            written += held
        x = self.transformer.norm(x)
        return x if beside is None else x + beside, *written


class _Head(nn.Module):
    def __init__(self, model: SequenceModel, kind: OutputKind) -> None:
        super().__init__()
        ids = [*model.config.vocabulary.range_of(kind), *([] if kind is OutputKind.MAP else [END])]
        self.head = nn.Linear(model.head.in_features, len(ids))
        self.head.weight = nn.Parameter(model.head.weight.detach()[ids].clone(), requires_grad=False)
        self.head.bias = nn.Parameter(model.head.bias.detach()[ids].clone(), requires_grad=False)

    def forward(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self.head(hidden)
        return logits.float()


class _Painter(nn.Module):
    def __init__(self, model: InstructSeq) -> None:
        super().__init__()
        self.vqvae = model.vqvae

    def forward(self, codes: Tensor) -> Tensor:
        return self.vqvae.decode(codes).float()


def scatter(cache: Tensor, new: Tensor, starts: Tensor) -> Tensor:
    """A cache, N x H x S x d, with N x H x T x d written at each row's own start: ONNX's TensorScatter, for tracing."""
    written: Tensor = torch.onnx.ops.symbolic(
        "TensorScatter",
        (cache, new, starts),
        attrs={"axis": 2, "mode": "linear"},
        dtype=cache.dtype,
        shape=cache.shape,
        version=OPSET,
    )
    return written
