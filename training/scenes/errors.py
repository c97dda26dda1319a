"""What can go wrong while scenes are made."""

from __future__ import annotations

from instructseq_model.errors import InstructSeqError


class SceneError(InstructSeqError):
    """Scenes cannot be made as asked; the message says what is missing and what to do."""
