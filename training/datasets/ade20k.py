"""ADE20K as SceneParse150: `ADEChallengeData2016.zip`."""

from __future__ import annotations

from pathlib import Path

from instructseq_training.datasets.paired_maps import PairedMaps, open_paired_maps

FOLDER = "ADEChallengeData2016"
_FOLDER_OF = {"train": "training", "val": "validation"}


def open_ade20k(root: Path, split: str) -> PairedMaps:
    """A split, `train` or `val`.

    Raises:
        DatasetError: a folder is missing, or an image or a map has no partner.
    """
    part = _FOLDER_OF[split]
    return open_paired_maps(root / FOLDER / "images" / part, root / FOLDER / "annotations" / part, label_set="ade20k")
