"""Parts of a bag that could not be read: kept beside what could, so that neither is mistaken for the whole."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True, kw_only=True)
class Damage:
    """One part that could not be read.

    Attributes:
        file: name of the file inside the bag, or of the bag.
        what: what is wrong with which part, in words.
    """

    file: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message as it was recorded.

    Attributes:
        topic: its topic.
        type_name: such as "sensor_msgs/msg/Image".
        log_ns: when it was recorded, nanoseconds since 1970.
        data: serialised (CDR).
    """

    topic: str
    type_name: str
    log_ns: int
    data: bytes
