from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from instructseq_model.errors import ConfigError
from instructseq_model.whitening import FLOOR, Whitening


def loud_and_quiet(count: int = 4000) -> torch.Tensor:
    """Features of width 5, mixed from sources of which one varies a thousand times as much as another."""
    generator = torch.Generator().manual_seed(0)
    sources = torch.randn(count, 5, generator=generator) * torch.tensor([30.0, 1.0, 1.0, 0.5, 0.03])
    return sources @ torch.linalg.qr(torch.randn(5, 5, generator=generator))[0] + 7


def fitted() -> Whitening:
    whitening = Whitening(5)
    whitening.fit(loud_and_quiet())
    return whitening


def test_it_is_the_identity_until_it_is_fitted() -> None:
    features = torch.randn(2, 3, 5)
    torch.testing.assert_close(Whitening(5)(features), features)


def test_without_a_floor_the_covariance_becomes_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("instructseq_model.whitening.FLOOR", 0.0)
    whitened = fitted()(loud_and_quiet()).numpy()
    np.testing.assert_allclose(whitened.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(np.cov(whitened.T), np.eye(5), atol=1e-2)


def test_directions_of_noise_are_not_blown_up() -> None:
    samples = loud_and_quiet()
    variance = np.linalg.eigvalsh(np.cov(samples.double().numpy().T))
    expected = variance / (variance + FLOOR * variance.mean())
    got = np.linalg.eigvalsh(np.cov(fitted()(samples.double()).numpy().T))
    np.testing.assert_allclose(np.sort(got), np.sort(expected), rtol=1e-4)


def test_a_layer_that_absorbs_it_gives_on_whitened_features_what_it_gave_on_raw_ones() -> None:
    torch.manual_seed(1)
    whitening, layer, samples = fitted(), nn.Linear(8, 4), loud_and_quiet(20)
    other = torch.randn(20, 3)
    with torch.no_grad():
        before = layer(torch.cat([other, samples], -1))
        whitening.absorb(layer, slice(3, None))
        after = layer(torch.cat([other, whitening(samples)], -1))
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("samples", [torch.zeros(1, 5), torch.zeros(9, 4), torch.zeros(5)])
def test_samples_that_say_nothing_are_refused(samples: torch.Tensor) -> None:
    with pytest.raises(ConfigError, match="at least 2 samples of width 5"):
        Whitening(5).fit(samples)
