"""The SROS2 policy is of the form that sros2 reads, and grants what the node uses: not less, and not more."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not set up in this shell: . scripts/env.sh")

FILE = Path(__file__).parents[2] / "config" / "security" / "policy.xml"
RULES = {
    "topics": ("topic", {"publish", "subscribe"}),
    "services": ("service", {"reply", "request"}),
    "actions": ("action", {"call", "execute"}),
}
NAMESPACE, NODE = "/", "instructseq"

# What some configurations or distributions open and others do not: a choice of transport, the time of a simulation, and
# descriptions of types, which Humble does not have.
OPTIONAL = {"/image/compressed", "/clock", "/instructseq/get_type_description"}


def profile() -> ElementTree.Element:
    found = ElementTree.parse(FILE).getroot().find("enclaves/enclave/profiles/profile")
    assert found is not None
    return found


def granted(kind: str, rule: str) -> set[str]:
    element, _ = RULES[kind]
    names = [one.text or "" for group in profile().findall(kind) if group.get(rule) == "ALLOW" for one in group]
    assert all(one.tag == element for group in profile().findall(kind) for one in group)
    return {f"/{NODE}{name[1:]}" if name.startswith("~") else f"/{name}" for name in names}


def differences(opened: set[str], allowed: set[str]) -> tuple[set[str], set[str]]:
    """What is opened without a grant, and what is granted and never opened. Grants may hold wildcards."""
    missing = {name for name in opened if not any(fnmatchcase(name, pattern) for pattern in allowed)}
    idle = {pattern for pattern in allowed if not any(fnmatchcase(name, pattern) for name in opened)}
    return missing - OPTIONAL, idle - OPTIONAL


def of_actions(names: set[str], kinds: tuple[str, ...]) -> set[str]:
    return {f"{name}/_action/{kind}" for name in names for kind in kinds}


def test_the_file_has_the_form_that_sros2_reads() -> None:
    root = ElementTree.parse(FILE).getroot()
    assert (root.tag, root.attrib) == ("policy", {"version": "0.2.0"})
    assert [enclave.attrib for enclave in root.findall("enclaves/enclave")] == [{"path": "/instructseq"}]
    assert profile().attrib == {"ns": NAMESPACE, "node": NODE}
    for group in profile():
        element, rules = RULES[group.tag]
        assert set(group.attrib) <= rules
        assert set(group.attrib.values()) == {"ALLOW"}
        assert len(group) > 0
        assert all(one.tag == element and not one.attrib and (one.text or "").strip() for one in group)


def test_sros2_itself_takes_the_file() -> None:
    policy = pytest.importorskip("sros2.policy", reason="sros2 comes with a ROS 2 distribution, not as a wheel")
    assert policy.load_policy(FILE).find("enclaves") is not None


def test_what_the_node_opens_is_what_is_granted(make_robot) -> None:
    node = make_robot().node
    actions = granted("actions", "execute")
    publishes = {name for name, _ in node.get_publisher_names_and_types_by_node(NODE, NAMESPACE)}
    subscribes = {name for name, _ in node.get_subscriber_names_and_types_by_node(NODE, NAMESPACE)}
    replies = {name for name, _ in node.get_service_names_and_types_by_node(NODE, NAMESPACE)}

    told = of_actions(actions, ("feedback", "status"))
    assert differences(publishes, granted("topics", "publish") | told) == (set(), set())
    assert differences(subscribes, granted("topics", "subscribe")) == (set(), set())
    goals = of_actions(actions, ("send_goal", "cancel_goal", "get_result"))
    assert differences(replies, granted("services", "reply") | goals) == (set(), set())


def test_the_node_calls_nobody(make_robot) -> None:
    node = make_robot().node
    assert node.get_client_names_and_types_by_node(NODE, NAMESPACE) == []
    assert granted("services", "request") == granted("actions", "call") == set()
