"""Raw ids of published maps and the classes that they mean."""

import numpy as np
import pytest

from instructseq_model.label_sets import label_set
from instructseq_training.datasets.class_maps import ClassMap, raw_to_id
from instructseq_training.datasets.errors import DatasetError

from .generate import every_raw_id, png

# COCO-Stuff's labels.txt, names 1 to 182; a raw id is one less.
PUBLISHED = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, street sign,
stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, hat, backpack,
umbrella, shoe, eye glasses, handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat,
baseball glove, skateboard, surfboard, tennis racket, bottle, plate, wine glass, cup, fork, knife, spoon, bowl, banana,
apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, mirror,
dining table, window, desk, toilet, door, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster,
sink, refrigerator, blender, book, clock, vase, scissors, teddy bear, hair drier, toothbrush, hair brush, banner,
blanket, branch, bridge, building-other, bush, cabinet, cage, cardboard, carpet, ceiling-other, ceiling-tile, cloth,
clothes, clouds, counter, cupboard, curtain, desk-stuff, dirt, door-stuff, fence, floor-marble, floor-other,
floor-stone, floor-tile, floor-wood, flower, fog, food-other, fruit, furniture-other, grass, gravel, ground-other, hill,
house, leaves, light, mat, metal, mirror-stuff, moss, mountain, mud, napkin, net, paper, pavement, pillow, plant-other,
plastic, platform, playingfield, railing, railroad, river, road, rock, roof, rug, salad, sand, sea, shelf, sky-other,
skyscraper, snow, solid-other, stairs, stone, straw, structural-other, table, tent, textile-other, towel, tree,
vegetable, wall-brick, wall-concrete, wall-other, wall-panel, wall-stone, wall-tile, wall-wood, water-other, waterdrops,
window-blind, window-other, wood
"""
NAMES = [name.strip() for name in PUBLISHED.replace("\n", " ").split(",")]
ABSENT = {11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90}


def test_coco_stuff_raw_ids_mean_the_published_names():
    labels, table = label_set("coco_stuff"), raw_to_id("coco_stuff")
    assert len(NAMES) == 182
    for raw, name in enumerate(NAMES):
        assert table[raw] == -1 if raw in ABSENT else labels.names[table[raw]] == name
    assert table[255] == labels.unlabelled == 171
    assert (table[182:255] == -1).all()


def test_a_coco_stuff_map_is_read_with_all_171_classes():
    ids = ClassMap(source=png(every_raw_id()), label_set="coco_stuff").ids()
    assert ids.ravel()[:171].tolist() == list(range(171))
    assert (ids.ravel()[171:] == 171).all()


@pytest.mark.parametrize("raw", [11, 90, 182, 254])
def test_a_value_that_the_format_does_not_have_is_refused(raw):
    with pytest.raises(DatasetError, match=rf"\[{raw}\]"):
        ClassMap(source=png(np.full((4, 4), raw, np.uint8)), label_set="coco_stuff").ids()


def test_ade20k_is_shifted_by_one_and_zero_is_ignored():
    ids = ClassMap(source=png(np.array([[0, 1, 13, 150]], np.uint8)), label_set="ade20k").ids()
    names = label_set("ade20k").names
    assert ids[0, 0] == 150
    assert [names[number] for number in ids[0, 1:]] == ["wall", "person", "flag"]


def test_ade20k_has_no_class_151():
    with pytest.raises(DatasetError, match="published maps"):
        ClassMap(source=png(np.full((2, 2), 151, np.uint8)), label_set="ade20k").ids()


def test_a_colour_picture_is_no_map_of_ids():
    with pytest.raises(DatasetError, match="8 bits"):
        ClassMap(source=png(np.zeros((2, 2, 3), np.uint8)), label_set="ade20k").ids()
