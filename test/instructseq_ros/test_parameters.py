"""The table against itself, and every way to give a bad value."""

from __future__ import annotations

import dataclasses
import math
import re

import pytest

from instructseq_model.errors import ConfigError
from instructseq_ros.instruction_text import MAX_CHARACTERS
from instructseq_ros.parameter_spec import Change, Value
from instructseq_ros.parameters import PARAMETERS, Settings, problem_of, settings_of

DEFAULTS: dict[str, Value] = {spec.name: spec.default for spec in PARAMETERS}


def test_table_and_settings_have_the_same_names() -> None:
    assert [field.name for field in dataclasses.fields(Settings)] == [spec.name for spec in PARAMETERS]


def test_defaults_satisfy_their_own_table() -> None:
    assert problem_of(DEFAULTS, configured=False) is None


@pytest.mark.parametrize("spec", PARAMETERS, ids=lambda spec: spec.name)
def test_every_number_has_a_range_and_every_parameter_a_sentence(spec: object) -> None:
    assert spec.description.endswith(".")  # type: ignore[attr-defined]
    if isinstance(spec.default, int | float) and not isinstance(spec.default, bool):  # type: ignore[attr-defined]
        assert spec.minimum < spec.maximum  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("samples", 0, "samples must be between 1 and 32, got 0"),
        ("samples", 33, "between 1 and 32"),
        ("samples", True, "of type int, got True"),
        ("temperature", 2.1, "temperature must be between 0 and 2"),
        ("temperature", math.nan, "between 0 and 2, got nan"),
        ("image_transport", "theora", "one of 'raw', 'compressed'"),
        ("label_set", "cityscapes", "'household', 'coco_stuff', 'ade20k'"),
        ("mask_encoding", "rgb8", "'auto', 'mono8', '8UC1', '16UC1'"),
        ("device", "gpu", "cpu, cuda or cuda:N"),
        ("max_image_pixels", 0, "between 1 and"),
        ("cameras", ["left", "left"], "at least one text, and none twice"),
        ("cameras", [], "at least one text"),
        ("cameras", "left", "a list of texts"),
        ("cameras", ["2"], "a letter, then letters"),
        ("cameras", ["mask"], "other names than the node's outputs, got 'mask'"),
        ("instruction", "a" * (MAX_CHARACTERS + 1), "1001 characters"),
        ("instruction", "caf\N{REPLACEMENT CHARACTER}", "not valid UTF-8"),
    ],
)
def test_bad_value_is_refused_with_the_reason(name: str, value: Value, words: str) -> None:
    assert re.search(re.escape(words), problem_of({name: value}, configured=False) or "accepted")


@pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:1"])
def test_device_names(device: str) -> None:
    assert problem_of({"device": device}, configured=False) is None


def test_model_is_not_exchanged_under_a_configured_node() -> None:
    fixed = [spec for spec in PARAMETERS if spec.change is Change.UNCONFIGURED]
    assert {"checkpoint", "device", "image_transport"} <= {spec.name for spec in fixed}
    for spec in fixed:
        assert "deactivate and clean up" in (problem_of({spec.name: spec.default}, configured=True) or "")
        assert problem_of({spec.name: spec.default}, configured=False) is None


def test_one_bad_value_refuses_all() -> None:
    assert problem_of({"seed": 3, "samples": 99}, configured=True) is not None


def test_parameters_of_others_are_left_alone() -> None:
    assert problem_of({"use_sim_time": True}, configured=True) is None


def test_constraints_say_what_a_range_cannot() -> None:
    words = {spec.name: spec.constraints for spec in PARAMETERS}
    assert words["image_transport"] == "one of 'raw', 'compressed'; can be set while the node is unconfigured"
    assert words["autostart"] == "can be set at start only"
    assert words["samples"] == ""


def test_settings_hold_every_value() -> None:
    settings = settings_of({**DEFAULTS, "samples": 10, "label_set": "household"})
    assert (settings.samples, settings.label_set, settings.autostart) == (10, "household", True)


def test_lists_become_tuples() -> None:
    assert settings_of({**DEFAULTS, "cameras": ["left", "right"]}).cameras == ("left", "right")
    assert problem_of({"cameras": ["left", ""]}, configured=False) is None


def test_missing_value_is_named() -> None:
    with pytest.raises(ConfigError, match="no value for seed"):
        settings_of({name: value for name, value in DEFAULTS.items() if name != "seed"})


def test_backends_and_precisions_are_those_of_the_model() -> None:
    from instructseq_model.backends.table import BACKENDS
    from instructseq_model.precision import PRECISIONS

    choices = {spec.name: spec.choices for spec in PARAMETERS}
    assert choices["backend"] == ("", *BACKENDS)
    assert choices["precision"] == tuple(PRECISIONS)
