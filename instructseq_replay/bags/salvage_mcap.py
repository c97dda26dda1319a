"""Reading an mcap file from its beginning without trusting its index: chunk by chunk, leaving out damaged ones.

A recorder that died leaves a file without a summary; a bad disk leaves chunks whose checksum fails. Records follow one
another with their length, so that one that is damaged inside is stepped over; where a length itself is damaged, the
next chunk is searched for.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import zstandard
from lz4.frame import LZ4FrameDecompressor
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, Schema
from mcap.records import Message as McapMessage
from mcap.stream_reader import breakup_chunk

from instructseq_replay.bags.damage import Message

_MAGIC_BYTES = 8
_HEAD = struct.Struct("<BQ")
_CHUNK_FIELDS = struct.Struct("<QQQII")
_COMPRESSIONS = (b"zstd", b"lz4", b"")
_KNOWN = frozenset(range(0x01, 0x10))

CUT_CHUNK = 0x100
"""Stands for the opcode of a chunk that the file ends in."""


def salvage_mcap(path: Path, complaints: list[str]) -> Iterator[Message]:
    """The readable messages of an mcap file; chunks in their order, messages of a chunk by time.

    Args:
        path: the file, not compressed as a whole.
        complaints: told what could not be read.
    """
    if path.stat().st_size <= _MAGIC_BYTES:
        complaints.append("the file is empty")
        return
    schemas: dict[int, Schema] = {}
    channels: dict[int, Channel] = {}
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for opcode, at, length in _records(content, complaints):
            try:
                found = _messages(opcode, content[at : at + length], schemas, channels)
            except Exception as error:  # damaged bytes: lz4, zstandard, struct and mcap raise errors of every kind
                complaints.append(
                    f"the record at byte {at} ({length} bytes) is damaged: {error or type(error).__name__}"
                )
                continue
            yield from found


def _records(content: mmap.mmap, complaints: list[str]) -> Iterator[tuple[int, int, int]]:
    """Opcode, start and length of each record of the data section."""
    at = _MAGIC_BYTES
    while True:
        if at + _HEAD.size > len(content):
            complaints.append("the file ends without an index: its recording was cut off")
            return
        opcode, length = _HEAD.unpack_from(content, at)
        body = at + _HEAD.size
        if opcode in (Opcode.DATA_END, Opcode.FOOTER):
            return
        if opcode not in _KNOWN or body + length > len(content):
            next_chunk = _next_chunk(content, at + 1)
            if next_chunk is None:
                complaints.append(f"the file is cut off or unreadable from byte {at} on")
                if opcode == Opcode.CHUNK:
                    yield CUT_CHUNK, body, len(content) - body
                return
            complaints.append(f"bytes {at} to {next_chunk} are unreadable")
            at = next_chunk
            continue
        yield opcode, body, length
        at = body + length


def _next_chunk(content: mmap.mmap, start: int) -> int | None:
    """Where the next record starts that looks like a chunk in every field; None if there is none."""
    for compression in _COMPRESSIONS[:2]:
        found = start
        while (found := content.find(struct.pack("<I", len(compression)) + compression, found)) >= 0:
            at = found - _HEAD.size - _CHUNK_FIELDS.size + 4
            if at >= start and _is_chunk(content, at, compression):
                return at
            found += 1
    return None


def _is_chunk(content: mmap.mmap, at: int, compression: bytes) -> bool:
    opcode, length = _HEAD.unpack_from(content, at)
    first, last, *_ = _CHUNK_FIELDS.unpack_from(content, at + _HEAD.size)
    size_at = at + _HEAD.size + _CHUNK_FIELDS.size + len(compression)
    if opcode != Opcode.CHUNK or first > last or size_at + 8 > len(content):
        return False
    (size,) = struct.unpack_from("<Q", content, size_at)
    return bool(length == _CHUNK_FIELDS.size + len(compression) + 8 + size)


def _messages(opcode: int, body: bytes, schemas: dict[int, Schema], channels: dict[int, Channel]) -> list[Message]:
    """The messages of one record; schemas and channels are noted."""
    stream = ReadDataStream(BytesIO(body))
    records: list[object] = []
    if opcode == CUT_CHUNK:
        return _messages_of_cut_chunk(body, schemas, channels)
    if opcode == Opcode.CHUNK:
        records += breakup_chunk(Chunk.read(stream), validate_crc=True)
    elif opcode == Opcode.SCHEMA:
        records.append(Schema.read(stream))
    elif opcode == Opcode.CHANNEL:
        records.append(Channel.read(stream))
    elif opcode == Opcode.MESSAGE:
        records.append(McapMessage.read(stream, len(body)))
    found = []
    for record in records:
        if isinstance(record, Schema):
            schemas[record.id] = record
        elif isinstance(record, Channel):
            channels[record.id] = record
        elif isinstance(record, McapMessage) and record.channel_id in channels:
            channel = channels[record.channel_id]
            schema = schemas.get(channel.schema_id)
            found.append(
                Message(
                    topic=channel.topic,
                    type_name=schema.name if schema else "",
                    log_ns=record.log_time,
                    data=bytes(record.data),
                )
            )
    return sorted(found, key=lambda message: message.log_ns)


def _messages_of_cut_chunk(body: bytes, schemas: dict[int, Schema], channels: dict[int, Channel]) -> list[Message]:
    """The whole messages before the cut; without its end, a chunk's checksum says nothing."""
    start = _CHUNK_FIELDS.size
    (length,) = struct.unpack_from("<I", body, start - 4)
    compression, data = body[start : start + length], body[start + length + 8 :]
    if compression == b"zstd":
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    elif compression == b"lz4":
        data = LZ4FrameDecompressor().decompress(data)
    found: list[Message] = []
    at = 0
    while at + _HEAD.size <= len(data):
        opcode, size = _HEAD.unpack_from(data, at)
        at += _HEAD.size + size
        if at > len(data):
            break
        found += _messages(opcode, data[at - size : at], schemas, channels)
    return sorted(found, key=lambda message: message.log_ns)
