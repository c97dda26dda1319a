"""When incompatible ends are told of: once their names are known, all together, and not for ever later."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not set up in this shell: . scripts/env.sh")

from instructseq_ros.incompatible_ends import ATTEMPTS, NAMELESS, IncompatibleEnds


class Log:
    """Keeps warnings."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, event: str, *, reason: str) -> None:
        self.lines.append(f"{event}: {reason}")


def test_an_end_is_told_of_once_its_name_is_known() -> None:
    log, answers = Log(), [[], [f"/{NAMELESS} subscribes"], ["/viewer subscribes"]]
    ends = IncompatibleEnds(warn=log)
    ends.note("/mask", lambda: answers.pop(0))
    for _ in range(4):
        ends.tell()
    assert log.lines == ["incompatible_qos: /viewer subscribes"]
    assert not answers


def test_an_end_that_never_gets_a_name_is_told_of_all_the_same() -> None:
    log = Log()
    ends = IncompatibleEnds(warn=log)
    ends.note("/mask", lambda: [f"/{NAMELESS} subscribes"])
    for _ in range(ATTEMPTS - 1):
        ends.tell()
    assert log.lines == []
    ends.tell()
    ends.tell()
    assert log.lines == [f"incompatible_qos: /{NAMELESS} subscribes"]


def test_an_end_that_went_again_is_not_told_of() -> None:
    log = Log()
    ends = IncompatibleEnds(warn=log)
    ends.note("/mask", list)
    for _ in range(ATTEMPTS + 1):
        ends.tell()
    assert log.lines == []


def test_topics_are_told_of_together_and_one_that_closed_is_not() -> None:
    log = Log()
    ends = IncompatibleEnds(warn=log)
    for topic in ("/mask", "/overlay", "/caption"):
        ends.note(topic, lambda topic=topic: [f"/viewer subscribes to {topic}."])  # type: ignore[misc]
    ends.forget("/overlay")
    ends.tell()
    assert log.lines == ["incompatible_qos: /viewer subscribes to /mask. /viewer subscribes to /caption."]
