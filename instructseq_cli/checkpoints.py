"""Where checkpoints are; see `instructseq_model.checkpoint_folders`."""

from instructseq_model.checkpoint_folders import DEFAULT, find_checkpoint

__all__ = ["DEFAULT", "find_checkpoint"]
