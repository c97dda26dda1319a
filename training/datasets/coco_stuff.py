"""COCO-Stuff 164k: the images of COCO 2017 and `stuffthingmaps_trainval2017.zip`."""

from __future__ import annotations

from pathlib import Path

from instructseq_training.datasets.coco_images import COCO
from instructseq_training.datasets.paired_maps import PairedMaps, open_paired_maps

MAPS = "stuffthingmaps_trainval2017"


def open_coco_stuff(root: Path, split: str) -> PairedMaps:
    """A split, `train` or `val`.

    Raises:
        DatasetError: a folder is missing, or an image or a map has no partner.
    """
    folder = f"{split}2017"
    return open_paired_maps(root / COCO / folder, root / COCO / MAPS / folder, label_set="coco_stuff")
