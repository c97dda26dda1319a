"""A sheet of maps beside what comes back from their codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from instructseq_model.vqvae import VQVAE
from instructseq_training.vqvae.maps import MapBatch, Palettes
from instructseq_training.vqvae.objectives import palette_logits

ROWS = 6
GAP = 4


@torch.no_grad()
def reconstruction_sheet(model: VQVAE, maps: MapBatch, palettes: Palettes, path: Path) -> None:
    """Write a PNG: each row two maps, each as given, decoded, after nearest colour, and its codes.

    Args:
        model: in evaluation mode.
        maps: whole maps; the first and the last few are shown (semantic, then referring).
        palettes: their colours.
        path: where to write.
    """
    count = min(ROWS, len(maps.ids) // 2)
    device = model.codebook.device
    colours = palettes.tensor().to(device)
    columns = []
    for part in (slice(0, count), slice(len(maps.ids) - count, None)):
        chosen = MapBatch(ids=maps.ids[part], kinds=maps.kinds[part]).to(device)
        images = chosen.images(colours)
        codes = model.encode(images)
        decoded = model.decode(codes)
        found = palette_logits(decoded, colours[chosen.kinds], temperature=1.0).argmax(1)
        snapped = MapBatch(ids=found, kinds=chosen.kinds).images(colours)
        shown = torch.nn.functional.interpolate(code_colours(codes, model.config.codes), images.shape[2:])
        columns += [images, decoded, snapped, shown]
    sheet = torch.stack(columns, 1)  # rows x columns x 3 x H x W
    sheet = torch.nn.functional.pad(sheet, (0, GAP, 0, GAP), value=1.0)
    pixels = ((sheet + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 3, 1, 4, 2)  # rows x H x columns x W x 3
    rows, height, across, width, _ = pixels.shape
    Image.fromarray(pixels.reshape(rows * height, across * width, 3).cpu().numpy()).save(path)


def code_colours(codes: torch.Tensor, count: int) -> torch.Tensor:
    """A random colour for every code: B x h x w -> B x 3 x h x w in [-1, 1]; the same code, the same colour."""
    table = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (count, 3)).astype(np.float32))
    return table.to(codes.device)[codes].permute(0, 3, 1, 2)
