"""What goes wrong because of something the caller gave: every message says what is wrong and what to do."""

from __future__ import annotations


class InstructSeqError(Exception):
    """Base of every error that the caller can mend; programs show its message and no traceback."""


class ConfigError(InstructSeqError, ValueError):
    """A configuration names an unknown thing, or a value outside its range."""


class CheckpointError(InstructSeqError):
    """A weights file is missing, damaged, has the wrong hash, or does not fit the model."""


class InstructionError(InstructSeqError, ValueError):
    """An instruction is empty, too long, or not text."""


class ImageError(InstructSeqError, ValueError):
    """An image has no pixels, an absurd size, or the wrong shape or type."""


class StoppedError(InstructSeqError):
    """Whoever asked wanted the work to end before it was done; there is no answer."""


class DeviceLostError(InstructSeqError):
    """The device that the model ran on does not answer any more; what was on it is lost."""
