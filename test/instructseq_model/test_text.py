from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from instructseq_model.errors import CheckpointError
from instructseq_model.text import TextTokenizer

CAPTIONS = ["a red mug left of the laptop", "a bowl and a teapot on a wooden table", "two cups in front of a vase"]


def byte_level_tokenizer() -> Tokenizer:
    """The kind that RoBERTa has, with special tokens, truncation and padding that must not show."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<s>", "<pad>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CAPTIONS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=64)
    return tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    file = tmp_path_factory.mktemp("text") / "tokenizer.json"
    byte_level_tokenizer().save(str(file))
    return TextTokenizer.load(file)


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_comes_back(tokenizer: TextTokenizer, text: str) -> None:
    tokens = tokenizer.encode(text)
    assert all(0 <= token < tokenizer.size for token in tokens)
    if not any(special in text for special in ("<s>", "<pad>", "</s>")):
        assert tokenizer.decode(tokens) == text.strip()


def test_no_special_token_cut_or_padding_is_added(tokenizer: TextTokenizer) -> None:
    assert not {0, 1, 2} & set(tokenizer.encode(CAPTIONS[1]))
    assert tokenizer.decode(tokenizer.encode(CAPTIONS[1])) == CAPTIONS[1]
    assert tokenizer.encode("") == []


def test_special_tokens_are_left_out_of_the_text(tokenizer: TextTokenizer) -> None:
    assert tokenizer.decode([0, *tokenizer.encode("a mug"), 2, 1]) == "a mug"


def test_size_counts_added_tokens() -> None:
    inner = byte_level_tokenizer()
    before = TextTokenizer(inner).size
    inner.add_tokens(["<left>"])
    assert TextTokenizer(inner).size == before + 1


def test_saved_tokenizer_gives_the_same_ids(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "again.json")
    assert TextTokenizer.load(tmp_path / "again.json").encode(CAPTIONS[0]) == tokenizer.encode(CAPTIONS[0])


def test_ids_outside_the_vocabulary_are_refused(tokenizer: TextTokenizer) -> None:
    with pytest.raises(ValueError, match=str(tokenizer.size)):
        tokenizer.decode([tokenizer.size])


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"absent\.json; give the path"):
        TextTokenizer.load(tmp_path / "absent.json")


def test_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0", "model"')
    with pytest.raises(CheckpointError, match="damaged"):
        TextTokenizer.load(tmp_path / "tokenizer.json")


def test_file_without_tokens_is_refused(tmp_path: Path) -> None:
    Tokenizer(models.BPE()).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(CheckpointError, match="no tokens"):
        TextTokenizer.load(tmp_path / "tokenizer.json")
