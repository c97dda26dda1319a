"""How good a VQ-VAE is for maps: what it keeps, how it uses its codes, how predictable they are."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from instructseq_model.vqvae import VQVAE
from instructseq_training.vqvae.flat_codes import flat_labels
from instructseq_training.vqvae.maps import MapBatch, Palettes
from instructseq_training.vqvae.objectives import palette_logits


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """Measured on whole maps after nearest colour.

    Args:
        semantic_miou: mean over classes of intersection over union, both summed over all maps; black left out.
        referring_miou: mean over non-empty maps of the IoU of what is not black: the ceiling of every mask.
        referring_oiou: sum of intersections over sum of unions of the same.
        pixel_accuracy: share of pixels of the semantic maps that come back in their class.
        empty_kept: share of empty referring maps that come back empty; NaN where there were none.
        perplexity: exponential of the entropy of the codes: how many are in even use.
        used: number of different codes that occurred.
        used_share: the same as a share of the codebook.
        flat_consistency: share of flat cells, whose left neighbour is flat in the same colour, with its code.
        flat_codes: perplexity of the codes of flat cells of one colour, mean over colours: 1 is ideal.
    """

    semantic_miou: float
    referring_miou: float
    referring_oiou: float
    pixel_accuracy: float
    empty_kept: float
    perplexity: float
    used: int
    used_share: float
    flat_consistency: float
    flat_codes: float

    def rounded(self) -> dict[str, float | None]:
        """All numbers with four decimals, for reports; None for what could not be measured on these maps."""
        return {name: None if math.isnan(value) else round(value, 4) for name, value in asdict(self).items()}


def class_miou(found: Tensor, truth: Tensor, count: int) -> float:
    """Mean IoU over the classes that occur in either, row 0 (black) left out; found and truth hold rows below count."""
    confusion = torch.bincount(truth.flatten() * count + found.flatten(), minlength=count * count).view(count, count)
    both = confusion.diagonal().double()
    union = confusion.sum(0) + confusion.sum(1) - both
    present = union[1:] > 0
    return float((both[1:][present] / union[1:][present]).mean()) if present.any() else math.nan


def perplexity(counts: Tensor) -> float:
    """Exponential of the entropy of a histogram; 0 for an empty one."""
    shares = counts[counts > 0].double() / counts.sum()
    return float((-(shares * shares.log()).sum()).exp()) if len(shares) else 0.0


def code_consistency(codes: Tensor, ids: Tensor, kinds: Tensor, side: int) -> tuple[float, float]:
    """`flat_consistency` and `flat_codes` of `Reconstruction`.

    Args:
        codes: B x h x w.
        ids: B x H x W.
        kinds: B.
        side: pixels of a cell.
    """
    flat, colour = flat_labels(MapBatch(ids=ids, kinds=kinds), side)  # B x h x w each
    pair = flat[..., 1:] & flat[..., :-1] & (colour[..., 1:] == colour[..., :-1])
    same = (codes[..., 1:] == codes[..., :-1])[pair].float().mean()
    spread = [perplexity(torch.bincount(codes[flat & (colour == value)])) for value in colour[flat].unique()]
    return float(same), sum(spread) / max(1, len(spread))


@torch.no_grad()
def evaluate(model: VQVAE, maps: MapBatch, palettes: Palettes, *, batch: int = 32) -> Reconstruction:
    """Encode and decode whole maps and compare them with themselves.

    Args:
        model: in any mode, on any device; run under bfloat16 autocast, as the maps are made in use.
        maps: of both kinds.
        palettes: what they are painted with.
        batch: maps at a time.
    """
    device = model.codebook.device
    colours = palettes.tensor().to(device)
    found, codes = [], []
    for start in range(0, len(maps.ids), batch):
        part = MapBatch(ids=maps.ids[start : start + batch], kinds=maps.kinds[start : start + batch])
        part = part.to(device)
        with torch.autocast(device.type, torch.bfloat16):
            code = model.encode(part.images(colours))
            image = model.decode(code)
        found.append(palette_logits(image, colours[part.kinds], temperature=1.0).argmax(1).cpu())
        codes.append(code.cpu())
    return compare(
        torch.cat(found), torch.cat(codes), maps, palettes, side=model.config.reduction, codes_in_all=model.config.codes
    )


def compare(
    found: Tensor, codes: Tensor, maps: MapBatch, palettes: Palettes, *, side: int, codes_in_all: int
) -> Reconstruction:
    """The numbers of `evaluate`.

    Args:
        found: recovered ids, B x H x W.
        codes: B x h x w.
        maps: the truth.
        palettes: what the ids are rows of.
        side: pixels of a cell.
        codes_in_all: size of the codebook.
    """
    semantic, referring = maps.kinds == 0, maps.kinds == 1
    truth, mask = maps.ids[referring] > 0, found[referring] > 0
    both, union = (truth & mask).sum((1, 2)), (truth | mask).sum((1, 2))
    filled = truth.flatten(1).any(1)
    counts = torch.bincount(codes.flatten())
    consistency, spread = code_consistency(codes, maps.ids, maps.kinds, side)
    used = int((counts > 0).sum())
    return Reconstruction(
        semantic_miou=class_miou(found[semantic], maps.ids[semantic], len(palettes.semantic)),
        referring_miou=float((both[filled] / union[filled]).mean()),
        referring_oiou=float(both[filled].sum() / union[filled].sum()),
        pixel_accuracy=float((found[semantic] == maps.ids[semantic]).float().mean()),
        empty_kept=float((union[~filled] == 0).float().mean()),
        perplexity=perplexity(counts),
        used=used,
        used_share=used / codes_in_all,
        flat_consistency=consistency,
        flat_codes=spread,
    )
