"""What can be wrong with a bag as a whole; damage to parts of it is no error but a list (`damage.py`)."""

from __future__ import annotations

from instructseq_model.errors import InstructSeqError


class BagError(InstructSeqError):
    """A bag is missing, holds nothing readable, or the shell does not know a message type."""
