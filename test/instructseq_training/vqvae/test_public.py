"""Maps of public datasets, in their published formats, as the VQ-VAE learns them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from instructseq_model.errors import ConfigError
from instructseq_model.label_sets import label_set
from instructseq_training.datasets.table import open_split
from instructseq_training.vqvae.data import DataConfig, map_palettes, measuring_maps, training_maps
from instructseq_training.vqvae.public import PublicMaps, open_public_maps

from ..datasets import generate


def maps(root: Path, **settings: Any) -> PublicMaps:
    given = {"semantic": ["coco_stuff"], "referring": ["refcoco"], "split": "train", "side": 120, "named_colours": 8}
    return open_public_maps(root, labels=label_set("coco_stuff"), **{**given, **settings})


def unmirrored(source: PublicMaps, kind: str, shown: np.ndarray) -> np.ndarray:
    """The first drawn map that is not mirrored, at the size of its dataset: 120 is 3 x 40 and 4 x 30."""
    for seed in range(20):
        ids = getattr(source, kind)(np.random.default_rng(seed))[2::4, 1::3]
        if (np.nonzero(ids)[1].tolist(), ids.shape) == (np.nonzero(shown)[1].tolist(), shown.shape):
            return ids
    raise AssertionError("every drawn map is another one")


@pytest.mark.parametrize("name", ["coco_stuff", "ade20k"])
def test_class_maps_are_rows_of_the_palette_with_black_for_unlabelled(name: str, root: Path) -> None:
    ids = open_split(root, name, "train")[0].class_ids((generate.HEIGHT, generate.WIDTH))
    expected = np.where(ids == label_set(name).unlabelled, 0, ids + 1)
    found = unmirrored(maps(root, semantic=[name]), "semantic", expected)
    assert np.array_equal(found, expected)


def test_both_label_sets_have_one_palette() -> None:
    coco, ade = (map_palettes(label_set(name)).semantic for name in ("coco_stuff", "ade20k"))
    assert np.array_equal(coco[: len(ade)], ade)


def test_referring_maps_show_one_expression_in_one_colour(root: Path) -> None:
    source = maps(root)
    record = source.objects[0][0]
    sizes = {int(record.mask(e.targets, (generate.HEIGHT, generate.WIDTH)).sum()) for e in record.expressions}
    drawn = [source.referring(np.random.default_rng(seed))[2::4, 1::3] for seed in range(30)]
    assert all(len(np.unique(ids[ids > 0])) <= 1 for ids in drawn)
    assert sizes <= {int((ids > 0).sum()) for ids in drawn}


def test_images_that_anything_is_evaluated_on_are_left_out(root: Path) -> None:
    assert generate.HELD_OUT.isdisjoint(maps(root).objects[0].image_ids)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"semantic": ["refcoco"]}, "no maps of classes"),
        ({"referring": []}, "at least one"),
        ({"referring": ["coco"]}, "no dataset coco"),
        ({"labels": label_set("ade20k")}, "colours of coco_stuff"),
    ],
)
def test_a_dataset_that_cannot_serve_is_refused(settings: dict[str, Any], message: str, root: Path) -> None:
    given = {"semantic": ["coco_stuff"], "referring": ["refcoco"], "labels": label_set("coco_stuff"), **settings}
    with pytest.raises(ConfigError, match=message):
        open_public_maps(root, split="train", side=32, named_colours=8, **given)


def test_the_recipes_datasets_are_trained_and_measured_on(root: Path) -> None:
    config = DataConfig.from_mapping(
        {"label_set": "coco_stuff", "semantic": ["coco_stuff", "ade20k"], "referring": ["refcoco"], "scene_share": 1.0}
    )
    for source in (training_maps(root, config, side=32), measuring_maps(root, config, side=32)):
        assert source.semantic(np.random.default_rng(0)).shape == (32, 32)
        assert source.referring(np.random.default_rng(0)).shape == (32, 32)
    with pytest.raises(ConfigError, match="--data"):
        training_maps(None, config, side=32)
