"""The autoregressive transformer: pre-norm blocks of GPT-2's form, over a prefix and the tokens that follow it.

The transformer sees embeddings only; what they mean is `sequence_model`'s business. Keys and values of everything that
does not change (the image, the instruction) are computed once and handed back in as a prefix. A prefix row may serve
several consecutive rows of queries: all instructions on one image in training, all samples of one instruction in
decoding.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from instructseq_model.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Shape of the transformer.

    Attributes:
        layers: number of blocks.
        width: embedding size.
        heads: attention heads; divides `width`.
        prefix_attention: "block": image tokens see the image, the instruction sees image and instruction, outputs see
            everything before them. "causal": every token sees what stands before it, as in GPT-2.
    """

    layers: int
    width: int
    heads: int
    prefix_attention: str = "block"

    def __post_init__(self) -> None:
        if self.layers < 1 or self.heads < 1 or self.width < 1 or self.width % self.heads:
            raise ConfigError(f"transformer needs layers >= 1, width >= 1 and heads that divide width, got {self}")
        if self.prefix_attention not in ("block", "causal"):
            raise ConfigError(f"prefix_attention is 'block' or 'causal', not {self.prefix_attention!r}")


class KeyValues(NamedTuple):
    """Keys and values of one layer, each B x H x T x d."""

    keys: Tensor
    values: Tensor

    def append(self, other: KeyValues) -> KeyValues:
        """The same rows, with `other`'s positions after this one's."""
        return KeyValues(torch.cat([self.keys, other.keys], 2), torch.cat([self.values, other.values], 2))

    def repeat_rows(self, count: int) -> KeyValues:
        """Every row `count` times in a row; a view where the number of rows is 1."""
        if count == 1:
            return self
        if self.keys.shape[0] == 1:
            return KeyValues(self.keys.expand(count, -1, -1, -1), self.values.expand(count, -1, -1, -1))
        return KeyValues(self.keys.repeat_interleave(count, 0), self.values.repeat_interleave(count, 0))


class CacheWindow(NamedTuple):
    """Where T new positions of each of B rows lie in a static cache, and what they see of it.

    Attributes:
        positions: B x T.
        first: where all rows begin; None where they begin at different positions, or where it is not known without
            waiting for the device.
        end: nothing at or behind this position is seen.
        mask: bool, broadcastable to B x 1 x T x end, True where a position is seen; None sees all.
    """

    positions: Tensor
    first: int | None
    end: int
    mask: Tensor | None


def cache_window(starts: Tensor, new: int, *, room: int) -> CacheWindow:
    """The windows of `new` positions that begin at `starts` (B), in a cache with room for `room` positions."""
    positions = starts[:, None] + torch.arange(new, device=starts.device)  # B x T
    first, end = None, room
    if starts.device.type == "cpu" and not torch.compiler.is_compiling():  # there it would end the graph
        begins = starts.tolist()
        end = max(begins) + new
        if min(begins) == max(begins):
            first = begins[0]
            return CacheWindow(positions, first, end, None if new == 1 else causal_mask(new, end, starts.device))
    mask = torch.arange(end, device=starts.device) <= positions[:, None, :, None]  # B x 1 x T x end
    return CacheWindow(positions, first, end, mask)


