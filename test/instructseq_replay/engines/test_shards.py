"""Shards cover every frame once, wherever a recording is cut."""

import os

import pytest

from instructseq_replay.bags.types import INTERFACE_PACKAGES, message_types
from instructseq_replay.engines.shards import Recording, minutes, run_shard, whole
from instructseq_replay.instructions import Instructions
from instructseq_replay.journal import Journal, JournalError, journal_index
from instructseq_replay.records import key_of
from instructseq_replay.run import make_plan

from .. import threshold

pytestmark = pytest.mark.skipif(not os.environ.get("AMENT_PREFIX_PATH"), reason="no ROS 2 environment in this shell")


def keys(shards, journals, instructions):
    types = message_types(*INTERFACE_PACKAGES)
    for shard in shards:
        list(
            run_shard(
                shard, journals=journals, answerer=lambda: threshold.answer, instructions=instructions, types=types
            )
        )
    return [key_of(head) for path in sorted(journals.iterdir()) for _, head in journal_index(path) if "key" in head]


@pytest.mark.parametrize("period", [0, 0.7, 45.0, 90.0])
@pytest.mark.parametrize("storage", ["mcap-zstd", "sqlite3"])
def test_minutes_hold_the_frames_of_the_whole(recorder, tmp_path, period, storage):
    with recorder(tmp_path / "bag", storage) as writer:
        for number in range(0, 2000, 9):  # 200 s
            writer.raw(number)
    asked = Instructions.model_validate({"period": period, "instructions": [{"id": "a", "say": "mark it"}]})
    (recording,) = make_plan([tmp_path / "bag"], asked, None).recordings
    shards = minutes(recording, period_ns=asked.period_ns)
    assert len(shards) >= 3
    cut = keys(shards, tmp_path / "cut", asked)
    assert sorted(cut) == keys(whole(recording), tmp_path / "whole", asked)
    assert len(set(cut)) == len(cut)


def test_a_recording_that_cannot_be_entered_is_not_cut(tmp_path):
    fields = {"name": "a", "path": tmp_path, "cameras": ("/i",), "first_ns": 0, "last_ns": 10**12, "frames": 9}
    assert len(minutes(Recording(enterable=False, **fields), period_ns=0)) == 1
    assert len(minutes(Recording(enterable=True, **fields), period_ns=0)) == 17


def test_a_shard_is_done_by_one_process_at_a_time(make_bag, tmp_path):
    asked = Instructions.model_validate({"instructions": [{"id": "a", "say": "mark it"}]})
    (recording,) = make_plan([make_bag()], asked, None).recordings
    (shard,) = whole(recording)
    with Journal(tmp_path / "journals" / shard.journal_name), pytest.raises(JournalError, match="in use"):
        keys([shard], tmp_path / "journals", asked)
