"""Rendered scenes are records like those of any other dataset."""

import numpy as np
import pytest

from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.shards import ShardedSplit, write_shards
from instructseq_training.datasets.table import open_split
from instructseq_training.scenes.shards import Sample, shard_file, write_shard


def frame(number: int) -> Sample:
    instances = np.zeros((20, 30), np.uint8)
    instances[2:8, 5 : 10 + number] = 3
    record = {
        "key": f"train-{number:07d}",
        "width": 30,
        "height": 20,
        "objects": [{"index": 3, "box": [5, 2, 10 + number, 8]}],
        "expressions": [
            {"text": "the mug", "kind": "name", "targets": [3]},
            {"text": "x", "kind": "none", "targets": []},
        ],
        "captions": ["a mug"],
    }
    return Sample(record["key"], np.full((20, 30, 3), 90, np.uint8), instances, instances + 1, record)


@pytest.fixture
def rendered(tmp_path):
    (tmp_path / "scenes").mkdir()
    write_shard(shard_file(tmp_path / "scenes", "train", 0), iter([frame(0), frame(1)]))
    write_shard(shard_file(tmp_path / "scenes", "train", 1), iter([frame(2)]))
    return tmp_path


def test_frames_are_records(rendered, tmp_path):
    split = open_split(rendered, "scenes", "train")
    write_shards(split, tmp_path / "again", dataset="scenes", name="train", per_shard=2)
    for records in (split, ShardedSplit(tmp_path / "again", dataset="scenes", name="train")):
        assert len(records) == 3
        for number in range(3):
            record, made = records[number], frame(number)
            assert record.key == made.key
            assert (record.mask((0,), (20, 30)) == (made.instances == 3)).all()
            assert (record.class_ids((20, 30)) == made.classes).all()
            assert record.targets[0].box == (5, 2, 10 + number, 8)
            assert [e.targets for e in record.expressions] == [(0,), ()]


def test_no_frames_say_how_to_render_them(rendered):
    with pytest.raises(DatasetError, match="--split val"):
        open_split(rendered, "scenes", "val")
