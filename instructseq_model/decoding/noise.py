"""Gumbel noise that is a function of seed, sample, position and token, and of nothing else.

It comes from a counter-based generator (Salmon et al. 2011): a hash of the counters, here the finalisers of SplitMix64
(of seed, sample and position) and MurmurHash3 (of that and the token). So any part of it can be computed at any time,
in any order and on any device, without a state and without waiting for a device.
"""

from __future__ import annotations

import torch
from torch import Tensor


def gumbel_noise(*, seed: int, samples: Tensor, positions: Tensor, size: int) -> Tensor:
    """Standard Gumbel noise for token choices: ... x size, float32, in [-2.9, 16.7].

    Args:
        seed: any whole number; its lowest 64 bits count.
        samples: numbers of the samples, int64, of shape `...` together with `positions` (they are broadcast).
        positions: output steps, int64.
        size: choices at each step.
    """
    key = _mix64(_mix64(_mix64_number(seed) + samples * _signed(0x9E3779B97F4A7C15, 64)) + positions)[..., None]
    low, high = _low32(key), _low32(key >> 32)
    tokens = torch.arange(size, dtype=torch.int32, device=key.device) * _signed(0x9E3779B1, 32)
    bits = _mix32(_mix32(tokens ^ low) + high)
    uniform = (_shifted32(bits, 9).float() + 0.5) * 2.0**-23  # in [2^-24, 1 - 2^-24], both ends exact in float32
    return uniform.log_().neg_().log_().neg_()


def _mix64(x: Tensor) -> Tensor:
    """SplitMix64's finaliser; int64 arithmetic wraps around, and shifts must not bring in the sign."""
    x = (x ^ ((x >> 30) & (2**34 - 1))) * _signed(0xBF58476D1CE4E5B9, 64)
    x = (x ^ ((x >> 27) & (2**37 - 1))) * _signed(0x94D049BB133111EB, 64)
    return x ^ ((x >> 31) & (2**33 - 1))


def _mix64_number(x: int) -> int:
    return int(_mix64(torch.tensor(_signed(x + 0x9E3779B97F4A7C15, 64))))


def _mix32(x: Tensor) -> Tensor:
    """MurmurHash3's 32-bit finaliser; changes x."""
    x = (x ^ _shifted32(x, 16)).mul_(_signed(0x85EBCA6B, 32))
    x = x.bitwise_xor_(_shifted32(x, 13)).mul_(_signed(0xC2B2AE35, 32))
    return x.bitwise_xor_(_shifted32(x, 16))


def _shifted32(x: Tensor, bits: int) -> Tensor:
    """Shifted right, zeros coming in."""
    return (x >> bits).bitwise_and_(2 ** (32 - bits) - 1)


def _low32(x: Tensor) -> Tensor:
    """The lowest 32 bits of int64 as int32."""
    return (((x & (2**32 - 1)) ^ 2**31) - 2**31).to(torch.int32)


def _signed(x: int, bits: int) -> int:
    """The number with the same lowest bits in two's complement."""
    x &= 2**bits - 1
    return x - 2**bits if x >= 2 ** (bits - 1) else x
