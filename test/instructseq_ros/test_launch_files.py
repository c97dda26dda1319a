"""Launch files, the parameter file and the RViz configuration against the node: names that drift apart break robots."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from instructseq_ros.parameters import PARAMETERS
from instructseq_ros.publishing import STOCK_TOPICS

ROOT = Path(__file__).resolve().parents[2]
LAUNCH_PARTS = ROOT / "instructseq_ros" / "launch_parts.py"
LAUNCH_FILES = sorted((ROOT / "launch").glob("*.launch.py"))


def load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.name.replace(".", "_"), path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def declared(path: Path) -> set[str]:
    """Names of launch arguments, read from the source: the first texts of DeclareLaunchArgument and of the tables.

    Those of the parts that it shares with others are among them.
    """
    source = path.read_text(encoding="utf-8")
    names = declared(LAUNCH_PARTS) if "instructseq_ros.launch_parts" in source else set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "DeclareLaunchArgument":
            names |= {argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant)}
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            names |= {row.elts[0].value for row in node.value.elts if isinstance(row, ast.Tuple)}  # type: ignore[attr-defined]
    return {str(name) for name in names}


def test_parameter_file_holds_every_parameter_at_its_default() -> None:
    content = yaml.safe_load((ROOT / "config" / "instructseq.yaml").read_text(encoding="utf-8"))
    values = content["/**"]["ros__parameters"]
    assert values == {spec.name: spec.default for spec in PARAMETERS}
    assert {name: type(value) for name, value in values.items()} == {
        spec.name: type(spec.default) for spec in PARAMETERS
    }


def test_rviz_shows_topics_that_the_node_publishes() -> None:
    content = yaml.safe_load((ROOT / "config" / "instructseq.rviz").read_text(encoding="utf-8"))
    topics = [display["Topic"]["Value"] for display in content["Visualization Manager"]["Displays"]]
    assert topics
    assert {topic.removeprefix("/instructseq/") for topic in topics} <= STOCK_TOPICS.keys()


def test_shared_memory_profile_holds_several_raw_frames() -> None:
    names = {"dds": "http://www.eprosima.com"}
    tree = ElementTree.parse(ROOT / "config" / "fastdds.xml")
    declared_ids = {element.text for element in tree.iterfind(".//dds:transport_descriptor/dds:transport_id", names)}
    used = {element.text for element in tree.iterfind(".//dds:userTransports/dds:transport_id", names)}
    (size,) = (int(element.text or 0) for element in tree.iterfind(".//dds:segment_size", names))
    assert used == declared_ids
    assert size >= 4 * 1920 * 1080 * 3


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_launch_file_defines_what_launch_looks_for(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert "generate_launch_description" in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


def test_launch_arguments_exist_and_parameters_among_them_are_the_nodes() -> None:
    arguments = declared(ROOT / "launch" / "instructseq.launch.py")
    assert {"image", "checkpoint", "device", "namespace", "log_level"} <= arguments
    others = {"image", "namespace", "log_level", "params_file"}
    assert arguments - others <= {spec.name for spec in PARAMETERS}


def test_what_is_shown_passes_on_only_what_the_node_s_launch_file_declares() -> None:
    nodes = declared(ROOT / "launch" / "instructseq.launch.py")
    assert declared(LAUNCH_PARTS) - {"rviz"} <= nodes
    assert declared(ROOT / "launch" / "demo.launch.py") - {"bag", "rviz"} <= nodes
    assert declared(ROOT / "launch" / "sim.launch.py") - {"place", "seed", "rate", "rviz"} <= nodes


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_launch_description_can_be_made(path: Path) -> None:
    for module in ("launch", "launch_ros"):
        pytest.importorskip(module, reason=f"{module} is not installed here; it comes with a ROS 2 distribution")
    description = load(path).generate_launch_description()
    assert {argument.name for argument in description.get_launch_arguments()} == declared(path)
