"""Generation through the real client against a real server on this machine."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from instructseq_model.errors import ConfigError
from instructseq_training.instructions import load_instruction_set
from instructseq_training.phrasing_generation.endpoint import Endpoint, EndpointError, EndpointSettings
from instructseq_training.phrasing_generation.generate import IN_VAIN, GenerationSettings, Outcome, generate
from instructseq_training.phrasing_generation.journal import Journal
from instructseq_training.phrasing_generation.kinds import KINDS
from instructseq_training.phrasing_generation.output import MARK

from .chat_server import HANG_UP, INPUT_TOKENS, OUTPUT_TOKENS, ChatServer, Reply, phrasings

pytest.importorskip("litellm", reason="the extra `generate` is not installed")

KEY = "sk-test-0123456789abcdef"
OPENAI, ANTHROPIC = "openai/local", "anthropic/local"
NEW = (
    "Yesterday {object} was by the window, so where would that be today?",
    "The forklift driver wants a rectangle on {object}, thanks in advance.",
    "my nephew asks where {object} might have rolled off to",
    "quadrilateral around {object}, four corners, no rush",
    "Before lunch, could somebody tell the crane where {object} is standing?",
    "Northwest or southeast: on what part of the picture is {object} to be seen?",
)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


class Waits(list[float]):
    """Seconds that would have been waited."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def endpoint(server: ChatServer, waits: Callable[[float], None], *, model: str = OPENAI, **options: Any) -> Endpoint:
    base = f"{server.address}/v1" if model == OPENAI else server.address
    return Endpoint(EndpointSettings(model=model, api_base=base, **{"timeout": 10, **options}), sleep=waits)


def run(out: Path, model: Endpoint, *, count: int = 2, kind: str = "detection", **options: Any) -> Outcome:
    settings = GenerationSettings(model="some model", kinds=[KINDS[kind]], count=count, batch=3, **options)
    return generate(out, settings, model=model)


@pytest.mark.parametrize(("model", "path"), [(OPENAI, "/v1/chat/completions"), (ANTHROPIC, "/v1/messages")])
def test_phrasings_come_from_either_kind_of_endpoint(server: ChatServer, tmp_path: Path, model: str, path: str) -> None:
    server.script = [phrasings(*NEW[:2]), phrasings(*NEW[2:4])]
    asked = endpoint(server, Waits(), model=model, input_price=10.0, output_price=20.0)
    outcome = run(tmp_path, asked, count=4)
    assert outcome.stopped == ()
    assert [p.text for p in load_instruction_set(tmp_path)] == list(NEW[:4])
    assert (tmp_path / "detection.yaml").read_text().startswith(MARK)
    assert [request.path for request in server.requests] == [path, path]
    assert KEY in str(server.requests[0].key)
    assert outcome.journal.tokens == (2 * INPUT_TOKENS, 2 * OUTPUT_TOKENS)
    assert outcome.journal.cost == pytest.approx(2 * (INPUT_TOKENS * 10 + OUTPUT_TOKENS * 20) / 1e6)


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
def test_failures_that_may_pass_are_asked_again(server: ChatServer, tmp_path: Path, model: str) -> None:
    server.script = [
        Reply(status=500),
        Reply(status=429, headers={"Retry-After": "7"}),
        Reply(status=503),
        Reply(status=HANG_UP),
        phrasings(*NEW[:2]),
    ]
    waits = Waits()
    outcome = run(tmp_path, endpoint(server, waits, model=model))
    assert outcome.journal.accepted("detection") == list(NEW[:2])
    assert len(server.requests) == 5
    assert waits[1] == 7
    assert [0.8 * 2**n <= wait <= 1.2 * 2**n for n, wait in enumerate(waits)] == [True, False, True, True]


def test_a_pause_of_hours_ends_the_run(server: ChatServer, tmp_path: Path) -> None:
    server.script = [Reply(status=429, headers={"Retry-After": "7200"})]
    waits = Waits()
    with pytest.raises(EndpointError, match="wait for 7200 s"):
        run(tmp_path, endpoint(server, waits))
    assert waits == []


@pytest.mark.parametrize(("model", "status"), [(OPENAI, 401), (ANTHROPIC, 401), (OPENAI, 400), (OPENAI, 404)])
def test_a_refusal_ends_the_run_at_once_and_shows_no_key(
    server: ChatServer, tmp_path: Path, model: str, status: int
) -> None:
    server.script = [Reply(f"the key {KEY} is bad", status=status)]
    with pytest.raises(EndpointError) as raised:
        run(tmp_path, endpoint(server, Waits(), model=model))
    assert KEY not in str(raised.value)
    assert len(server.requests) == 1


