"""Every dataset of the table, read from small copies of its published format."""

import json

import numpy as np
import pytest

from instructseq_model.label_sets import label_set
from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.record import Expression
from instructseq_training.datasets.table import DATASETS, open_split

from . import generate
from .generate import HEIGHT, WIDTH, picture

SIZE = (HEIGHT, WIDTH)
PUBLISHED_SUMS = {
    # whole datasets, as their papers and the README of `refer` give them
    "refcoco": {"images": 19994, "refs": 50000, "sentences": 142210},
    "refcoco+": {"images": 19992, "refs": 49856, "sentences": 141564},
    "refcocog": {"images": 25799, "refs": 49822, "sentences": 95010},
    "coco_captions": {"images": 123287, "captions": 616767},
    "coco_captions_2014": {"images": 123287, "captions": 616767},
    "fss-1000": {"images": 10000, "classes": 1000},
    "coco_stuff": {"images": 123287},
}


@pytest.mark.parametrize("name", PUBLISHED_SUMS)
def test_published_splits_add_up_to_the_published_whole(name):
    splits = DATASETS[name].published.values()
    assert {what: sum(split[what] for split in splits) for what in PUBLISHED_SUMS[name]} == PUBLISHED_SUMS[name]


@pytest.mark.parametrize(("name", "split"), [(n, s) for n, d in DATASETS.items() if n != "scenes" for s in d.splits])
def test_every_split_opens_and_every_record_decodes(root, name, split):
    records = open_split(root, name, split)
    assert len(records) == records.counts()["images"] > 0
    keys = set()
    for place in range(len(records)):
        record = records[place]
        keys.add(record.key)
        size = record.rgb().shape[:2]
        assert record.mask(range(len(record.targets)), size).shape == size
        if DATASETS[name].label_set:
            assert record.class_ids(size).max() <= label_set(DATASETS[name].label_set).unlabelled
    assert len(keys) == len(records)


def test_images_are_found_by_their_number(root):
    records = open_split(root, "refcoco", "train")
    assert np.abs(records[1].rgb().astype(int) - picture(2)).mean() < 4  # JPEG
    assert list(records.image_ids) == [1, 2]


def test_refcoco_has_several_refs_an_image_and_several_sentences_a_ref(root):
    records = open_split(root, "refcoco", "train")
    assert records.counts() == {"images": 2, "refs": 3, "sentences": 5}
    first = records[0]
    assert [e.text for e in first.expressions] == ["left guy", "man in red", "guy", "both halves"]
    assert [e.targets for e in first.expressions] == [(0,), (0,), (0,), (1,)]
    assert first.targets[0].box == (4, 6, 14, 18)
    drawn = np.zeros(SIZE, bool)
    drawn[6:18, 4:14] = True
    assert (first.mask((0,), SIZE) == drawn).all()


def test_a_crowd_is_read_from_run_lengths(root):
    crowd = open_split(root, "refcoco", "train")[1]
    assert np.argwhere(crowd.mask((0,), SIZE)).tolist() == [[row, 10] for row in range(5, 17)]


@pytest.mark.parametrize(
    ("split", "texts"),
    [("val", ["person"]), ("testA", ["woman"]), ("testB", ["thing", "the other thing"])],
)
def test_refcoco_splits_are_kept_apart(root, split, texts):
    assert [e.text for e in open_split(root, "refcoco", split)[0].expressions] == texts


def test_refcocog_is_divided_as_umd_did(root):
    assert [list(open_split(root, "refcocog", s).image_ids) for s in ("train", "val", "test")] == [[1, 3, 5], [2], [6]]


def test_grefcoco_sentences_mean_one_several_or_no_object(root):
    record = open_split(root, "grefcoco", "train")[0]
    assert record.expressions == (
        Expression(text="everything", targets=(0, 1)),
        Expression(text="the elephant", targets=()),
        Expression(text="left guy", targets=(0,)),
    )
    everything, nothing, one = (record.mask(e.targets, SIZE) for e in record.expressions)
    assert not nothing.any()
    assert one.sum() == 120
    assert (everything == one | record.mask((1,), SIZE)).all()
    assert everything.sum() > 150


def test_an_image_with_no_target_at_all_is_a_record(root):
    record = open_split(root, "grefcoco", "val")[0]
    assert (record.targets, record.expressions) == ((), (Expression(text="nobody", targets=()),))


