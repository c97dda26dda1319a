"""From a record to an instruction and its answer."""

import random
from collections import Counter

import numpy as np
import pytest

from instructseq_model.label_sets import label_set
from instructseq_model.palette import NAMED_COLOURS, nearest_class
from instructseq_model.perception import Task
from instructseq_model.vocabulary import END
from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.samples import TrainingSample, draw_sample
from instructseq_training.datasets.table import open_split
from instructseq_training.instructions import load_instruction_set

from .generate import HEIGHT, WIDTH

PHRASINGS = load_instruction_set("train")


def drawn(record, task: Task, seed: int = 0, **options) -> TrainingSample:
    options = {"map_side": 32, **options}
    return draw_sample(record, task=task, phrasings=PHRASINGS, rng=random.Random(seed), **options)


@pytest.mark.parametrize("name", ["coco_stuff", "ade20k"])
def test_a_semantic_map_is_painted_in_the_colours_of_its_label_set(root, name):
    record = open_split(root, name, "val")[0]
    sample = drawn(record, Task.SEMANTIC, map_side=120)
    phrasings = {p.text for p in PHRASINGS.of(Task.SEMANTIC, label_set=name)}
    assert sample.example.instruction in phrasings
    labels = label_set(name)
    ids = record.class_ids((HEIGHT, WIDTH))
    # 120 is 3 x 40 and 4 x 30: nearest by rows and columns.
    assert (nearest_class(sample.painted(), labels)[2::4, 1::3] == ids).all()
    assert (sample.painted()[sample.classes == labels.unlabelled] == 0).all()


def test_segmentation_paints_the_targets_in_a_named_colour_on_black(root):
    record = open_split(root, "refcoco", "train")[0]
    colours = Counter()
    for seed in range(200):
        sample = drawn(record, Task.SEGMENTATION, seed, map_side=120)
        colours[sample.example.colour] += 1
        place = sample.example.targets[0] - 1
        mask = record.mask((place,), (HEIGHT, WIDTH))
        assert (sample.mask[2::4, 1::3] == mask).all()
        assert (sample.painted()[sample.mask] == NAMED_COLOURS[sample.example.colour]).all()
        assert (sample.painted()[~sample.mask] == 0).all()
        assert sample.example.colour in sample.example.instruction or sample.example.colour == "green"
    assert set(colours) == set(NAMED_COLOURS)


def test_several_targets_are_one_mask_and_none_is_black(root):
    record = open_split(root, "grefcoco", "train")[0]
    samples = [drawn(record, Task.SEGMENTATION, seed, map_side=120) for seed in range(60)]
    by_targets = {sample.example.targets: sample for sample in samples}
    assert set(by_targets) == {(1, 2), (), (1,)}
    assert not by_targets[()].painted().any()
    assert (by_targets[1, 2].mask[2::4, 1::3] == record.mask((0, 1), (HEIGHT, WIDTH))).all()


def test_a_box_is_in_parts_of_the_image(root):
    record = open_split(root, "refcoco", "val")[0]
    assert drawn(record, Task.DETECTION).example.boxes == ((4 / WIDTH, 6 / HEIGHT, 14 / WIDTH, 18 / HEIGHT),)


def test_several_boxes_run_left_to_right_and_too_many_are_not_asked(root):
    record = open_split(root, "grefcoco", "train")[0]
    counts = {len(drawn(record, Task.DETECTION, seed).example.boxes) for seed in range(60)}
    assert counts == {0, 1, 2}
    limited = {len(drawn(record, Task.DETECTION, seed, max_targets=1).example.boxes) for seed in range(60)}
    assert limited == {0, 1}
    both = next(s for s in (drawn(record, Task.DETECTION, n) for n in range(60)) if len(s.example.boxes) == 2)
    assert both.example.boxes[0][0] < both.example.boxes[1][0]


def test_the_box_of_a_mask_without_one_is_its_bounds(root):
    sample = drawn(open_split(root, "fss-1000", "test")[0], Task.SEGMENTATION)
    assert sample.example.boxes == ((0, 0, 0.5, 1),)
    assert "abe's thing 5" in sample.example.instruction


def test_a_caption_is_one_of_the_images(root):
    record = open_split(root, "coco_captions", "val")[0]
    assert {drawn(record, Task.CAPTION, seed).example.caption for seed in range(40)} == set(record.captions)


def test_a_task_without_data_is_refused(root):
    with pytest.raises(DatasetError, match="no captions"):
        drawn(open_split(root, "ade20k", "val")[0], Task.CAPTION)
    with pytest.raises(DatasetError, match="no expression"):
        drawn(open_split(root, "ade20k", "val")[0], Task.DETECTION)
    with pytest.raises(DatasetError, match="no map of classes"):
        drawn(open_split(root, "refcoco", "val")[0], Task.SEMANTIC)


def test_the_batcher_makes_tokens_of_samples_as_of_rendered_frames(root, batcher):
    box = drawn(open_split(root, "refcoco", "val")[0], Task.DETECTION).example
    vocabulary = batcher.sequence.vocabulary
    tokens = batcher.encoders.box_tokens(box)
    assert np.allclose(vocabulary.tokens_to_box(tokens[:4]), box.boxes[0], atol=0.02)
    assert tokens[4:] == [END]
    said = drawn(open_split(root, "coco_captions", "val")[0], Task.CAPTION).example
    words = [token - vocabulary.text_range.start for token in batcher.encoders.caption_tokens(said)[:-1]]
    assert said.caption.startswith(batcher.encoders.tokenizer.decode(words))
    painted = drawn(open_split(root, "coco_stuff", "val")[0], Task.SEMANTIC).painted()
    assert all(token in vocabulary.visual_range for token in batcher.encoders.map_tokens([painted])[0].tolist())
