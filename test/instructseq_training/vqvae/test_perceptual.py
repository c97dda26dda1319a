"""LPIPS against torchmetrics, which opens pickles and so is only used here, with weights made by chance."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torchmetrics.functional.image.lpips import _LPIPS
from typer.testing import CliRunner

from instructseq_model.errors import CheckpointError
from instructseq_training.vqvae.convert_perceptual import app, convert_perceptual
from instructseq_training.vqvae.perceptual import PERCEPTUAL_FILE, PerceptualDistance, load_perceptual


@pytest.fixture(scope="module")
def published() -> _LPIPS:
    """The published heads on a VGG16 of chance."""
    torch.manual_seed(0)
    return _LPIPS(pretrained=True, pnet_rand=True, net="vgg")


@pytest.fixture(scope="module")
def vgg_file(published: _LPIPS, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That VGG16 under torchvision's names, classifier included."""
    state = {f"features.{name.split('.', 1)[1]}": value for name, value in published.net.state_dict().items()}
    file = tmp_path_factory.mktemp("vgg") / "vgg16.safetensors"
    save_file({**state, "classifier.0.weight": torch.zeros(2, 2)}, file)
    return file


@pytest.fixture(scope="module")
def network(vgg_file: Path, tmp_path_factory: pytest.TempPathFactory) -> PerceptualDistance:
    return load_perceptual(convert_perceptual(tmp_path_factory.mktemp("lpips"), vgg=vgg_file))


def pictures(seed: int) -> Tensor:
    return torch.rand(3, 3, 32, 48, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_distance_is_that_of_torchmetrics_with_the_same_weights(network: PerceptualDistance, published: _LPIPS) -> None:
    found = network(pictures(0), pictures(1))
    assert found.shape == (3,)
    assert torch.allclose(found, published(pictures(0), pictures(1)).flatten(), rtol=1e-4, atol=1e-7)
    assert float(found.min()) > 0


def test_gradient_is_that_of_torchmetrics_and_flat_maps_have_one(
    network: PerceptualDistance, published: _LPIPS
) -> None:
    gradients = []
    for distance in (network, published):
        images = torch.cat([pictures(0)[:1], torch.full((1, 3, 32, 48), -1.0)]).requires_grad_()
        distance(images, torch.cat([pictures(1)[:1], torch.full((1, 3, 32, 48), -1.0)])).sum().backward()
        gradients.append(images.grad)
    assert torch.isfinite(gradients[0]).all()
    assert torch.allclose(*gradients, rtol=1e-3, atol=1e-7)


def test_nothing_of_it_learns(network: PerceptualDistance) -> None:
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_weights_of_another_network_are_refused_by_name(tmp_path: Path, network: PerceptualDistance) -> None:
    state = network.state_dict()
    del state["lin4.model.1.weight"]
    save_file(state, tmp_path / PERCEPTUAL_FILE)
    with pytest.raises(CheckpointError, match=r"LPIPS.*missing lin4\.model\.1\.weight"):
        load_perceptual(tmp_path / PERCEPTUAL_FILE)
    with pytest.raises(CheckpointError, match=r"only \.safetensors"):
        load_perceptual(tmp_path / "vgg.pth")


def test_command_writes_the_published_heads(vgg_file: Path, published: _LPIPS, tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, [str(tmp_path), "--vgg", str(vgg_file)])
    assert shown.exit_code == 0, shown.output
    stored = load_file(tmp_path / PERCEPTUAL_FILE)
    for number in range(5):
        head = published.state_dict()[f"lin{number}.model.1.weight"]
        assert torch.equal(stored[f"lin{number}.model.1.weight"], head)


def test_command_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    save_file({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "vgg.safetensors")
    shown = CliRunner().invoke(app, [str(tmp_path / "out"), "--vgg", str(tmp_path / "vgg.safetensors")])
    assert shown.exit_code == 2
    assert "missing net.slice1.0.bias" in shown.output