class StaticCache:
    """Room for the keys and values of the tokens that decoding adds, allocated once.

    Args:
        config: shape of the transformer.
        rows: number of sequences.
        length: most tokens a row will hold.
        dtype: as the transformer's activations.
        device: where the transformer runs.
    """

    def __init__(
        self, config: TransformerConfig, *, rows: int, length: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        shape = (config.layers, rows, config.heads, length, config.width // config.heads)
        self.keys = torch.zeros(shape, dtype=dtype, device=device)  # layers x B x H x S x d
        self.values = torch.zeros(shape, dtype=dtype, device=device)
        self.room = length
        self._rows = torch.arange(rows, device=device)[:, None]  # B x 1

    def write(self, layer: int, own: KeyValues, window: CacheWindow) -> KeyValues:
        """Store a layer's new positions; returns all that the window may see, as views."""
        for held, new in zip((self.keys[layer], self.values[layer]), own, strict=True):
            if window.first is None:
                held.transpose(1, 2)[self._rows, window.positions] = new.transpose(1, 2)
            else:
                held[:, :, window.first : window.end] = new
        return KeyValues(self.keys[layer, :, :, : window.end], self.values[layer, :, :, : window.end])

    def select(self, rows: Tensor) -> None:
        """Row i becomes the old row `rows[i]`."""
        self.keys, self.values = self.keys[:, rows], self.values[:, rows]
        self._rows = torch.arange(len(rows), device=rows.device)[:, None]

    def reorder(self, rows: Tensor) -> None:
        """`select` of as many rows as there are, where the memory is."""
        self.keys.copy_(self.keys[:, rows])
        self.values.copy_(self.values[:, rows])

    def chosen(self, rows: Tensor) -> StaticCache:
        """A copy, with the old row `rows[i]` as row i."""
        held = copy(self)
        held.select(rows)
        return held


def causal_mask(new: int, total: int, device: torch.device) -> Tensor:
    """New x total, bool: the i-th of the last `new` positions sees all positions up to itself."""
    return torch.ones(new, total, dtype=torch.bool, device=device).tril(total - new)


def attend(query: Tensor, held: KeyValues, *, mask: Tensor | None = None) -> Tensor:
    """Attention of each row over its own keys and values.

    Args:
        query: B x H x T x d.
        held: B x H x S x d.
        mask: bool, broadcastable to B x H x T x S; None for all.

    Returns:
        B x H x T x d.
    """
    if query.device.type != "cpu" or not query.requires_grad:
        return F.scaled_dot_product_attention(query, held.keys, held.values, attn_mask=mask)
    # The backward pass of the CPU's fused kernel takes several times as long as that of these lines.
    scores = (query / math.sqrt(query.shape[-1])) @ held.keys.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(-1).to(held.values.dtype) @ held.values


def attend_shared_prefix(
    query: Tensor,
    prefix: KeyValues,
    own: KeyValues,
    *,
    prefix_mask: Tensor | None = None,
    own_mask: Tensor | None = None,
) -> Tensor:
    """Attention over a prefix that consecutive rows share, and over each row's own tokens.

    The prefix is read once for all rows of a group instead of once a row, and never copied. Both parts' scores go
    through one softmax, so the result is that of attention over their concatenation.

    Args:
        query: B x H x T x d.
        prefix: G x H x P x d; B is a multiple of G and rows g*B/G .. (g+1)*B/G - 1 share prefix row g.
        own: B x H x S x d, the rows' own tokens.
        prefix_mask: G x P, bool, True where a position may be seen; None for all.
        own_mask: bool, broadcastable to B x H x T x S; None for all.

    Returns:
        B x H x T x d, in `query`'s type.
    """
    rows, heads, new, depth = query.shape
    groups, _, length, _ = prefix.keys.shape
    share = rows // groups
    query = query / math.sqrt(depth)
    grouped = query.reshape(groups, share, heads, new, depth).transpose(1, 2).reshape(groups, heads, -1, depth)
    over_prefix = grouped @ prefix.keys.transpose(-1, -2)  # G x H x share*T x P
    if prefix_mask is not None:
        over_prefix = over_prefix.masked_fill(~prefix_mask[:, None, None], float("-inf"))
    over_prefix = over_prefix.view(groups, heads, share, new, length).transpose(1, 2).reshape(rows, heads, new, length)
    over_own = query @ own.keys.transpose(-1, -2)  # B x H x T x S
    if own_mask is not None:
        over_own = over_own.masked_fill(~own_mask, float("-inf"))
    # Softmax sums in float32 and rounds once, whatever the type.
    weights = torch.cat([over_prefix, over_own], -1).softmax(-1).to(prefix.values.dtype)  # B x H x T x (P + S)
    of_prefix = weights[..., :length].reshape(groups, share, heads, new, length).transpose(1, 2)
    from_prefix = of_prefix.reshape(groups, heads, -1, length) @ prefix.values  # G x H x share*T x d
    from_prefix = from_prefix.view(groups, heads, share, new, depth).transpose(1, 2)
    return from_prefix.reshape(rows, heads, new, depth) + weights[..., length:] @ own.values


def attend_merged(
    query: Tensor, prefix: KeyValues, own: KeyValues, *, prefix_mask: Tensor | None, own_mask: Tensor | None
) -> Tensor:
    """`attend_shared_prefix` by two fused kernels, on the CPU and without gradients.

    Each part's attention is normalised by itself; the logarithms of their sums (float32, whatever the type) say how
    much of each the whole softmax would have taken. Measured faster than one softmax for every shape of decoding.
    """
    rows, heads, new, depth = query.shape
    groups = prefix.keys.shape[0]
    share = rows // groups
    grouped = query.view(groups, share, heads, new, depth).transpose(1, 2).reshape(groups, heads, -1, depth)
    seen = None if prefix_mask is None else prefix_mask[:, None, None]  # G x 1 x 1 x P
    from_prefix, prefix_sums = _fused_attention(grouped, prefix, seen)
    from_prefix = from_prefix.view(groups, heads, share, new, depth).transpose(1, 2).reshape(query.shape)
    prefix_sums = prefix_sums.view(groups, heads, share, new).transpose(1, 2).reshape(rows, heads, new)
    from_own, own_sums = _fused_attention(query, own, own_mask)
    of_prefix = (prefix_sums - own_sums).sigmoid()[..., None]  # B x H x T x 1
    return torch.lerp(from_own.to(of_prefix.dtype), from_prefix.to(of_prefix.dtype), of_prefix).to(query.dtype)


def _fused_attention(query: Tensor, held: KeyValues, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Attention B x H x T x d, and the logarithm of each row's sum of exponentials, B x H x T."""
    added = None
    if mask is not None:
        added = torch.zeros(mask.shape, dtype=query.dtype).masked_fill_(~mask, float("-inf"))
        added = added.expand(*added.shape[:-2], query.shape[2], -1)
        added = added.view(*(1,) * (4 - added.ndim), *added.shape)
    fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    attended, sums = fused(query, held.keys, held.values, 0.0, False, attn_mask=added)
    return attended, sums


def can_merge(query: Tensor) -> bool:
    """Whether `attend_merged` has its kernels here; graphs that are exported must not hold them."""
    traced = torch.compiler.is_compiling() or torch.jit.is_tracing()
    return query.device.type == "cpu" and not query.requires_grad and not traced


class Attention(nn.Module):
    """Multi-head attention with one projection for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def project(self, x: Tensor) -> tuple[Tensor, KeyValues]:
        """Queries B x H x T x d, and the keys and values of the same positions."""
        rows, length, width = x.shape
        split = self.query_key_value(x).view(rows, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        return query, KeyValues(key, value)

    def merge(self, attended: Tensor) -> Tensor:
        """B x H x T x d back to B x T x D, through the output projection."""
        return self.output(attended.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Pre-norm transformer block, as in GPT-2."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm_mlp = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)

    def mlp(self, x: Tensor) -> Tensor:
        """The residual branch of the two-layer perceptron."""
        return self.contract(F.gelu(self.expand(self.norm_mlp(x))))

    def forward(
        self, x: Tensor, past: KeyValues | None, earlier: KeyValues | None, mask: Tensor | None
    ) -> tuple[Tensor, KeyValues]:
        """Whole sequences at once; returns the new states and the new positions' keys and values."""
        query, own = self.attention.project(self.norm_attention(x))
        held = own if earlier is None else earlier.append(own)
        if past is not None and past.keys.shape[0] < x.shape[0]:
            attended = attend_shared_prefix(query, past, held, own_mask=mask)
        else:
            seen = held if past is None else past.append(held)
            attended = attend(query, seen, mask=mask)
        x = x + self.attention.merge(attended)
        return x + self.mlp(x), own

    def step(
        self,
        x: Tensor,
        prefix: KeyValues,
        prefix_mask: Tensor | None,
        cache: StaticCache,
        window: CacheWindow,
        layer: int,
    ) -> Tensor:
        """A window of tokens of each row, over a shared prefix and the static cache."""
        query, own = self.attention.project(self.norm_attention(x))
        held = cache.write(layer, own, window)
        attend_both = attend_merged if can_merge(query) else attend_shared_prefix
        attended = attend_both(query, prefix, held, prefix_mask=prefix_mask, own_mask=window.mask)
        x = x + self.attention.merge(attended)
        return x + self.mlp(x)


class Transformer(nn.Module):
    """A stack of blocks and a final norm; one set of weights and equations for training and decoding."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.blocks = nn.ModuleList(Block(config.width, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self._initialise()

    def _initialise(self) -> None:
        """GPT-2's initialisation: normal(0, 0.02), residual projections scaled down by the number of branches."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02 * math.sqrt(768 / self.config.width))
                nn.init.zeros_(module.bias)
        for name, parameter in self.named_parameters():
            if name.endswith(("attention.output.weight", "contract.weight")):
                parameter.data.div_(math.sqrt(2 * self.config.layers))

    def forward(
        self,
        x: Tensor,
        *,
        past: list[KeyValues] | None = None,
        earlier: list[KeyValues] | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, list[KeyValues]]:
        """Run whole sequences.

        Args:
            x: B x T x D embeddings.
            past: for each layer the keys and values of P earlier positions, B x H x P x d, or G x H x P x d with G
                dividing B where consecutive rows share them; None for none.
            earlier: the same of E positions after those, each row's own: B x H x E x d; None for none.
            mask: bool, True where a position may be seen, broadcastable to B x H x T x (P + E + T); where rows share
                the past it covers their own positions only, B x H x T x (E + T). None sees all.

        Returns:
            Normed states B x T x D, and each layer's keys and values of the T new positions.
        """
        new: list[KeyValues] = []
        if torch.is_autocast_enabled(x.device.type):  # or every residual sum would widen what follows it again
            x = x.to(torch.get_autocast_dtype(x.device.type))
        for index, block in enumerate(self.blocks):
            before, between = (None if held is None else held[index] for held in (past, earlier))
            x, own = block(x, before, between, mask)
            new.append(own)
        return self.norm(x), new

    def step(
        self, x: Tensor, *, prefix: list[KeyValues], prefix_mask: Tensor | None, cache: StaticCache, starts: Tensor
    ) -> Tensor:
        """Run a window of tokens of each row, writing them into the cache.

        Args:
            x: B x T x D embeddings of T consecutive positions.
            prefix: for each layer G x H x P x d; consecutive rows share (see `attend_shared_prefix`).
            prefix_mask: G x P, bool; None for all.
            cache: keys and values of the tokens before, and room for these.
            starts: B, the position of each row's first token; at most the cache's room less T.

        Returns:
            Normed states B x T x D.
        """
        window = cache_window(starts, x.shape[1], room=cache.room)
        for index, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            x = block.step(x, prefix[index], prefix_mask, cache, window, index)
        return self.norm(x)
