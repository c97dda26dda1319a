"""A chat server on this machine that answers as OpenAI's and Anthropic's endpoints do, well or badly, by script."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

INPUT_TOKENS, OUTPUT_TOKENS = 200, 100
HANG_UP = 0
"""As a status: the connection is closed without an answer."""


@dataclass(frozen=True)
class Reply:
    """What is answered: a model's text, or an error with its headers."""

    text: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def phrasings(*texts: Any) -> Reply:
    return Reply(json.dumps({"phrasings": list(texts)}))


@dataclass
class Request:
    """What was asked: when, where, by whom, in which words."""

    time: float
    path: str
    key: str | None
    body: dict[str, Any]

    @property
    def words(self) -> str:
        return json.dumps(self.body)


class ChatServer:
    """Answers requests with the replies of a script, one after the other; the last one stays."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.script: list[Reply] = []
        self._server: ThreadingHTTPServer | None = None
        self.start(port=0)

    def start(self, *, port: int | None = None) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port if port is None else port), self._handler())
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def next_reply(self) -> Reply:
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                key = self.headers.get("Authorization") or self.headers.get("x-api-key")
                server.requests.append(Request(time.monotonic(), self.path, key, body))
                reply = server.next_reply()
                if reply.status == HANG_UP:
                    self.close_connection = True
                    return
                content = json.dumps(DIALECTS[self.path](reply)).encode()
                self.send_response(reply.status)
                for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Handler


def _openai(reply: Reply) -> dict[str, Any]:
    if reply.status != 200:
        return {"error": {"message": reply.text or "no", "type": "server_error", "param": None, "code": None}}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "local",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": reply.text}, "finish_reason": "stop"},
        ],
        "usage": {
            "prompt_tokens": INPUT_TOKENS,
            "completion_tokens": OUTPUT_TOKENS,
            "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
        },
    }


def _anthropic(reply: Reply) -> dict[str, Any]:
    if reply.status != 200:
        return {"type": "error", "error": {"type": "api_error", "message": reply.text or "no"}}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "local",
        "content": [{"type": "text", "text": reply.text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS},
    }


DIALECTS: dict[str, Callable[[Reply], dict[str, Any]]] = {
    "/v1/chat/completions": _openai,
    "/v1/messages": _anthropic,
}
