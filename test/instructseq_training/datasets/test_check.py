"""What `check` says of complete, partial, damaged and missing datasets."""

import pytest

from instructseq_training.datasets.check import State, check, check_split
from instructseq_training.datasets.table import DATASETS

from . import generate


def test_small_copies_have_other_counts_than_published(root):
    report = check_split(root, "refcoco", "train")
    assert report.state is State.OTHER_COUNTS
    assert report.found == {"images": 2, "refs": 3, "sentences": 5}
    assert report.published == {"images": 16994, "refs": 42404, "sentences": 120624}
    assert "refs 3, published 42404" in report.advice


def test_every_split_is_reported_with_what_is_missing_and_where_it_is(tmp_path):
    reports = list(check(tmp_path, list(DATASETS)))
    assert [(r.dataset, r.split) for r in reports] == [(n, s) for n, d in DATASETS.items() for s in d.splits]
    assert {report.state for report in reports} == {State.MISSING}
    assert all("get it from" in report.advice for report in reports)


def test_the_published_counts_make_it_complete(tmp_path):
    generate.fss1000(tmp_path, sizes=(1, 240, 1), images=10)
    assert check_split(tmp_path, "fss-1000", "val").state is State.COMPLETE
    assert check_split(tmp_path, "fss-1000", "train").state is State.OTHER_COUNTS


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("coco/train2014/COCO_train2014_000000000001.jpg", "no picture"),
        ("refcoco/refs(unc).p", "fetch it"),
        ("refcoco/instances.json", "no JSON"),
    ],
)
def test_a_damaged_file_makes_it_broken(tmp_path, file, message):
    generate.refcoco_family(tmp_path)
    content = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(content[: len(content) // 3])
    report = check_split(tmp_path, "refcoco", "train")
    assert report.state is State.BROKEN
    assert message in report.advice
