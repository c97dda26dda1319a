"""Tells of incompatible ends of topics once the graph knows them: the event can come before the other end's name."""

from __future__ import annotations

import threading
from collections.abc import Callable

ATTEMPTS = 5
"""How often a report is asked for before it is told as it is: an end that is no ROS node never gets a name."""

NAMELESS = "_NODE_NAME_UNKNOWN_"
"""What rmw calls the node of an end whose participant has not told its nodes yet."""

Report = Callable[[], list[str]]
"""One sentence for each incompatible end that the graph knows; see `qos_report`."""


class IncompatibleEnds:
    """Gathers reports, and tells all that are due in one warning, since the log leaves out repetitions of an event.

    Args:
        warn: told the kind of event, and facts by name.
    """

    def __init__(self, *, warn: Callable[..., None]) -> None:
        self._warn = warn
        self._lock = threading.Lock()
        self._waiting: dict[str, tuple[Report, int]] = {}

    def note(self, topic: str, report: Report) -> None:
        """An end of a topic was found to be incompatible.

        Args:
            topic: its full name; a later report of the same topic takes the earlier one's place.
            report: asked when the graph has had time to know the end.
        """
        with self._lock:
            self._waiting[topic] = (report, ATTEMPTS)

    def forget(self, topic: str) -> None:
        """This node's end of a topic is going."""
        with self._lock:
            self._waiting.pop(topic, None)

    def tell(self) -> None:
        """Warn of what is known by now. To be called every second or so."""
        with self._lock:
            waiting = dict(self._waiting)
        due = []
        for topic, (report, attempts) in waiting.items():
            sentences = report()
            if (not sentences or any(NAMELESS in one for one in sentences)) and attempts > 1:
                self._put_back(topic, report, attempts - 1)
                continue
            due += sentences
            self._drop(topic, report)
        if due:
            self._warn("incompatible_qos", reason=" ".join(due))

    def _put_back(self, topic: str, report: Report, attempts: int) -> None:
        with self._lock:
            if topic in self._waiting and self._waiting[topic][0] is report:
                self._waiting[topic] = (report, attempts)

    def _drop(self, topic: str, report: Report) -> None:
        with self._lock:
            if topic in self._waiting and self._waiting[topic][0] is report:
                del self._waiting[topic]
