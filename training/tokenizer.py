"""The caption tokenizer of a small model: byte-pair encoding learned from the training captions."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from instructseq_model.text import TextTokenizer


def train_tokenizer(captions: Iterable[str], *, size: int) -> TextTokenizer:
    """Learn a byte-level BPE of at most `size` ids; every text can be written with it.

    Args:
        captions: the texts to learn from.
        size: most ids; at least 256, one a byte.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(captions, trainer)
    return TextTokenizer(tokenizer)
