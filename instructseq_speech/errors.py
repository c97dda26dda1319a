"""What goes wrong because of sound, a recogniser or its model; every message says what to do."""

from __future__ import annotations

from instructseq_model.errors import InstructSeqError


class SpeechError(InstructSeqError):
    """Sound cannot be read, or a recogniser is not installed or cannot be set up."""