def test_karpathys_training_split_has_restval(root):
    train = open_split(root, "coco_captions", "train")
    assert list(train.image_ids) == [1, 2, 7]
    assert train[2].captions == ("A picture of 7.", "Picture 7")
    assert str(train[2].image).endswith("val2014/COCO_val2014_000000000007.jpg")
    assert [list(open_split(root, "coco_captions", s).image_ids) for s in ("val", "test")] == [[8], [9]]


def test_the_official_captions_are_those_of_their_file(root):
    assert open_split(root, "coco_captions_2014", "val")[1].captions == ("a picture of 8",)
    assert open_split(root, "coco_captions_2014", "train").counts() == {"images": 3, "captions": 3}


def test_images_of_the_2017_release_serve_as_well(tmp_path):
    generate.refcoco_family(tmp_path)
    (tmp_path / "coco" / "train2014").rename(tmp_path / "coco" / "train2017")
    for file in (tmp_path / "coco" / "train2017").iterdir():
        file.rename(file.with_name(file.name.removeprefix("COCO_train2014_")))
    record = open_split(tmp_path, "refcoco", "val")[0]
    assert str(record.image).endswith("train2017/000000000003.jpg")
    assert record.rgb().shape == (HEIGHT, WIDTH, 3)


def test_fss_1000_has_the_published_split_sizes(tmp_path):
    generate.fss1000(tmp_path, sizes=(520, 240, 240), images=1)
    sizes = {split: open_split(tmp_path, "fss-1000", split).counts()["classes"] for split in ("train", "val", "test")}
    assert sizes == {"train": 520, "val": 240, "test": 240}


def test_fss_1000_names_the_class_and_marks_it(root):
    record = open_split(root, "fss-1000", "val")[0]
    assert record.expressions[0].text == "the abe's thing 3"
    assert record.key == "abe_s_thing_3-1"
    mask = record.mask((0,), (16, 16))
    assert mask[:, :8].all()
    assert not mask[:, 8:].any()


def test_a_class_in_two_lists_of_fss_1000_is_refused(tmp_path):
    generate.fss1000(tmp_path)
    lists = tmp_path / "fss-1000" / "splits"
    (lists / "test.txt").write_text((lists / "trn.txt").read_text())
    with pytest.raises(DatasetError, match="two lists"):
        open_split(tmp_path, "fss-1000", "train")


def test_an_image_of_another_size_than_its_annotations_is_refused(tmp_path):
    generate.refcoco_family(tmp_path)
    file = tmp_path / "coco" / "train2014" / "COCO_train2014_000000000003.jpg"
    file.write_bytes(generate.jpeg(picture(3, (20, 15))))
    with pytest.raises(DatasetError, match="annotations are for"):
        open_split(tmp_path, "refcoco", "val")[0].rgb()


def test_missing_images_are_counted_and_named(tmp_path):
    generate.refcoco_family(tmp_path)
    (tmp_path / "coco" / "train2014" / "COCO_train2014_000000000002.jpg").unlink()
    with pytest.raises(DatasetError, match=r"1 images are not in .* \(2\).*train2014\.zip"):
        open_split(tmp_path, "refcoco", "train")


def test_an_annotation_that_instances_lacks_is_named(tmp_path):
    generate.refcoco_family(tmp_path)
    file = tmp_path / "refcoco" / "instances.json"
    content = json.loads(file.read_text())
    content["annotations"] = [entry for entry in content["annotations"] if entry["id"] != 12]
    file.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=r"lacks what 1 references mean \(12\)"):
        open_split(tmp_path, "refcoco", "train")


def test_a_map_without_its_image_is_named(tmp_path):
    generate.ade20k(tmp_path)
    (tmp_path / "ADEChallengeData2016" / "images" / "training" / "ADE_train_00000002.jpg").unlink()
    with pytest.raises(DatasetError, match=r"1 names have no image in .*ADE_train_00000002"):
        open_split(tmp_path, "ade20k", "train")


@pytest.mark.parametrize(
    ("name", "split", "message"), [("mscoco", "train", "coco_stuff, ade20k"), ("ade20k", "x", "train, val")]
)
def test_unknown_names_are_refused_with_the_known_ones(root, name, split, message):
    with pytest.raises(DatasetError, match=message):
        open_split(root, name, split)


def test_a_missing_dataset_says_where_to_get_it(tmp_path):
    with pytest.raises(DatasetError, match=r"ADEChallengeData2016 .* get it from http"):
        open_split(tmp_path, "ade20k", "train")
