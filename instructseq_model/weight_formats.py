"""Linear layers whose weights are held in 8 or 4 bits, by PyTorch's own kernels for CPUs.

The kernels read fewer bytes, which pays for few rows of large matrices: one token of a few samples. They are fast in
bfloat16 alone, whatever type comes in. Torchao takes these formats to GPUs; on a CPU, without a compiler, its 8 bits
widen the whole matrix at every call, and its 4 bits are the kernel that is called here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

INT4_GROUP = 32
"""Weights of a row that share a scale and an offset; divides the width of every model here."""

FEW_ROWS = 16
"""Up to so many rows the 8-bit kernel is faster than widening the matrix; measured at widths of 384 and 1024."""


class Int8Linear(nn.Module):
    """Weights in 8 bits, one scale an output.

    Args:
        linear: E outputs of D inputs.
    """

    weight: Tensor
    scale: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()  # E x D
        scale = weight.abs().amax(1).clamp(min=torch.finfo(torch.float32).tiny) / 127  # E
        self.register_buffer("weight", (weight / scale[:, None]).round().to(torch.int8))
        self.register_buffer("scale", scale.to(linear.weight.dtype))
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """... x D to ... x E."""
        rows = x.reshape(-1, x.shape[-1])
        if len(rows) <= FEW_ROWS:
            half, scale = rows.to(torch.bfloat16), self.scale.to(torch.bfloat16)
            out = torch._weight_int8pack_mm(half, self.weight, scale).to(x.dtype)
        else:
            out = F.linear(rows, self.weight.to(x.dtype)) * self.scale.to(x.dtype)
        return (out if self.bias is None else out + self.bias).view(*x.shape[:-1], -1)


class Int4Linear(nn.Module):
    """Weights in 4 bits, one scale and one offset for each `INT4_GROUP` of a row.

    Args:
        linear: E outputs of D inputs, E a multiple of 16 and D of `INT4_GROUP`.
    """

    weight: Tensor
    offsets: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.outputs = linear.out_features
        groups = linear.weight.detach().float().unflatten(1, (-1, INT4_GROUP))  # E x D/32 x 32
        lowest = groups.amin(-1)
        scale = ((groups.amax(-1) - lowest) / 15).clamp(min=torch.finfo(torch.float32).tiny)  # E x D/32
        places = ((groups - lowest[..., None]) / scale[..., None]).round().clamp(0, 15).to(torch.int32)
        # The kernel takes the value of place 8 as a group's offset.
        offsets = torch.stack([scale, lowest + 8 * scale], -1).transpose(0, 1).contiguous()  # D/32 x E x 2
        self.register_buffer("weight", torch._convert_weight_to_int4pack_for_cpu(places.flatten(1), 1))
        self.register_buffer("offsets", offsets.to(linear.weight.dtype))
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """... x D to ... x E."""
        half, offsets = x.reshape(-1, x.shape[-1]).to(torch.bfloat16), self.offsets.to(torch.bfloat16)
        out = torch.ops.aten._weight_int4pack_mm_for_cpu(half, self.weight, INT4_GROUP, offsets).to(x.dtype)
        return (out if self.bias is None else out + self.bias).view(*x.shape[:-1], self.outputs)
