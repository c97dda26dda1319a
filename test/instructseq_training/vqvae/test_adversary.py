"""The adversarial loss by hand and against torch's own layers."""

import itertools
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from instructseq_model.errors import CheckpointError, ConfigError
from instructseq_training.vqvae.adversary import Adversary, Discriminator, adaptive_weight, hinge_loss, load_adversary
from instructseq_training.vqvae.recipe import AdversarialConfig, Recipe

CPU = torch.device("cpu")


def images(seed: int) -> torch.Tensor:
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_hinge_loss_matches_hand_count() -> None:
    real, made = torch.tensor([2.0, 0.5]), torch.tensor([-2.0, 0.25])
    assert float(hinge_loss(real, made)) == pytest.approx(0.5 * ((0 + 0.5) / 2 + (0 + 1.25) / 2))


def test_adaptive_weight_is_the_ratio_of_gradients_at_the_last_layer() -> None:
    last = torch.tensor([1.0, 1.0], requires_grad=True)
    reconstruction, fooling = (torch.tensor([3.0, 4.0]) * last).sum(), 0.5 * last[0]
    weight = adaptive_weight(reconstruction, fooling, last)
    assert float(weight) == pytest.approx(5.0 / (0.5 + 1e-4))
    assert not weight.requires_grad
    reconstruction.backward()  # the graph is still there


def test_adaptive_weight_has_a_limit() -> None:
    last = torch.ones(1, requires_grad=True)
    assert float(adaptive_weight(3.0 * last.sum(), 0.0 * last.sum(), last)) == pytest.approx(1e4)


def published_shapes(layers: int) -> dict[str, tuple[int, ...]]:
    """`NLayerDiscriminator` of taming-transformers for 64 channels, as its checkpoints hold it."""
    widths = {2: (64, 128, 256), 3: (64, 128, 256, 512)}[layers]
    shapes: dict[str, tuple[int, ...]] = {"main.0.weight": (64, 3, 4, 4), "main.0.bias": (64,)}
    place = 2
    for before, after in itertools.pairwise(widths):
        shapes[f"main.{place}.weight"] = (after, before, 4, 4)
        shapes |= {f"main.{place + 1}.{name}": (after,) for name in ("weight", "bias", "running_mean", "running_var")}
        shapes[f"main.{place + 1}.num_batches_tracked"] = ()
        place += 3
    return shapes | {f"main.{place}.weight": (1, widths[-1], 4, 4), f"main.{place}.bias": (1,)}


@pytest.mark.parametrize("layers", [2, 3])
def test_names_and_shapes_are_those_of_the_published_discriminator(layers: int) -> None:
    found = Discriminator(channels=64, layers=layers).state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == published_shapes(layers)


def test_scores_are_those_of_torchs_layers_with_the_same_weights() -> None:
    torch.manual_seed(0)
    found = Discriminator(channels=8, layers=2)
    same = nn.Sequential(
        nn.Conv2d(3, 8, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(8, 16, 4, 2, 1, bias=False),
        nn.BatchNorm2d(16),
        nn.LeakyReLU(0.2),
        nn.Conv2d(16, 32, 4, 1, 1, bias=False),
        nn.BatchNorm2d(32),
        nn.LeakyReLU(0.2),
        nn.Conv2d(32, 1, 4, 1, 1),
    )
    same.load_state_dict({name.removeprefix("main."): value for name, value in found.state_dict().items()})
    before = {name: value.clone() for name, value in found.state_dict().items()}
    scores = found(images(0))
    assert scores.shape == (4, 1, 6, 6)
    assert torch.allclose(scores, same.train()(images(0)), atol=1e-6)
    assert all(torch.equal(value, before[name]) for name, value in found.state_dict().items())


def test_each_side_has_gradients_of_its_own() -> None:
    torch.manual_seed(0)
    adversary = Adversary(AdversarialConfig(), Discriminator(channels=8, layers=2))
    made = images(0).requires_grad_()
    loss, gradients = adversary.opposing(made, images(1))
    assert made.grad is None
    expected = torch.autograd.grad(
        hinge_loss(adversary.discriminator(images(1)), adversary.discriminator(images(0))), adversary.parameters
    )
    assert all(torch.allclose(a, b) for a, b in zip(gradients, expected, strict=True))
    assert float(loss) > 0
    adversary.fooling(made).backward()
    assert made.grad is not None
    scores = adversary.discriminator(images(0)).detach()
    assert float(adversary.fooling(images(0)).detach()) == pytest.approx(-float(scores.mean()))


def test_a_discriminator_learns_to_tell_made_pictures_from_real_ones() -> None:
    torch.manual_seed(0)
    adversary = Adversary(AdversarialConfig(), Discriminator(channels=8, layers=2))
    losses = []
    for _ in range(12):
        loss, gradients = adversary.opposing(images(0) * 0.2, images(1))
        losses.append(float(loss))
        for parameter, gradient in zip(adversary.parameters, gradients, strict=True):
            parameter.grad = gradient
        adversary.optimizer.step()
    assert losses[-1] < 0.5 * losses[0]


def test_published_weights_are_loaded_and_others_refused(tmp_path: Path) -> None:
    torch.manual_seed(1)
    source = Discriminator(channels=8, layers=2)
    save_file(source.state_dict(), tmp_path / "discriminator.safetensors")
    config = AdversarialConfig(channels=8)
    loaded = load_adversary(config, tmp_path / "discriminator.safetensors", device=CPU).discriminator
    assert torch.equal(loaded(images(0)), source(images(0)))
    with pytest.raises(CheckpointError, match=r"discriminator of adversarial: .*missing main\.9\.weight"):
        load_adversary(AdversarialConfig(channels=8, layers=3), tmp_path / "discriminator.safetensors", device=CPU)


@pytest.mark.parametrize(
    "values",
    [
        {"adversarial": {"weight": 0}},
        {"adversarial": {"layers": 5}},
        {"adversarial": {"speed": 1}},
        {"perceptual": {"weight": -1}},
        {"perceptual": 3},
    ],
)
def test_impossible_settings_are_refused_by_name(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"training.*(adversarial|discriminator|perceptual)"):
        Recipe.from_mapping(values)
