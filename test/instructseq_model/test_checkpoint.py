import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from instructseq_model import checkpoint
from instructseq_model.checkpoint import add_code_meanings, load_checkpoint, read_manifest, save_checkpoint
from instructseq_model.errors import CheckpointError
from instructseq_model.label_sets import label_set
from instructseq_model.model_config import ModelConfig
from instructseq_model.pretrained import file_sha256
from instructseq_model.routing import Router
from instructseq_model.sequence_model import SequenceModel
from instructseq_model.text import TextTokenizer
from instructseq_model.vqvae import VQVAE

VALUES = {
    "name": "tiny",
    "vision_encoder": "dinov2_small",
    "image_size": 28,
    "fit": "stretch",
    "instruction_encoder": "minilm",
    "max_instruction_tokens": 8,
    "text_size": 5,
    "max_text_tokens": 4,
    "max_boxes": 2,
    "transformer": {"layers": 1, "width": 16, "heads": 2},
    "vqvae": {"resolution": 8, "channels": 4, "multipliers": [1, 1, 1], "blocks": 1, "codes": 8, "latent_channels": 2},
    "label_sets": ["household"],
    "grounding": {"subcells": 2, "key_width": 4},
}


@pytest.fixture(autouse=True)
def without_encoders(monkeypatch: pytest.MonkeyPatch) -> None:
    """The frozen encoders are no part of a checkpoint."""
    monkeypatch.setattr(checkpoint, "build_vision_encoder", lambda *_, **__: torch.nn.Identity())
    monkeypatch.setattr(checkpoint, "build_instruction_encoder", lambda *_, **__: torch.nn.Identity())


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    torch.manual_seed(0)
    config = ModelConfig.from_mapping(VALUES, origin="test")
    save_checkpoint(
        tmp_path / "tiny",
        config,
        sequence=SequenceModel(config.sequence).state_dict(),
        vqvae=VQVAE(config.vqvae).state_dict(),
        router=Router(config.sequence.instruction_width).state_dict(),
        tokenizer=TextTokenizer(Tokenizer(WordLevel({"a": 0, "mug": 1}, unk_token="a"))),
    )
    return tmp_path / "tiny"


