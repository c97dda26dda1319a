"""Scenes, data, training and evaluation of instructseq; imported as `instructseq_training`."""
