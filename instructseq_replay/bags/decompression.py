"""Files and messages that rosbag2 compressed as a whole (zstd); of a truncated file, as much as can be had."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import zstandard

SUFFIX = ".zstd"
MAGIC = b"\x28\xb5\x2f\xfd"
"""First bytes of what zstd compressed; a serialised message never begins so."""

MOST_BYTES = 1 << 31
"""Of one message, decompressed."""

_BLOCK = 1 << 20


@contextmanager
def plain_file(path: Path, complaints: list[str]) -> Iterator[Path]:
    """The file itself, or what is inside a compressed one, for as long as the context lasts.

    Args:
        path: ends in `.zstd` if it is compressed.
        complaints: told what is wrong with the compressed file.
    """
    if path.suffix != SUFFIX:
        yield path
        return
    with TemporaryDirectory(prefix="instructseq-bag-") as folder:
        inside = Path(folder) / path.stem
        _decompress(path, inside, complaints)
        yield inside


def plain_message(data: bytes) -> bytes:
    """A message that may be compressed by itself, as rosbag2's message compression writes it.

    Raises:
        ValueError: it is compressed and damaged.
    """
    if data[:4] != MAGIC:
        return data
    try:
        declared = zstandard.frame_content_size(data)  # -1 where the frame does not say
        if declared > MOST_BYTES:
            raise ValueError(f"it says that it holds {declared} bytes")
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=MOST_BYTES)
    except (zstandard.ZstdError, MemoryError) as error:
        raise ValueError(str(error) or type(error).__name__) from None


def _decompress(path: Path, inside: Path, complaints: list[str]) -> None:
    """Write what can be decompressed, frame by frame of the compressed stream."""
    stream = zstandard.ZstdDecompressor().decompressobj()
    with path.open("rb") as source, inside.open("wb") as target:
        try:
            while block := source.read(_BLOCK):
                while block:
                    target.write(stream.decompress(block))
                    block = stream.unused_data if stream.eof else b""
                    if block:
                        stream = zstandard.ZstdDecompressor().decompressobj()
        except zstandard.ZstdError as error:
            complaints.append(f"the compressed file is damaged ({error}); read up to {target.tell()} bytes")
            return
        if not stream.eof:
            complaints.append(f"the compressed file ends early; read up to {target.tell()} bytes")
