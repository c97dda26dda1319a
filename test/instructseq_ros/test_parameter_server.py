"""Descriptors as tools show them, and values given at start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not set up in this shell: . scripts/env.sh")
pytest.importorskip("instructseq.msg", reason="the interfaces are not built: scripts/setup.sh")

from rcl_interfaces.srv import DescribeParameters

from instructseq_ros.node import main
from instructseq_ros.parameters import PARAMETERS


def test_descriptors_reach_other_processes(make_robot: Callable[..., Any]) -> None:
    robot = make_robot(active=False, autostart=False)
    names = [spec.name for spec in PARAMETERS]
    answer = robot.call(DescribeParameters, "describe_parameters", DescribeParameters.Request(names=names))
    described = {descriptor.name: descriptor for descriptor in answer.descriptors}
    (samples,) = described["samples"].integer_range
    (temperature,) = described["temperature"].floating_point_range
    assert (samples.from_value, samples.to_value, samples.step) == (1, 32, 1)
    assert (temperature.from_value, temperature.to_value) == (0.0, 2.0)
    assert described["autostart"].read_only
    assert not described["samples"].read_only
    assert "'raw', 'compressed'" in described["image_transport"].additional_constraints
    assert all(descriptor.description for descriptor in described.values())


@pytest.mark.parametrize(
    ("argument", "words"),
    [("samples:=99", "samples"), ("device:=gpu", "cuda:N"), ("threads:=many", "threads"), ("label_set:=voc", "ade20k")],
)
def test_bad_value_at_start_ends_the_program_with_the_reason(
    argument: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--ros-args", "-p", argument]) == 2
    assert words in capsys.readouterr().err
