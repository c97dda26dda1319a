"""What can go wrong with a dataset on disk."""

from __future__ import annotations

from instructseq_model.errors import InstructSeqError


class DatasetError(InstructSeqError):
    """A dataset is missing, incomplete, or not in its published format."""
