"""Pickles of plain data, such as RefCOCO's `refs(unc).p`, read without letting them run anything.

A pickle is a program: it may name any function and call it. This reader admits no names at all, so that what comes out
is made of lists, tuples, dicts, sets, texts, numbers, True, False and None, or nothing comes out.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any, NoReturn

from instructseq_training.datasets.errors import DatasetError


# The unpickler that is written in Python: the one in C makes room up to the largest index that a file names, which may
# be 64 GB for a file of ten bytes. Reading RefCOCO's takes seconds longer.
class _PlainUnpickler(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> NoReturn:
        """Refuse every global, harmless ones included: plain data needs none."""
        raise pickle.UnpicklingError(f"it wants to load {module}.{name}, which plain data never does")

    def persistent_load(self, pid: Any) -> NoReturn:
        """Refuse references to things outside the file."""
        raise pickle.UnpicklingError("it refers to something outside the file")


def read_plain_pickle(file: Path) -> Any:
    """The plain data of a pickle; byte strings of Python 2 become text.

    Raises:
        DatasetError: it cannot be read, is damaged, or holds anything but plain data.
    """
    try:
        data = file.read_bytes()
        return _PlainUnpickler(io.BytesIO(data), encoding="utf-8", errors="replace").load()
    except OSError as error:
        raise DatasetError(
            f"cannot read {file} ({error.strerror}); `instructseq data check` says where it is"
        ) from error
    except Exception as error:  # a damaged pickle may raise almost anything
        words = str(error) or type(error).__name__
        raise DatasetError(
            f"{file} was not loaded: {words:.300}. The published file holds plain data only: this one is damaged or "
            "was tampered with. Delete it and fetch it from where `instructseq data check` says"
        ) from error
