"""One code base for all supported distributions: what differs is in one module, and nothing newer is used elsewhere."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import pytest
import yaml

from instructseq_ros.distributions import (
    COMMON_BAG_VERSION,
    DISTRIBUTIONS,
    HUMBLE,
    LYRICAL,
    distribution,
    qos_events,
    stay_on_this_machine,
)

ROOT = Path(__file__).parents[2]
PACKAGES = ("instructseq_ros", "instructseq_cli", "instructseq_bench")
SOURCES = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]

# What one of the supported distributions lacks or names otherwise, and since when the others have it.
NEWER_THAN_HUMBLE = {
    "event_handler": "Iron, use distributions.qos_events",
    "add_post_set_parameters_callback": "Iron, use the callback before the change",
    "add_pre_set_parameters_callback": "Iron",
    "EventsExecutor": "Kilted",
    "parameter_event_handler": "Iron",
    "service_introspection": "Iron",
    "wait_for_node": "Iron",
    "type_hash": "Iron",
    "create_client_async": "no distribution",
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_distribution_of_the_shell_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DISTRO", name)
    assert distribution().name == name


def test_an_unknown_distribution_counts_as_the_newest() -> None:
    assert distribution("mystery") is LYRICAL


def test_humble_is_kept_to_this_machine_by_its_own_variable() -> None:
    environment = {"ROS_DISTRO": "humble"}
    stay_on_this_machine(environment)
    assert environment == {"ROS_DISTRO": "humble", "ROS_LOCALHOST_ONLY": "1"}


def test_what_the_user_set_stays() -> None:
    environment = {"ROS_DISTRO": "jazzy", "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}
    stay_on_this_machine(environment)
    assert environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SUBNET"


def test_bags_are_written_for_the_oldest_reader() -> None:
    assert COMMON_BAG_VERSION == HUMBLE.bag_version < LYRICAL.bag_version


def test_events_of_quality_of_service_are_found_here() -> None:
    pytest.importorskip("rclpy", reason="ROS 2 is not set up in this shell: . scripts/env.sh")
    callbacks = qos_events().SubscriptionEventCallbacks(incompatible_qos=print)
    assert callbacks.incompatible_qos is print


def test_this_shells_distribution_is_a_supported_one() -> None:
    name = os.environ.get("ROS_DISTRO")
    if name is None:
        pytest.skip("ROS 2 is not set up in this shell: . scripts/env.sh")
    assert name in DISTRIBUTIONS


@pytest.mark.parametrize("source", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_nothing_newer_than_the_oldest_distribution_is_used(source: Path) -> None:
    if source.name == "distributions.py":
        return
    tree = ast.parse(source.read_text(encoding="utf-8"))
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rclpy"):
            names |= {alias.name for alias in node.names} | set(str(node.module).split("."))
    assert names & set(NEWER_THAN_HUMBLE) == set()


@pytest.mark.parametrize("source", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_classes_of_rclpy_are_subscripted_in_annotations_only(source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    tree = ast.parse(text)
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rclpy")
        for alias in node.names
    }
    if not imported:
        return
    # Annotations are never run: this import turns them into text.
    annotations = {id(inner) for node in ast.walk(tree) for one in _annotations(node) for inner in ast.walk(one)}
    run = [
        node.value.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and id(node) not in annotations
    ]
    assert "from __future__ import annotations" in text
    assert set(run) & imported == set()


def test_the_workflow_builds_for_every_distribution() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yaml").read_text(encoding="utf-8"))
    built = {entry["distribution"] for entry in workflow["jobs"]["ros"]["strategy"]["matrix"]["include"]}
    assert built == set(DISTRIBUTIONS)


def test_setup_takes_every_distributions_python() -> None:
    bounds = re.search(
        r"\(3, (\d+)\) <= sys\.version_info\[:2\] <= \(3, (\d+)\)", (ROOT / "scripts/setup.sh").read_text()
    )
    assert bounds is not None
    low, high = (int(number) for number in bounds.groups())
    assert all(low <= one.python[1] <= high for one in DISTRIBUTIONS.values())


def _annotations(node: ast.AST) -> list[ast.expr]:
    held = [getattr(node, field, None) for field in ("annotation", "returns")]
    return [one for one in held if isinstance(one, ast.expr)]
