import numpy as np
import pytest

from instructseq_training.scenes.catalogue import name_table
from instructseq_training.scenes.colours import WORDS
from instructseq_training.scenes.expressions import QUOTA, ExpressionWriter, write_expressions
from instructseq_training.scenes.scene import SceneObject

from .brute_force import Reader

NAMES = {
    "vase": "vase",
    "hammer": "tool",
    "laptop": "computer",
    "bowl": "bowl",
    "drill": "tool",
    "chair": "chair",
    "cat": "animal",
}
WIDTH = 320


def random_objects(random):
    objects = []
    for index in range(1, int(random.integers(4, 11))):
        name = str(random.choice(list(NAMES)))
        colour = str(random.choice(WORDS)) if random.random() < 0.6 else None
        x, y = random.uniform(10, 310), random.uniform(10, 230)
        objects.append(
            SceneObject(
                index=index,
                model=f"m{index}",
                name=name,
                category=NAMES[name],
                colour=colour,
                possible_colours=(colour,) if colour else tuple(random.permutation(WORDS)[:3]),
                size_m=tuple(random.uniform(0.05, 0.3, 3)),
                box=(int(x) - 5, int(y) - 5, int(x) + 5, int(y) + 5),
                pixels=int(random.integers(60, 3000)),
                centroid=(x, y),
                distance=random.uniform(0.6, 2.0),
                position=(*random.uniform(-0.5, 0.5, 2), 0.8),
                held_out=False,
            )
        )
    return objects


@pytest.mark.parametrize("seed", range(60))
def test_a_second_reader_finds_the_same_targets(seed):
    random = np.random.default_rng(seed)
    objects = random_objects(random)
    found = write_expressions(objects, width=WIDTH, absent=["teapot", "skirt", "cat"], limit=200, random=random)
    reader = Reader({"objects": [o.as_json() for o in objects], "width": WIDTH}, name_table().class_nouns)
    for expression in found:
        record = {"text": expression.text, "kind": expression.kind}
        assert reader.targets(record) == sorted(expression.targets), expression


def test_every_kind_is_written_and_worded_in_several_ways():
    kinds, texts = set(), set()
    for seed in range(60):
        random = np.random.default_rng(seed)
        for expression in write_expressions(
            random_objects(random), width=WIDTH, absent=["skirt"], limit=200, random=random
        ):
            kinds.add(expression.kind)
            texts.add(expression.text)
    assert kinds == set(QUOTA)
    assert {"the vase", "vase"} <= texts


def test_limit_and_no_text_twice():
    random = np.random.default_rng(3)
    found = write_expressions(random_objects(random), width=WIDTH, absent=["skirt"], limit=9, random=random)
    assert len(found) == 9
    assert len({expression.text for expression in found}) == 9


def test_without_randomness_the_wording_is_always_the_same():
    objects = random_objects(np.random.default_rng(5))
    said = ExpressionWriter(objects, width=WIDTH).every()
    assert said == ExpressionWriter(objects, width=WIDTH).every()
    assert all(expression.text.startswith(("the ", "all ", "every")) for expression in said)


def test_absent_name_that_could_be_meant_is_not_used():
    objects = [o for o in random_objects(np.random.default_rng(1)) if o.name == "laptop"] or random_objects(
        np.random.default_rng(2)
    )
    found = write_expressions(
        objects, width=WIDTH, absent=sorted({o.name for o in objects}), limit=99, random=np.random.default_rng(0)
    )
    plain = {f"the {o.name}" for o in objects} | {o.name for o in objects}
    assert not [e for e in found if e.kind == "none" and e.text in plain]
