"""Lines as a person and a parser read them, and how many."""

from __future__ import annotations

import pytest

from instructseq_ros.event_log import EventLog


class Kept:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, words: str) -> None:
        self.lines.append(f"info {words}")

    def warning(self, words: str) -> None:
        self.lines.append(f"warning {words}")

    def error(self, words: str) -> None:
        self.lines.append(f"error {words}")


@pytest.mark.parametrize("severity", ["info", "warning", "error"])
def test_an_event_is_one_line_of_name_and_facts(severity: str) -> None:
    kept = Kept()
    log = EventLog(kept, period=lambda: 5.0)
    log.write(severity, "frame_late", camera="left", stamp=1.25, reason="too\nlate", nothing="")  # type: ignore[arg-type]
    assert kept.lines == [f'{severity} frame_late camera=left stamp=1.250 reason="too late" nothing=""']


def test_events_of_a_kind_are_left_out_for_a_while_and_counted() -> None:
    kept, now = Kept(), [0.0]
    log = EventLog(kept, period=lambda: 5.0, clock=lambda: now[0])
    for moment in (0.0, 1.0, 4.9, 5.0, 6.0):
        now[0] = moment
        log.write("error", "failed", at=moment)
    log.write("info", "configured")
    assert kept.lines == ["error failed at=0.000", "error failed at=5.000 left_out=2", "info configured"]
