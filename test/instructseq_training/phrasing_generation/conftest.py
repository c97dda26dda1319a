from collections.abc import Iterator

import pytest

from .chat_server import ChatServer


@pytest.fixture
def server() -> Iterator[ChatServer]:
    running = ChatServer()
    yield running
    running.stop()
