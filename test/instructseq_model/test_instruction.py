from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from instructseq_model.errors import CheckpointError, ConfigError, InstructionError
from instructseq_model.instruction import (
    CHARACTER_LIMIT,
    INSTRUCTION_SPECS,
    InstructionEncoder,
    build_instruction_encoder,
    check_instruction,
)
from instructseq_model.pretrained import PretrainedSource, model_directory, pretrained_source

TEXTS = ["segment the red mug left of the laptop", "a cup", "mark the bowl in green"]


def byte_level_tokenizer(begin: str, pad: str, end: str) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = [begin, pad, end, "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    ids = [(begin, 0), (end, 2)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{begin} $A {end}", special_tokens=ids)
    return tokenizer


def saved_model(folder: Path, model: Any, special: tuple[str, str, str]) -> Path:
    begin, pad, end = special
    model.save_pretrained(folder)  # safetensors
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=byte_level_tokenizer(*special),
        bos_token=begin,
        pad_token=pad,
        eos_token=end,
        unk_token="<unk>",
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = transformers.RobertaConfig(
        vocab_size=320,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=42,
        type_vocab_size=1,
        pad_token_id=1,
    )
    return saved_model(tmp_path_factory.mktemp("roberta"), transformers.RobertaModel(config), ("<s>", "<pad>", "</s>"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = transformers.CLIPTextConfig(
        vocab_size=320,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=40,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )
    special = ("<|startoftext|>", "<pad>", "<|endoftext|>")
    return saved_model(tmp_path_factory.mktemp("clip"), transformers.CLIPTextModel(config), special)


def reference(folder: Path, model_class: str, texts: list[str]) -> list[torch.Tensor]:
    """One text at a time through transformers alone: no padding, no mask, no positions of ours."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = getattr(transformers, model_class).from_pretrained(folder).eval()
    with torch.no_grad():
        return [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0] for text in texts]


def check_against_reference(encoder: InstructionEncoder, expected: list[torch.Tensor]) -> None:
    found = encoder.encode(TEXTS)
    assert found.lengths.tolist() == [len(states) for states in expected]
    assert found.states.shape == (len(TEXTS), max(map(len, expected)), encoder.width)
    for row, states in zip(found.states, expected, strict=True):
        torch.testing.assert_close(row[: len(states)], states, atol=1e-5, rtol=1e-4)
        assert not row[len(states) :].any()


@pytest.mark.parametrize("name", ["roberta_large", "roberta_base"])
def test_roberta_gives_the_states_of_transformers(roberta: Path, name: str) -> None:
    encoder = build_instruction_encoder(name, pretrained=PretrainedSource(path=roberta))
    assert (encoder.width, encoder.max_tokens) == (32, 40)
    check_against_reference(encoder, reference(roberta, "RobertaModel", TEXTS))


def test_clip_text_gives_the_states_of_transformers(clip: Path) -> None:
    encoder = build_instruction_encoder("clip_text", pretrained=PretrainedSource(path=clip))
    check_against_reference(encoder, reference(clip, "CLIPTextModel", TEXTS))


def test_clip_text_is_found_within_a_whole_clip(clip: Path, tmp_path: Path) -> None:
    text = transformers.CLIPTextModel.from_pretrained(clip)
    vision = transformers.CLIPVisionConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=8, patch_size=4
    )
    config = transformers.CLIPConfig(
        text_config=text.config.to_dict(), vision_config=vision.to_dict(), projection_dim=8
    )
    whole = transformers.CLIPModel(config)
    weights = {key if key.startswith("text_model.") else f"text_model.{key}": v for key, v in text.state_dict().items()}
    whole.load_state_dict(weights, strict=False)
    folder = saved_model(tmp_path, whole, ("<|startoftext|>", "<pad>", "<|endoftext|>"))
    encoder = build_instruction_encoder("clip_text", pretrained=PretrainedSource(path=folder))
    check_against_reference(encoder, reference(clip, "CLIPTextModel", TEXTS))


def test_minilm_of_the_package_gives_the_states_of_transformers() -> None:
    source = pretrained_source("minilm", offline=True)
    try:
        encoder = build_instruction_encoder("minilm", pretrained=source)
    except CheckpointError as error:
        pytest.skip(str(error))
    folder = model_directory(source)
    assert isinstance(folder, Path)
    assert (encoder.width, encoder.max_tokens) == (384, 128)
    check_against_reference(encoder, reference(folder, "BertModel", TEXTS))


def test_tokens_of_minilm_are_those_of_transformers() -> None:
    source = pretrained_source("minilm", offline=True)
    try:
        encoder = build_instruction_encoder("minilm", pretrained=source)
    except CheckpointError as error:
        pytest.skip(str(error))
    theirs = transformers.AutoTokenizer.from_pretrained(str(model_directory(source)))
    texts = [*TEXTS, "Où est la TASSE (à café)?", "杯子 mug\u200b, don't!", "\x00\tx" * 40, "😀 [MASK] naïve"]
    assert encoder.tokenize(texts) == [theirs(text)["input_ids"] for text in texts]


def test_too_many_tokens_are_cut_with_a_warning_and_keep_the_closing_one(roberta: Path) -> None:
    encoder = build_instruction_encoder("roberta_base", pretrained=PretrainedSource(path=roberta), max_tokens=6)
    with pytest.warns(UserWarning, match="cut to 6; say it in fewer words"):
        found = encoder.encode([TEXTS[0], "a"])
    assert found.lengths.tolist() == [6, 3]
    tokenizer = transformers.AutoTokenizer.from_pretrained(roberta)
    ids = tokenizer(TEXTS[0], truncation=True, max_length=6, return_tensors="pt")
    model = transformers.RobertaModel.from_pretrained(roberta).eval()
    torch.testing.assert_close(found.states[0], model(**ids).last_hidden_state[0], atol=1e-5, rtol=1e-4)


def test_encoder_is_frozen_and_stays_in_evaluation_mode(roberta: Path) -> None:
    encoder = build_instruction_encoder("roberta_base", pretrained=PretrainedSource(path=roberta))
    torch.nn.ModuleList([encoder]).train()
    assert not any(module.training for module in encoder.modules())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    torch.testing.assert_close(encoder.encode(TEXTS).states, encoder.encode(TEXTS).states, atol=0, rtol=0)


def test_bfloat16_states_stay_close(roberta: Path) -> None:
    encoder = build_instruction_encoder("roberta_base", pretrained=PretrainedSource(path=roberta))
    exact = encoder.encode(TEXTS).states
    found = encoder.to(torch.bfloat16).encode(TEXTS).states
    assert found.dtype == torch.bfloat16
    assert (found.float() - exact).norm() < 0.03 * exact.norm()


@pytest.mark.parametrize("name", list(INSTRUCTION_SPECS))
def test_published_widths_with_random_weights(name: str) -> None:
    with torch.device("meta"):
        encoder = build_instruction_encoder(name, pretrained=None)
    widths = {"roberta_large": 1024, "roberta_base": 768, "clip_text": 512, "minilm": 384}
    assert encoder.width == widths[name]
    assert encoder.max_tokens == (77 if name == "clip_text" else 128)


def test_random_weights_encode_bytes() -> None:
    encoder = build_instruction_encoder("minilm", pretrained=None)
    found = encoder.encode(["cup", "tasse à café"])
    assert found.lengths.tolist() == [5, 16]
    assert found.states.shape == (2, 16, 384)


@pytest.mark.parametrize(
    ("instruction", "message"),
    [
        ("", "empty; say what"),
        (" \n\t", "empty; say what"),
        (None, "must be a str, got NoneType"),
        (b"segment the mug", "must be a str, got bytes"),
        ("x" * CHARACTER_LIMIT, "10000 characters.*shorten"),
        ("x" * 100_000, "100000 characters.*shorten"),
        (b"the m\xfcg".decode("utf-8", "surrogateescape"), "not UTF-8, at character 5"),
    ],
)
def test_what_is_no_instruction_is_refused(roberta: Path, instruction: Any, message: str) -> None:
    encoder = build_instruction_encoder("roberta_base", pretrained=PretrainedSource(path=roberta))
    with pytest.raises(InstructionError, match=message):
        encoder.encode(["a cup", instruction])


@pytest.mark.parametrize("instructions", [[], "a cup"])
def test_encode_wants_a_list(roberta: Path, instructions: Any) -> None:
    encoder = build_instruction_encoder("roberta_base", pretrained=PretrainedSource(path=roberta))
    with pytest.raises(InstructionError, match="list"):
        encoder.encode(instructions)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50))
def test_every_other_text_passes_without_its_outer_white_space(text: str) -> None:
    if text.strip():
        assert check_instruction(f" {text}\n") == text.strip()


def test_unknown_names_and_too_many_positions_are_refused(roberta: Path) -> None:
    with pytest.raises(ConfigError, match="minilm"):
        build_instruction_encoder("t5", pretrained=None)
    with pytest.raises(ConfigError, match="40 positions"):
        build_instruction_encoder("roberta_base", pretrained=PretrainedSource(path=roberta), max_tokens=41)
    with pytest.raises(ConfigError, match="at least 2"):
        build_instruction_encoder("roberta_base", pretrained=PretrainedSource(path=roberta), max_tokens=1)


def test_damaged_weights_are_refused(roberta: Path, tmp_path: Path) -> None:
    for file in roberta.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"\x00" * 64)
    with pytest.raises(CheckpointError, match=r"model.safetensors is damaged.*fetch it again"):
        build_instruction_encoder("roberta_base", pretrained=PretrainedSource(path=tmp_path))


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_missing_and_damaged_files_beside_the_weights_are_refused(roberta: Path, tmp_path: Path, name: str) -> None:
    for file in roberta.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / name).write_text("no JSON")
    with pytest.raises(CheckpointError, match=rf"{name}.*damaged.*fetch it again"):
        build_instruction_encoder("roberta_base", pretrained=PretrainedSource(path=tmp_path))
    (tmp_path / name).unlink()
    with pytest.raises(CheckpointError, match=rf"has no {name}.*fetch them again"):
        build_instruction_encoder("roberta_base", pretrained=PretrainedSource(path=tmp_path))


def test_roberta_is_found_within_a_model_with_a_head(roberta: Path, tmp_path: Path) -> None:
    whole = transformers.RobertaForMaskedLM(transformers.RobertaConfig.from_pretrained(roberta))
    whole.roberta.load_state_dict(transformers.RobertaModel.from_pretrained(roberta).state_dict(), strict=False)
    folder = saved_model(tmp_path, whole, ("<s>", "<pad>", "</s>"))
    encoder = build_instruction_encoder("roberta_base", pretrained=PretrainedSource(path=folder))
    check_against_reference(encoder, reference(roberta, "RobertaModel", TEXTS))


def test_weights_that_do_not_fit_their_configuration_are_refused(roberta: Path, tmp_path: Path) -> None:
    for file in roberta.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = transformers.RobertaConfig.from_pretrained(roberta, intermediate_size=48)
    config.save_pretrained(tmp_path)
    with pytest.raises(
        CheckpointError, match=r"blocks.0.expand.weight .* is \(64, 32\), its config.json says \(48, 32\)"
    ):
        build_instruction_encoder("roberta_base", pretrained=PretrainedSource(path=tmp_path))


def test_a_model_of_another_kind_is_refused(clip: Path) -> None:
    with pytest.raises(CheckpointError, match=r"'clip_text_model'.*needs 'bert' or 'roberta'"):
        build_instruction_encoder("roberta_base", pretrained=PretrainedSource(path=clip))


def test_weights_of_another_model_are_refused(clip: Path, roberta: Path, tmp_path: Path) -> None:
    for file in roberta.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").write_bytes((clip / "model.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match="lacks"):
        build_instruction_encoder("roberta_base", pretrained=PretrainedSource(path=tmp_path))


def test_pickled_weights_are_never_loaded(roberta: Path, tmp_path: Path) -> None:
    for file in roberta.iterdir():
        if file.suffix == ".json":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save(transformers.RobertaModel.from_pretrained(roberta).state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"no weights at .*model\.safetensors"):
        build_instruction_encoder("roberta_base", pretrained=PretrainedSource(path=tmp_path))


def test_without_a_network_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    with pytest.raises(CheckpointError, match=r"FacebookAI/roberta-large could not be fetched.*give the path"):
        build_instruction_encoder("roberta_large", pretrained=pretrained_source("roberta_large"))
