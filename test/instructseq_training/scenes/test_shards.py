import json
import tarfile

import numpy as np
import pytest

from instructseq_training.scenes.errors import SceneError
from instructseq_training.scenes.shards import Sample, read_shard, shard_file, write_shard


def sample(key):
    random = np.random.default_rng(0)
    rgb = np.full((24, 32, 3), 130, np.uint8)
    return Sample(
        key, rgb, random.integers(0, 5, (24, 32), np.uint8), random.integers(0, 40, (24, 32), np.uint8), {"key": key}
    )


def test_what_is_written_is_read(tmp_path):
    file = shard_file(tmp_path, "val", 3)
    assert file.name == "val-00003.tar"
    assert write_shard(file, iter([sample("val-0000000"), sample("val-0000001")])) == 2
    found = list(read_shard(file))
    assert [s.key for s in found] == ["val-0000000", "val-0000001"]
    assert np.array_equal(found[0].instances, sample("a").instances)
    assert np.array_equal(found[0].classes, sample("a").classes)
    assert np.abs(found[0].rgb.astype(int) - 130).max() <= 2
    assert found[1].record == {"key": "val-0000001"}


def test_members_follow_webdataset_and_carry_no_time(tmp_path):
    file = shard_file(tmp_path, "train", 0)
    write_shard(file, iter([sample("k")]))
    with tarfile.open(file) as archive:
        members = archive.getmembers()
        assert [m.name for m in members] == ["k.jpg", "k.instances.png", "k.classes.png", "k.json"]
        assert {m.mtime for m in members} == {0}
        assert json.load(archive.extractfile("k.json")) == {"key": "k"}


def test_interrupted_shard_leaves_nothing(tmp_path):
    def broken():
        yield sample("k")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        write_shard(shard_file(tmp_path, "train", 0), broken())
    assert list(tmp_path.iterdir()) == []


def test_damaged_shard_is_refused(tmp_path):
    file = tmp_path / "train-00000.tar"
    file.write_bytes(b"x" * 3000)
    with pytest.raises(SceneError, match="cannot read the shard"):
        list(read_shard(file))
