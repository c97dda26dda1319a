import json
from collections import Counter
from pathlib import Path

import pytest

from instructseq_model.errors import ConfigError
from instructseq_training.phrasing_generation.journal import Entry, Journal

ENTRY = Entry(
    kind="caption",
    model="m",
    accepted=("what is here?", "“naïve” \u2028 text"),
    rejected=(("x", "not English"), ("y\ud800", "not English")),
    input_tokens=3,
    output_tokens=4,
    cost=0.5,
)


def test_what_was_added_is_read_again(tmp_path: Path) -> None:
    first = Journal(tmp_path / "new" / "journal.jsonl")
    first.add(ENTRY)
    first.add(Entry(kind="detection", model="m", accepted=("find {object}",)))
    again = Journal(tmp_path / "new" / "journal.jsonl")
    assert again.entries == first.entries
    assert again.accepted("caption") == list(ENTRY.accepted)
    assert again.rejected("caption") == Counter({"not English": 2})
    assert (again.requests("caption"), again.tokens, again.cost) == (1, (3, 4), 0.5)


@pytest.mark.parametrize("kept", range(1, 20, 6))
def test_a_line_cut_short_is_dropped_and_the_next_one_stands_alone(tmp_path: Path, kept: int) -> None:
    file = tmp_path / "journal.jsonl"
    Journal(file).add(ENTRY)
    with file.open("ab") as opened:
        opened.write(file.read_bytes()[:kept])
    journal = Journal(file)
    journal.add(ENTRY)
    assert Journal(file).entries == (ENTRY, ENTRY)


@pytest.mark.parametrize("line", ["{}", "[]", "no JSON", '{"kind": "caption"}', json.dumps({"accepted": 1})])
def test_other_lines_are_refused_by_number(tmp_path: Path, line: str) -> None:
    (tmp_path / "journal.jsonl").write_text(line + "\n")
    with pytest.raises(ConfigError, match="line 1 of"):
        Journal(tmp_path / "journal.jsonl")
