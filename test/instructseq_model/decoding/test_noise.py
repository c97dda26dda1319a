import numpy as np
import pytest
import torch
from scipy.stats import gumbel_r, kstest
from torch import Tensor

from instructseq_model.decoding.noise import gumbel_noise


def noise(seed: int, sample: int, position: int, size: int = 4) -> Tensor:
    return gumbel_noise(seed=seed, samples=torch.tensor(sample), positions=torch.tensor(position), size=size)


def test_noise_depends_on_seed_sample_and_position_and_on_nothing_else() -> None:
    assert torch.equal(noise(1, 2, 3), noise(1, 2, 3))
    others = [(0, 2, 3), (1, 0, 3), (1, 2, 0), (2, 1, 3), (-1, 2, 3), (1, 3, 2), (1 + 2**40, 2, 3)]
    assert all(not torch.isclose(noise(1, 2, 3), noise(*other)).any() for other in others)
    together = gumbel_noise(seed=1, samples=torch.tensor([[2], [5]]), positions=torch.tensor([[0, 3], [1, 7]]), size=4)
    assert together.shape == (2, 2, 4)
    assert torch.equal(together[0, 1], noise(1, 2, 3))
    assert torch.equal(together[1, 0], noise(1, 5, 1))
    assert torch.equal(noise(1, 2, 3, size=9)[:4], noise(1, 2, 3))


@pytest.mark.parametrize("many", ["tokens", "samples", "positions", "seeds"])
def test_noise_is_gumbel_distributed_along_every_counter(many: str) -> None:
    count = 20_000
    along, one = torch.arange(count), torch.tensor(5)
    values = {
        "tokens": lambda: noise(1, 2, 3, size=count),
        "samples": lambda: gumbel_noise(seed=1, samples=along, positions=one, size=1)[:, 0],
        "positions": lambda: gumbel_noise(seed=1, samples=one, positions=along, size=1)[:, 0],
        "seeds": lambda: torch.cat([noise(seed, 2, 3, size=1) for seed in range(2000)]),
    }[many]().numpy()
    assert kstest(values, gumbel_r.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 4 / len(values) ** 0.5


def test_noise_of_neighbouring_steps_and_samples_is_uncorrelated() -> None:
    grid = gumbel_noise(seed=0, samples=torch.arange(4)[:, None], positions=torch.arange(4), size=50_000)
    found = np.corrcoef(grid.reshape(16, -1).numpy()) - np.eye(16)
    assert np.abs(found).max() < 5 / 50_000**0.5


def test_noise_is_finite_at_both_ends() -> None:
    values = noise(3, 1, 4, size=2_000_000)
    assert values.isfinite().all()
    assert -2.9 < values.min() < -2.5
    assert 13 < values.max() < 16.7
