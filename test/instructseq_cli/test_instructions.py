"""The command as a person gives it, against a server on this machine."""

import importlib.util
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from typer.testing import CliRunner

from instructseq_cli.main import app

needs_client = pytest.mark.skipif(importlib.util.find_spec("litellm") is None, reason="the extra `generate` is missing")
KEY = "sk-test-0123456789abcdef"
ANSWERS = [
    ["my nephew asks where {object} might have rolled off to", "find it"],
    ["quadrilateral around {object}, four corners, no rush"],
]


@pytest.fixture
def runner():
    return CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "OPENAI_API_KEY": KEY})


@pytest.fixture
def address():
    answers = iter(ANSWERS)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            found = next(answers, None)
            choice = {"index": 0, "finish_reason": "stop"}
            choice["message"] = {"role": "assistant", "content": json.dumps({"phrasings": found})}
            usage = {"prompt_tokens": 1200, "completion_tokens": 100, "total_tokens": 1300}
            content = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
            text = json.dumps({**content, "usage": usage}).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


def generate(*arguments):
    return ["instructions", "generate", *map(str, arguments), "--task", "detection", "--model", "openai/local"]


def test_help_has_an_example(runner):
    shown = runner.invoke(app, ["instructions", "generate", "--help"])
    assert shown.exit_code == 0
    assert "instructseq instructions generate" in shown.stdout


@needs_client
def test_a_run_shows_counts_reasons_tokens_and_cost(runner, address, tmp_path):
    prices = ["--input-price", 10, "--output-price", 100]
    shown = runner.invoke(app, generate(tmp_path, "--count", 2, "--api-base", address, *prices))
    assert shown.exit_code == 0, shown.output
    assert "wrong placeholders" in shown.stdout
    assert "2,400 + 200 tokens, $0.0440" in shown.stdout
    assert f"not yet reviewed: {tmp_path / 'detection.yaml'}" in shown.stdout
    assert KEY not in shown.output


@needs_client
def test_after_an_error_what_there_is_is_shown(runner, address, tmp_path):
    shown = runner.invoke(app, generate(tmp_path, "--count", 9, "--api-base", address))
    assert shown.exit_code == 2
    assert "2,400 + 200 tokens, price unknown" in shown.stdout
    assert (tmp_path / "detection.yaml").exists()
    assert shown.stderr.splitlines()[-1].startswith("error: openai/local: ")


def test_a_missing_client_is_named_with_the_remedy(runner, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "litellm", None)
    shown = runner.invoke(app, generate(tmp_path))
    assert shown.exit_code == 2
    assert "pip install -e .[generate]" in shown.stderr


@needs_client
def test_an_unknown_task_is_refused(runner, tmp_path):
    shown = runner.invoke(app, [*generate(tmp_path), "--task", "painting"])
    assert shown.exit_code == 2
    assert "there is no task 'painting'" in shown.stderr
