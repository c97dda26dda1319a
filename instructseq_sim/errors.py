"""What goes wrong because of how the simulation is set up; every message says what to do."""

from __future__ import annotations

from instructseq_model.errors import InstructSeqError


class SimError(InstructSeqError):
    """A setting makes no sense, or this machine cannot render."""
