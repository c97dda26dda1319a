"""A journal loses no whole record, whatever happens to its end."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructseq_replay.journal import Entry, Journal, JournalError, entry_at, journal_index

ENTRIES = [Entry(head={"key": number}, body=os.urandom(50 * number)) for number in range(5)]


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / "a" / "one.journal"
    with Journal(path) as writer:
        for entry in ENTRIES:
            writer.append(entry)
    return path


def entries(path):
    return [entry_at(place) for place, _ in journal_index(path)]


def test_records_come_back_in_their_order(journal):
    assert entries(journal) == ENTRIES
    assert [head for _, head in journal_index(journal)] == [entry.head for entry in ENTRIES]


def test_a_missing_journal_is_empty(tmp_path):
    assert list(journal_index(tmp_path / "none.journal")) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.data())
def test_cut_anywhere_the_whole_records_stay_and_writing_goes_on(journal, data):
    content = journal.read_bytes()
    length = data.draw(st.integers(0, len(content)))
    cut = journal.with_name("cut.journal")
    cut.write_bytes(content[:length])
    whole = entries(cut)
    assert whole == ENTRIES[: len(whole)]
    with Journal(cut) as writer:
        assert writer.heads == [entry.head for entry in whole]
        writer.append(ENTRIES[3])
    assert entries(cut) == [*whole, ENTRIES[3]]


def test_what_follows_a_damaged_record_is_not_trusted(journal):
    content = bytearray(journal.read_bytes())
    content[len(content) // 2] ^= 1
    journal.write_bytes(content)
    found = entries(journal)
    assert found == ENTRIES[: len(found)]
    assert len(found) < 5


def test_two_writers_are_refused(journal):
    with Journal(journal), pytest.raises(JournalError, match="in use by another process"):
        Journal(journal)
