"""Bags of every storage and compression read alike; of damaged ones, everything that is left."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter

from instructseq_replay.bags.bag import open_bag
from instructseq_replay.bags.damage import Damage
from instructseq_replay.bags.errors import BagError

RAW = "/camera/image"
START_NS, STEP_NS = 1_700_000_000_000_000_000, 100_000_000
STORAGES = ["sqlite3", "sqlite3-file", "sqlite3-message", "mcap", "mcap-zstd", "mcap-file", "mcap-message"]


def stamps(bag: Path, damage: set[Damage] | None = None, **span) -> list[int]:
    """The numbers of the frames that are read."""
    found = open_bag(bag).messages([RAW], damage=damage, **span)
    return [(message.log_ns - START_NS) // STEP_NS for message in found]


def storage_file(bag: Path) -> Path:
    (file,) = (path for path in bag.iterdir() if path.name != "metadata.yaml")
    return file


def cut(file: Path, share: float) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])


@pytest.mark.parametrize("storage", STORAGES)
def test_every_storage_gives_the_same_messages(make_bag, storage):
    damage: set[Damage] = set()
    bag = make_bag(storage=storage)
    messages = list(open_bag(bag).messages([RAW], damage=damage))
    plain = list(open_bag(make_bag("plain", storage="sqlite3")).messages([RAW]))
    assert messages == plain
    assert [message.log_ns for message in messages] == [START_NS + number * STEP_NS for number in range(4)]
    assert not damage


@pytest.mark.parametrize("storage", STORAGES)
def test_the_topics_are_known_without_reading_everything(make_bag, storage):
    topics, sound = open_bag(make_bag(storage=storage, truth=True)).topics()
    assert sound
    assert topics[RAW].type_name == "sensor_msgs/msg/Image"
    assert topics[RAW].count == 4
    assert (topics[RAW].first_ns, topics[RAW].last_ns) == (START_NS, START_NS + 3 * STEP_NS)
    assert set(topics) == {RAW, "/truth/mask", "/truth/boxes", "/truth/instances/compressed", "/truth/scene"}


def test_a_span_holds_its_first_nanosecond_but_not_its_last(make_bag):
    assert stamps(make_bag(), span=(START_NS + STEP_NS, START_NS + 3 * STEP_NS)) == [1, 2]


@pytest.mark.parametrize("storage", ["sqlite3", "sqlite3-file", "mcap", "mcap-zstd", "mcap-file", "mcap-message"])
def test_of_a_truncated_file_the_beginning_is_read_and_the_rest_is_listed(make_bag, storage):
    bag = make_bag(storage=storage, frames=200)
    file = storage_file(bag)
    cut(file, 0.7)
    damage: set[Damage] = set()
    found = stamps(bag, damage)
    assert found == list(range(len(found)))
    # The last chunk of mcap has up to a megabyte.
    assert 80 < len(found) < 200
    assert {entry.file for entry in damage} == {file.name}


def test_a_recording_that_was_never_closed_loses_nothing(make_bag):
    bag = make_bag(frames=200)
    cut(storage_file(bag), 0.999)
    damage: set[Damage] = set()
    assert len(stamps(bag, damage)) >= 198
    assert "cut off" in next(iter(damage)).what


def checked_mcap(bag: Path, compression: CompressionType) -> Path:
    """The bag once more as one file with checksums and small chunks, as rosbag2 writes it."""
    path = bag.parent / f"{bag.name}-{compression.name}.mcap"
    with path.open("wb") as file:
        writer = McapWriter(file, chunk_size=200_000, compression=compression)
        writer.start(profile="ros2")
        schema = writer.register_schema(name="sensor_msgs/msg/Image", encoding="ros2msg", data=b"")
        channel = writer.register_channel(schema_id=schema, topic=RAW, message_encoding="cdr")
        for message in open_bag(bag).messages([RAW]):
            writer.add_message(
                channel_id=channel, log_time=message.log_ns, publish_time=message.log_ns, data=message.data
            )
        writer.finish()
    return path


@pytest.mark.parametrize("compression", list(CompressionType), ids=lambda kind: kind.name)
def test_a_damaged_chunk_is_stepped_over(make_bag, compression):
    file = checked_mcap(make_bag(frames=100), compression)
    assert stamps(file) == list(range(100))
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 50] = np.random.default_rng(0).bytes(50)
    file.write_bytes(content)
    damage: set[Damage] = set()
    found = stamps(file, damage)
    assert found == sorted(set(found))
    assert {0, 99} <= set(found)
    assert 70 < len(found) < 100
    assert len(damage) == 1


@pytest.mark.parametrize("compression", list(CompressionType), ids=lambda kind: kind.name)
def test_the_whole_messages_of_a_cut_chunk_are_read(make_bag, compression):
    file = checked_mcap(make_bag(frames=100), compression)
    cut(file, 0.8)
    damage: set[Damage] = set()
    found = stamps(file, damage)
    assert found == list(range(len(found)))
    # zstd gives what is before the cut in whole blocks of 128 kB.
    assert 65 < len(found) < 85
    assert "cut off" in next(iter(damage)).what


def test_after_an_unreadable_length_the_next_chunk_is_found(make_bag):
    bag = make_bag(storage="mcap-zstd", frames=400)
    file = storage_file(bag)
    content = bytearray(file.read_bytes())
    second = content.find(b"\x04\x00\x00\x00zstd", content.find(b"\x04\x00\x00\x00zstd") + 1)
    content[second - 36 : second - 20] = b"\xff" * 16  # within the head of the second chunk
    file.write_bytes(content[:-200])  # and without an index
    damage: set[Damage] = set()
    found = stamps(bag, damage)
    assert {0, 399} <= set(found)
    assert len(found) < 400
    assert any("unreadable" in entry.what for entry in damage)


def test_rows_on_lost_pages_of_a_database_are_counted(make_bag):
    bag = make_bag(storage="sqlite3", frames=60)
    file = storage_file(bag)
    content = bytearray(file.read_bytes())
    third = len(content) // 3
    content[third : third + 30_000] = b"\x00" * 30_000
    file.write_bytes(content)
    with sqlite3.connect(file) as database, pytest.raises(sqlite3.DatabaseError):
        list(database.execute("SELECT sum(length(data)) FROM messages"))
    damage: set[Damage] = set()
    found = stamps(bag, damage)
    assert 30 < len(found) <= 60
    assert damage


def test_a_missing_file_of_several_is_listed(make_bag):
    bag = make_bag()
    metadata = bag / "metadata.yaml"
    file = storage_file(bag)
    metadata.write_text(metadata.read_text().replace(f"- {file.name}", f"- {file.name}\n  - bag_1.mcap", 1))
    damage: set[Damage] = set()
    assert stamps(bag, damage) == [0, 1, 2, 3]
    assert damage == {Damage(file="bag_1.mcap", what="the file is missing")}


@pytest.mark.parametrize("storage", ["sqlite3-message", "mcap-file", "mcap-zstd"])
def test_without_metadata_the_files_are_found(make_bag, storage):
    bag = make_bag(storage=storage)
    (bag / "metadata.yaml").unlink()
    damage: set[Damage] = set()
    assert stamps(bag, damage) == [0, 1, 2, 3]
    assert damage == {Damage(file="metadata.yaml", what="the file is missing")}


def test_one_file_is_a_bag(make_bag):
    assert stamps(storage_file(make_bag())) == [0, 1, 2, 3]


def test_what_is_no_bag_is_refused(tmp_path):
    with pytest.raises(BagError, match="there is no bag at"):
        open_bag(tmp_path / "nothing")
    with pytest.raises(BagError, match=r"no \.mcap and no \.db3"):
        open_bag(tmp_path)


def test_an_empty_file_gives_nothing_and_says_so(make_bag):
    bag = make_bag()
    storage_file(bag).write_bytes(b"")
    damage: set[Damage] = set()
    assert stamps(bag, damage) == []
    assert [entry.what for entry in damage] == ["the file is empty"]
    shutil.rmtree(bag)
