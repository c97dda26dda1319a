"""How good a VQ-VAE is for maps, as report.json and a picture: of a run that ends, or of any folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from instructseq_model.errors import CheckpointError
from instructseq_model.label_sets import label_set
from instructseq_model.vqvae import CONFIG_FILE, VQVAE, load_vqvae
from instructseq_training.vqvae.data import DataConfig, map_palettes, measuring_maps
from instructseq_training.vqvae.evaluation import evaluate
from instructseq_training.vqvae.maps import MapSource, draw_batch
from instructseq_training.vqvae.picture import reconstruction_sheet

REPORT_FILE, PICTURE_FILE = "report.json", "recon.png"
EVALUATION_SEED = 99


def write_report(
    model: VQVAE, source: MapSource, config: DataConfig, *, out: Path, known: Mapping[str, Any]
) -> dict[str, Any]:
    """Measure a VQ-VAE and write `out`/report.json and `out`/recon.png.

    Args:
        model: in evaluation mode, on any device.
        source: whole maps of its resolution.
        config: how many, and which label set they are painted with.
        out: folder, made where missing.
        known: what else the report says.

    Returns:
        The report: `known`, then the numbers of `Reconstruction`, None for those that these maps do not tell.
    """
    palettes = map_palettes(label_set(config.label_set))
    maps = draw_batch(
        source, (EVALUATION_SEED,), maps=config.evaluation_maps, crop=model.config.resolution, referring_share=0.5
    )
    measured = evaluate(model, maps, palettes)
    report = {**known, "label_set": config.label_set, "maps": config.evaluation_maps, **measured.rounded()}
    out.mkdir(parents=True, exist_ok=True)
    reconstruction_sheet(model, maps, palettes, out / PICTURE_FILE)
    partial = out / f"{REPORT_FILE}.part"
    partial.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(partial, out / REPORT_FILE)
    return report


def report(vqvae: Path, *, data: Path | None, config: DataConfig, out: Path, split: str = "val") -> dict[str, Any]:
    """Measure the VQ-VAE of a folder.

    Args:
        vqvae: a folder that training or conversion wrote.
        data: folder of scene shards, or of public datasets; None for made-up maps.
        config: which maps, and how many.
        out: folder for report.json and recon.png.
        split: of the data.

    Returns:
        The report (see `write_report`).

    Raises:
        CheckpointError: there is no VQ-VAE, or it is damaged.
        ConfigError: there are no such maps.
    """
    if not (vqvae / CONFIG_FILE).is_file():
        raise CheckpointError(f"{vqvae} holds no VQ-VAE; give a folder that `instructseq train vqvae` wrote")
    model = load_vqvae(vqvae).to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    source = measuring_maps(data, config, side=model.config.resolution, split=split)
    known = {"vqvae": str(vqvae), "data": "made up" if data is None else str(data), "split": split}
    return write_report(model, source, config, out=out, known=known)
