"""Shards hold the same records, are written once, and can be gone on with."""

import json

import numpy as np
import pytest
import webdataset

from instructseq_model.perception import Task
from instructseq_training.datasets import shards as sharding
from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.mixture import Component, Mixture
from instructseq_training.datasets.overlap import open_training_split
from instructseq_training.datasets.shard_members import from_members
from instructseq_training.datasets.shards import ShardedSplit, plan_file, write_shards
from instructseq_training.datasets.table import DATASETS, open_split
from instructseq_training.datasets.training_data import open_training_data
from instructseq_training.instructions import load_instruction_set

SPLITS = [(name, split) for name, entry in DATASETS.items() if name != "scenes" for split in entry.splits]


def assert_same(one, other) -> None:
    assert (one.rgb() == other.rgb()).all()
    size = one.rgb().shape[:2]
    assert (one.key, one.image_id, one.size_wh) == (other.key, other.image_id, other.size_wh)
    assert (one.expressions, one.captions) == (other.expressions, other.captions)
    assert [t.box for t in one.targets] == [t.box for t in other.targets]
    for place in range(len(one.targets)):
        assert (one.mask((place,), size) == other.mask((place,), size)).all()
    assert (one.classes is None) == (other.classes is None)
    if one.classes is not None:
        assert one.classes.label_set == other.classes.label_set
        assert (one.class_ids(size) == other.class_ids(size)).all()


@pytest.mark.parametrize(("name", "split"), SPLITS)
def test_records_come_back_the_same_in_any_order(root, tmp_path, name, split):
    written = open_split(root, name, split)
    write_shards(written, tmp_path, dataset=name, name=split, per_shard=2)
    read = ShardedSplit(tmp_path, dataset=name, name=split)
    assert len(read) == len(written)
    assert list(read.image_ids) == list(written.image_ids)
    for place in reversed(range(len(written))):
        assert_same(written[place], read[place])


def test_the_webdataset_library_reads_them(root, tmp_path):
    written = open_split(root, "refcoco", "train")
    files = write_shards(written, tmp_path, dataset="refcoco", name="train", per_shard=1)
    assert [file.name for file in files] == ["refcoco-train-000000.tar", "refcoco-train-000001.tar"]
    samples = list(webdataset.WebDataset([str(file) for file in files], shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == ["000000000001", "000000000002"]
    assert json.loads(samples[0]["json"])["expressions"][0]["text"] == "left guy"
    for place, sample in enumerate(samples):
        assert_same(written[place], from_members(sample))


def test_an_interrupted_run_keeps_whole_shards_and_redoes_the_rest(root, tmp_path, monkeypatch):
    written = open_split(root, "ade20k", "train")
    uninterrupted = write_shards(written, tmp_path / "whole", dataset="ade20k", name="train", per_shard=1)
    asked = []
    real = sharding.to_members

    def stops(record):
        asked.append(record.key)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return real(record)

    monkeypatch.setattr(sharding, "to_members", stops)
    with pytest.raises(KeyboardInterrupt):
        write_shards(written, tmp_path / "part", dataset="ade20k", name="train", per_shard=1)
    assert sorted(file.name for file in (tmp_path / "part").glob("*.tar")) == [f.name for f in uninterrupted[:2]]
    assert not [file for file in (tmp_path / "part").iterdir() if "partial" in file.name]
    with pytest.raises(DatasetError, match="1 of 3 shards"):
        ShardedSplit(tmp_path / "part", dataset="ade20k", name="train")
    (tmp_path / "part" / "ade20k-train-000002.partial").write_bytes(b"left by a power cut")

    finished = write_shards(written, tmp_path / "part", dataset="ade20k", name="train", per_shard=1)
    assert asked[3:] == ["ADE_train_00000003"]
    assert [f.read_bytes() for f in finished] == [f.read_bytes() for f in uninterrupted]


def test_another_division_or_other_data_is_refused(root, tmp_path):
    write_shards(open_split(root, "ade20k", "train"), tmp_path, dataset="ade20k", name="train", per_shard=2)
    with pytest.raises(DatasetError, match="another folder"):
        write_shards(open_split(root, "ade20k", "train"), tmp_path, dataset="ade20k", name="train", per_shard=3)
    with pytest.raises(DatasetError, match="another folder"):
        write_shards(open_split(root, "ade20k", "val"), tmp_path, dataset="ade20k", name="train", per_shard=2)


def test_a_damaged_shard_says_what_to_do(root, tmp_path):
    files = write_shards(open_split(root, "ade20k", "val"), tmp_path, dataset="ade20k", name="val", per_shard=5)
    content = files[0].read_bytes()
    files[0].write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetError, match="delete it"):
        ShardedSplit(tmp_path, dataset="ade20k", name="val")[0]
    plan_file(tmp_path, "ade20k", "val").unlink()
    with pytest.raises(DatasetError, match="instructseq data shard"):
        ShardedSplit(tmp_path, dataset="ade20k", name="val")


def test_training_from_shards_is_training_from_files(root, tmp_path):
    mixture = Mixture(
        (
            Component(dataset="refcocog", task=Task.SEGMENTATION, weight=1.0),
            Component(dataset="coco_stuff", task=Task.SEMANTIC, weight=1.0),
        )
    )
    for name in mixture.datasets:
        write_shards(open_training_split(root, name).split, tmp_path, dataset=name, name="train", per_shard=2)
    options = {"phrasings": load_instruction_set("train"), "map_side": 16, "seed": 2}
    files, shards = (open_training_data(folder, mixture, **options).data for folder in (root, tmp_path))
    for one, other in zip(files.batch(1, 12), shards.batch(1, 12), strict=True):
        assert (one.key, one.example) == (other.key, other.example)
        assert np.array_equal(one.painted(), other.painted())
