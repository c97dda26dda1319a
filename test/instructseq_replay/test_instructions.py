"""The file of instructions: what it may say, and the messages where it says something else."""

import pytest

from instructseq_model.errors import ConfigError
from instructseq_model.perception import Task
from instructseq_replay.instructions import read_instructions


def read(tmp_path, text):
    (tmp_path / "ask.yaml").write_text(text)
    return read_instructions(tmp_path / "ask.yaml")


def test_everything_that_can_be_said(tmp_path):
    text = """
cameras: [/left/image]
period: 0.5
seed: 7
instructions:
  - {id: mug, say: " Mark the mug. ", meant: segmentation, targets: [red mug, 3], samples: 4, temperature: 0.5}
  - {id: all_of_it, say: Segment., task: semantic, label_set: household}
"""
    asked = read(tmp_path, text)
    mug, everything = asked.instructions
    assert (mug.say, mug.meant, mug.targets) == ("Mark the mug.", Task.SEGMENTATION, ("red mug", 3))
    assert (mug.samples, mug.temperature, mug.task) == (4, 0.5, None)
    assert (everything.task, everything.label_set) == (Task.SEMANTIC, "household")
    assert (asked.cameras, asked.period_ns, asked.seed) == (("/left/image",), 500_000_000, 7)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("instructions: [{id: a, say: ''}]", r"instructions\.0\.say: .*needs words"),
        ("instructions: []", "instructions: .*at least 1"),
        ("instructions: [{id: a, say: x}, {id: a, say: y}]", "'a' is given twice"),
        ("instructions: [{id: a b, say: x}]", r"instructions\.0\.id"),
        ("instructions: [{id: a, say: x, samples: 33}]", r"samples: .*less than or equal to 32"),
        ("instructions: [{id: a, say: x, meant: paint}]", r"meant: .*'segmentation'"),
        ("instructions: [{id: a, say: x, colour: red}]", "colour: Extra inputs are not permitted"),
        ("period: -1\ninstructions: [{id: a, say: x}]", "period"),
        ("- a", "holds no mapping"),
        ("a: [", "cannot be read as YAML"),
        ("a: !!python/object/apply:os.system [true]", "cannot be read as YAML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, complaint):
    with pytest.raises(ConfigError, match=complaint):
        read(tmp_path, text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="there is no file"):
        read_instructions(tmp_path / "none.yaml")
