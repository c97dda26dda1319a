import dataclasses

import numpy as np
import pytest

from instructseq_training.scenes import SceneConfig, read_shard, run, video
from instructseq_training.scenes.catalogue import name_table, read_catalogue
from instructseq_training.scenes.errors import SceneError
from instructseq_training.scenes.labels import household_ids

from .brute_force import Reader

pytestmark = pytest.mark.usefixtures("opengl")
SHARD = 2
CONFIG = SceneConfig(
    width=160,
    height=120,
    frames_per_shard=SHARD,
    evaluation_frames_per_shard=SHARD,
    objects_per_world=11,
    miniatures=3,
    most_objects=8,
    samples=0,
    max_faces=2500,
    least_pixels=30,
)


def render(out, assets, *, split="train", frames=2 * SHARD, workers=1, seed=5, config=CONFIG):
    return run(out, frames, split, seed, workers, assets, config=config, show_progress=False)


@pytest.fixture(scope="module")
def shards(assets, tmp_path_factory):
    out = tmp_path_factory.mktemp("scenes")
    return {split: render(out, assets, split=split) for split in ("train", "heldout")}


@pytest.fixture(scope="module")
def samples(shards):
    return [sample for files in shards.values() for file in files for sample in read_shard(file)]


def test_the_same_whatever_the_number_of_workers(assets, shards, tmp_path):
    again = render(tmp_path, assets, workers=2)
    assert [file.read_bytes() for file in again] == [file.read_bytes() for file in shards["train"]]


def test_finished_shards_are_kept_and_missing_ones_made_again(assets, shards, tmp_path):
    first, second = (tmp_path / file.name for file in shards["train"])
    first.write_bytes(b"finished before")
    files = render(tmp_path, assets)
    assert files == [first, second]
    assert first.read_bytes() == b"finished before"
    assert second.read_bytes() == shards["train"][1].read_bytes()


def test_truth_agrees_with_itself(samples):
    ids = household_ids()
    for sample in samples:
        record = sample.record
        assert sample.rgb.shape == (CONFIG.height, CONFIG.width, 3)
        assert sample.instances.shape == sample.classes.shape == (CONFIG.height, CONFIG.width)
        assert sample.classes.max() < len(ids)
        assert set(np.unique(sample.instances)) - {0} == {o["index"] for o in record["objects"]}
        for found in record["objects"]:
            rows, columns = np.nonzero(sample.instances == found["index"])
            assert found["pixels"] == len(rows) >= CONFIG.least_pixels
            assert found["box"] == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert found["centroid"] == pytest.approx([columns.mean() + 0.5, rows.mean() + 0.5], abs=0.01)
            assert set(sample.classes[rows, columns]) == {ids[found["class"]]}
        scenery = set(np.unique(sample.classes[sample.instances == 0]))
        assert scenery <= {ids[name] for name in ("background", "wall", "floor", "table")}


def test_a_second_reader_finds_the_same_targets(samples):
    count = 0
    for sample in samples:
        reader = Reader(sample.record, name_table().class_nouns)
        for expression in sample.record["expressions"]:
            assert reader.targets(expression) == sorted(expression["targets"]), (sample.key, expression)
            count += 1
    assert count > 10 * len(samples)


def test_train_knows_nothing_of_what_is_held_out(assets, samples):
    models = read_catalogue(assets)
    held_out = {model.identity for model in models if model.held_out}
    for sample in samples:
        flags = [found["held_out"] for found in sample.record["objects"]]
        assert flags == [found["model"] in held_out for found in sample.record["objects"]]
        if sample.record["split"] == "train":
            assert not any(flags)
            words = " ".join(e["text"] for e in sample.record["expressions"] if e["kind"] == "none")
            assert not [name for name in name_table().held_out if f"the {name}" in words.split(" colored ")]
    assert any(o["held_out"] for s in samples if s.record["split"] == "heldout" for o in s.record["objects"])


def test_pictures_are_neither_black_nor_blank(samples):
    for sample in samples:
        assert sample.rgb.max() > 60
        assert sample.rgb.std() > 5


def test_other_seed_other_pictures(assets, shards, tmp_path):
    other = render(tmp_path, assets, frames=SHARD, seed=6)
    assert other[0].read_bytes() != shards["train"][0].read_bytes()


def test_a_clip_keeps_its_objects_and_moves(assets):
    config = dataclasses.replace(CONFIG, least_pixels=20)
    frames = list(video(seed=2, frames=4, rate=10.0, width=160, height=120, assets=assets, config=config))
    assert [record["stamp"] for *_, record in frames] == pytest.approx([0.0, 0.1, 0.2, 0.3])
    names = [[(o["index"], o["name"]) for o in record["objects"]] for *_, record in frames]
    assert all(each == names[0] for each in names)
    assert len(names[0]) >= 5
    assert not np.array_equal(frames[0][0], frames[1][0])
    reader = [Reader(record, name_table().class_nouns) for *_, record in frames]
    for expression in frames[0][3]["expressions"]:
        assert all(r.targets(expression) == sorted(expression["targets"]) for r in reader), expression


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"split": "test"}, "split 'test'"), ({"frames": 0}, "frames >= 1"), ({"workers": 0}, "workers >= 1")],
)
def test_senseless_arguments_are_refused(tmp_path, arguments, message):
    with pytest.raises(SceneError, match=message):
        render(tmp_path, None, **arguments)
