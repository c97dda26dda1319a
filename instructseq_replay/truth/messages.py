"""Messages of truth beside the frames that they are about, matched by stamp while both go by in the order of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rosbags.typesys.store import Typestore

from instructseq_model.errors import ImageError
from instructseq_replay.bags.damage import Damage, Message
from instructseq_replay.frames import FrameKey, Header, decode_message, header_of

LATE_NS = 5_000_000_000
"""Truth is recorded at most so long after its frame, or before it."""


class MessagesOfFrame:
    """What the topics of truth hold for one frame.

    Args:
        stamped: messages with the frame's stamp, by topic.
        latest: of topics without a header, the last message up to the frame, or the first one after it.
    """

    def __init__(self, stamped: Mapping[str, Any], latest: Mapping[str, Any]) -> None:
        self._stamped = stamped
        self._latest = latest

    def stamped(self, topic: str) -> Any | None:
        """The message of the frame's stamp, or None."""
        return self._stamped.get(topic)

    def latest(self, topic: str) -> Any | None:
        """The message of a topic without a header that stood when the frame was recorded, or None."""
        return self._latest.get(topic)


class TruthMessages:
    """Walks through the messages of truth of a bag, as far ahead of the frames as needed.

    Args:
        messages: of the topics of truth, nearly in the order of their time.
        types: message types.
        damage: filled with messages that cannot be read.
    """

    def __init__(self, messages: Iterator[Message], *, types: Typestore, damage: set[Damage]) -> None:
        self._messages = messages
        self._types = types
        self._damage = damage
        self._ahead_ns = -1
        self._stamped: dict[tuple[int, str], list[tuple[int, Any]]] = {}
        self._plain: dict[str, list[tuple[int, Any]]] = {}

    def of(self, key: FrameKey, header: Header) -> MessagesOfFrame:
        """The messages for a frame; frames must come in the order of their time."""
        while self._ahead_ns < key.log_ns + LATE_NS:
            message = next(self._messages, None)
            if message is None:
                self._ahead_ns = 2**63
                break
            self._ahead_ns = max(self._ahead_ns, message.log_ns)
            self._take(message)
        self._forget(key.log_ns - LATE_NS)
        stamped = {
            topic: message
            for (stamp, topic), found in self._stamped.items()
            if stamp == header.stamp_ns and (message := _of_frame(found, header)) is not None
        }
        return MessagesOfFrame(stamped, {topic: _standing(found, key.log_ns) for topic, found in self._plain.items()})

    def _take(self, message: Message) -> None:
        try:
            content = decode_message(message, self._types)
        except ImageError as error:
            self._damage.add(Damage(file=message.topic, what=str(error)))
            return
        if hasattr(content, "header"):
            place = (header_of(content).stamp_ns, message.topic)
            self._stamped.setdefault(place, []).append((message.log_ns, content))
        else:
            self._plain.setdefault(message.topic, []).append((message.log_ns, content))

    def _forget(self, before_ns: int) -> None:
        """Drop what no later frame can want; of topics without a header the last old message still stands."""
        for place in [place for place, found in self._stamped.items() if found[-1][0] < before_ns]:
            del self._stamped[place]
        for found in self._plain.values():
            while len(found) > 1 and found[1][0] < before_ns:
                del found[0]


def _of_frame(found: list[tuple[int, Any]], header: Header) -> Any | None:
    """The message of the frame's camera: of the same coordinate frame, or one that names none."""
    for _, message in found:
        if message.header.frame_id in (header.frame_id, ""):
            return message
    return None


def _standing(found: list[tuple[int, Any]], log_ns: int) -> Any:
    before = [message for at, message in found if at <= log_ns]
    return before[-1] if before else found[0][1]
