"""Stages in words, of made-up seconds."""

from __future__ import annotations

from instructseq_bench.node.breakdown import told_stages


def stages(convert: float, encode: float, decode: float, total: float) -> dict[str, float]:
    return {"convert": convert, "encode": encode, "decode": decode, "aggregate": 0.001, "total": total}


def test_medians_of_stages_stand_beside_those_of_the_bare_model() -> None:
    inside = [stages(0.001, 0.02, 0.1, 0.13), stages(0.001, 0.03, 0.2, 0.24), stages(0.003, 0.03, 0.9, 0.95)]
    alone = [{"encode": 0.02, "decode": 0.15, "aggregate": 0.001}]
    told = told_stages(inside, alone, [0.14, 0.25, 0.96])
    assert told.startswith(
        "in the node, ms: convert 1.0, encode 30.0 (bare 20.0), decode 200.0 (bare 150.0), aggregate 1.0 (bare 1.0), "
        "between them 8.0; before and after it 10.0"
    )


def test_without_messages_nothing_is_made_up() -> None:
    assert told_stages([], [], [0.1]) == "the node told nothing of its stages"