def test_what_is_not_taken_is_counted_by_reason(server: ChatServer, tmp_path: Path) -> None:
    server.script = [
        Reply("I would rather not."),
        Reply('{"phrasings": ["where is {obj'),
        phrasings(
            NEW[0],
            NEW[0].replace("today", "todya"),  # of this answer
            "Locate {object}!",  # of the training set
            "Hunt down {object}",  # of the held-out set
            "find it",
            "find {object} in {color}",
            "Bitte finde {object} im Bild.",
            "Shade {object}.",
            None,
        ),
        phrasings(NEW[1]),
    ]
    outcome = run(tmp_path, endpoint(server, Waits()))
    assert outcome.journal.accepted("detection") == list(NEW[:2])
    assert outcome.journal.rejected("detection") == Counter(
        {
            "answer without JSON": 1,
            "answer cut short": 1,
            "near duplicate": 2,
            "near the other split": 1,
            "wrong placeholders": 2,
            "not English": 1,
            "asks for another task": 1,
            "not text": 1,
        }
    )


def test_a_model_that_repeats_itself_is_given_up(server: ChatServer, tmp_path: Path) -> None:
    server.script = [phrasings(NEW[0])]
    outcome = run(tmp_path, endpoint(server, Waits()))
    assert len(server.requests) == IN_VAIN + 1
    assert [reason for reason in outcome.stopped if "1 of 2" in reason] == list(outcome.stopped) != []


def test_a_server_that_dies_midway_loses_nothing(server: ChatServer, tmp_path: Path) -> None:
    server.script = [phrasings(*NEW[:2]), Reply("unused")]

    def then_die(kind: Any, journal: Journal) -> None:
        if journal.entries:
            server.stop()

    settings = GenerationSettings(model="some model", kinds=[KINDS["detection"]], count=4, batch=3)
    waits = Waits()
    with pytest.raises(EndpointError, match=r"failed 3 times.*again to go on"):
        generate(tmp_path, settings, model=endpoint(server, waits, retries=2), on_answer=then_die)
    assert len(waits) == 2
    assert [p.text for p in load_instruction_set(tmp_path)] == list(NEW[:2])

    with (tmp_path / "journal.jsonl").open("a") as journal:
        journal.write('{"kind": "detec')  # killed while it wrote
    server.start()
    server.script = [phrasings(NEW[1], *NEW[2:4])]
    outcome = generate(tmp_path, settings, model=endpoint(server, Waits()))
    assert [p.text for p in load_instruction_set(tmp_path)] == list(NEW[:4])
    assert outcome.journal.rejected("detection") == Counter({"near duplicate": 1})
    assert len(server.requests) == 2

    assert generate(tmp_path, settings, model=endpoint(server, Waits())).stopped == ()
    assert len(server.requests) == 2


def test_no_answer_is_asked_for_that_could_pass_the_budget(server: ChatServer, tmp_path: Path) -> None:
    server.script = [phrasings(text) for text in NEW]
    prices = {"input_price": 0.0, "output_price": 1000.0, "max_tokens": 400}
    # An answer may cost $0.40 and costs $0.10: the third one would start at $0.20.
    outcome = run(tmp_path, endpoint(server, Waits(), **prices), count=6, max_cost=0.55)
    assert len(server.requests) == 2
    assert "the budget of $0.55 (2 of 6 phrasings)" in outcome.stopped[0]
    run(tmp_path, endpoint(server, Waits(), **prices), count=6, max_cost=0.65)
    assert len(server.requests) == 3


def test_a_budget_needs_a_price(server: ChatServer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--input-price"):
        run(tmp_path, endpoint(server, Waits()), max_cost=1.0)
    assert server.requests == []


def test_held_out_phrasings_are_never_shown_to_the_model(server: ChatServer, tmp_path: Path) -> None:
    server.script = [phrasings(NEW[n]) for n in range(4)]
    run(tmp_path / "train", endpoint(server, Waits()), count=2)
    run(tmp_path / "held_out", endpoint(server, Waits()), count=2, split="held_out")
    shown = ["\n".join(m["content"] for m in request.body["messages"]).splitlines() for request in server.requests]
    held_out = {f"- {p.text}" for p in load_instruction_set("held_out")}
    train = {f"- {p.text}" for p in load_instruction_set("train")}
    assert not any(held_out & set(lines) for lines in shown)
    assert [len(train & set(lines)) > 0 for lines in shown] == [True, True, False, False]


def test_a_missing_key_is_asked_for_unless_the_server_is_the_users_own(
    server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ConfigError, match="OPENAI_API_KEY not set"):
        Endpoint(EndpointSettings(model=OPENAI))
    server.script = [phrasings(*NEW[:2])]
    assert run(tmp_path, endpoint(server, Waits())).stopped == ()


def test_a_name_without_provider_is_refused() -> None:
    with pytest.raises(ConfigError, match="openai/NAME"):
        Endpoint(EndpointSettings(model="no-such-model"))
