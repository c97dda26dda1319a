"""Readings: what the grounding makes of frozen features and of the transformer's states."""

from __future__ import annotations

import torch
from torch import nn


def reading(inputs: int, outputs: int, *, hidden: int, unseen: int) -> nn.Sequential:
    """A linear layer, or two with `hidden` values between; its first `unseen` inputs start without effect."""
    first = nn.Linear(inputs, hidden or outputs)
    with torch.no_grad():
        first.weight[:, :unseen] = 0
    return nn.Sequential(first, nn.GELU(), nn.Linear(hidden, outputs)) if hidden else nn.Sequential(first)