def rehashed(folder: Path) -> None:
    """Make the manifest fit the files again."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"] = {name: file_sha256(folder / name) for name in manifest["sha256"]}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def weights(folder: Path) -> Path:
    return sorted(folder.glob("weights-*.safetensors"))[0]


def test_what_was_saved_is_loaded_to_eleven_bits(folder: Path) -> None:
    torch.manual_seed(0)
    expected = SequenceModel(ModelConfig.from_mapping(VALUES, origin="test").sequence).state_dict()
    model = load_checkpoint(folder)
    assert model.config == ModelConfig.from_mapping(VALUES, origin="test")
    for name, value in model.sequence.state_dict().items():
        assert torch.equal(value, expected[name].half().float()), name
    assert model.tokenizer is not None
    assert model.tokenizer.decode([1]) == "mug"
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_large_weights_are_split_and_smaller_ones_replace_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = ModelConfig.from_mapping(VALUES, origin="test")
    model = load_checkpoint(folder)
    again = {
        "sequence": model.sequence.state_dict(),
        "vqvae": model.vqvae.state_dict(),
        "router": model.router.state_dict(),
    }
    assert model.tokenizer is not None
    monkeypatch.setattr(checkpoint, "PART_BYTES", 50_000)
    save_checkpoint(folder, config, **again, tokenizer=model.tokenizer)
    parts = sorted(file.name for file in folder.glob("weights-*"))
    assert len(parts) > 2
    assert parts[0] == f"weights-1-of-{len(parts)}.safetensors"
    split = load_checkpoint(folder).sequence.state_dict()
    assert all(torch.equal(value, split[name]) for name, value in again["sequence"].items())
    monkeypatch.undo()
    save_checkpoint(folder, config, **again, tokenizer=model.tokenizer)
    assert [file.name for file in folder.glob("weights-*")] == ["weights-1-of-1.safetensors"]


def test_what_codes_mean_is_found_once_and_then_loaded(folder: Path) -> None:
    household = label_set("household")
    painted = load_checkpoint(folder)
    expected = (painted.marked_codes, painted.code_classes(household))
    add_code_meanings(folder, device=torch.device("cpu"))
    model = load_checkpoint(folder)
    assert torch.equal(model.marked_codes, expected[0])
    assert torch.equal(model.code_classes(household), expected[1])
    assert "patches" not in model.painted_codes.__dict__
    content = bytearray((folder / "code_meanings.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "code_meanings.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"code_meanings.*damaged or was changed"):
        load_checkpoint(folder)


def test_flipped_byte_is_found(folder: Path) -> None:
    content = bytearray(weights(folder).read_bytes())
    content[-7] ^= 1
    weights(folder).write_bytes(content)
    with pytest.raises(CheckpointError, match=r"weights-1-of-1.*damaged or was changed.*fetch the checkpoint again"):
        load_checkpoint(folder)


@pytest.mark.parametrize("name", ["config.yaml", "tokenizer.json", "weights-1-of-1.safetensors"])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name} is missing; fetch"):
        load_checkpoint(folder)


def test_wrong_hash_in_the_manifest_is_found(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"]["config.yaml"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match=r"config\.yaml.*expected 000000000000"):
        load_checkpoint(folder)


def test_folder_without_manifest_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="checkpoints/household"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b"])
def test_manifest_that_names_files_outside_the_folder_is_refused(folder: Path, name: str) -> None:
    (folder / "manifest.json").write_text(json.dumps({"format": 1, "sha256": {name: "0" * 64}}))
    with pytest.raises(CheckpointError, match="outside the folder"):
        load_checkpoint(folder)


def test_manifest_that_names_a_file_that_no_folder_can_hold_is_refused_in_few_words(folder: Path) -> None:
    (folder / "manifest.json").write_text(json.dumps({"format": 1, "sha256": {"字" * 9000: "0" * 64}}))
    with pytest.raises(CheckpointError, match="is missing") as refused:
        load_checkpoint(folder)
    assert len(str(refused.value)) < 500


def test_transformer_of_no_width_is_refused(folder: Path) -> None:
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["transformer"]["width"] = 0
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"]["config.yaml"] = file_sha256(folder / "config.yaml")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="width >= 1"):
        load_checkpoint(folder)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"sha256": 3}', '{"sha256": {}}', '{"sha256": {"a": 1}}', "\x00"])
def test_damaged_manifest_is_refused(folder: Path, content: str) -> None:
    (folder / "manifest.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"damaged.*fetch the checkpoint again"):
        load_checkpoint(folder)


def test_manifest_of_another_format_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"format": 3}))
    with pytest.raises(CheckpointError, match=r"format 3, this program reads 1 and 2.*update"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    "change",
    [{"a_later_setting": 1}, {"transformer": {"layers": 1}}, {"vision_encoder": "dinov9"}, {"image_size": 56}],
)
def test_configuration_of_another_version_is_refused(folder: Path, change: dict[str, object]) -> None:
    (folder / "config.yaml").write_text(yaml.safe_dump(VALUES | change))
    rehashed(folder)
    with pytest.raises(CheckpointError, match=r"another version.*fetch the checkpoint again"):
        load_checkpoint(folder)


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    (folder / "config.yaml").write_text(yaml.safe_dump(VALUES | {"text_size": 6}))
    rehashed(folder)
    with pytest.raises(CheckpointError, match=r"does not fit its own config\.yaml"):
        load_checkpoint(folder)


def test_file_that_is_no_safetensors_is_refused(folder: Path) -> None:
    weights(folder).write_bytes(b"\x80\x04pickle")
    rehashed(folder)
    with pytest.raises(CheckpointError, match=r"cannot be read.*fetch"):
        load_checkpoint(folder)
