"""A disk that is full while results are written: said in words, and nothing that is finished is lost by it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from instructseq_model.errors import InstructSeqError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""No space left; the user's quota, or the largest size of a file, is reached."""


class DiskFullError(InstructSeqError):
    """Results cannot be written for want of space."""


@contextmanager
def room_in(folder: Path) -> Iterator[None]:
    """Turn the system's errors about space into one that says what to do.

    Args:
        folder: of the run that is written.

    Raises:
        DiskFullError: there is no room.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise DiskFullError(
            f"{error.filename or folder} cannot be written ({error.strerror}): make room and give the same command "
            "again; finished frames are not done again"
        ) from error
