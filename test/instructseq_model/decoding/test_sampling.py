import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from instructseq_model.decoding.noise import gumbel_noise
from instructseq_model.decoding.sampling import GREEDY, Sampling, choose, restrict
from instructseq_model.errors import ConfigError

logit_rows = st.lists(st.integers(-30, 30), min_size=2, max_size=12, unique=True)


@pytest.mark.parametrize(
    "settings",
    [{"temperature": -0.1}, {"temperature": float("nan")}, {"temperature": 11}, {"top_k": 0}, {"top_p": 0.0}],
)
def test_settings_outside_their_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        Sampling(**settings)  # type: ignore[arg-type]


@given(logit_rows, st.integers(1, 12))
def test_top_k_keeps_the_k_most_probable(values: list[int], k: int) -> None:
    kept = restrict(torch.tensor([values]).float(), Sampling(top_k=k))[0].isfinite()
    assert {v for v, keep in zip(values, kept.tolist(), strict=True) if keep} == set(sorted(values)[-k:])


def test_top_k_keeps_no_more_than_k_of_equal_logits() -> None:
    assert int(restrict(torch.zeros(2, 5), Sampling(top_k=2)).isfinite().sum()) == 4


@given(logit_rows, st.floats(0.05, 0.99), st.sampled_from([0.5, 1.0, 2.0]))
def test_top_p_keeps_the_smallest_set_that_holds_p(values: list[int], p: float, temperature: float) -> None:
    scaled = np.array(values) / 10 / temperature
    probability = np.exp(scaled - scaled.max())
    probability /= probability.sum()
    expected, held = set(), 0.0
    for index in np.argsort(-probability):
        if abs(held - p) < 1e-4:
            return  # too near to the edge for float32
        if held >= p:
            break
        expected.add(int(index))
        held += probability[index]
    logits = torch.tensor([values]).float() / 10
    kept = restrict(logits, Sampling(temperature=temperature, top_p=p))[0].isfinite()
    assert set(kept.nonzero()[:, 0].tolist()) == expected


def test_restrictions_apply_together_and_leave_kept_logits_alone() -> None:
    logits = torch.tensor([[0.1, 0.5, 0.2, 0.4]]).log()
    cut = restrict(logits, Sampling(top_k=2, top_p=0.5))  # of 0.5 and 0.4, the first alone holds 5/9
    assert cut[0].isfinite().tolist() == [False, True, False, False]
    assert cut[0, 1] == logits[0, 1]


@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_tokens_are_drawn_as_often_as_the_softmax_says(temperature: float) -> None:
    logits = torch.tensor([1.0, 0.0, -1.0, 2.0, 0.5])
    draws = 4000
    noise = gumbel_noise(seed=7, samples=torch.arange(draws), positions=torch.tensor(3), size=5)
    tokens, _ = choose(logits.expand(draws, -1), noise, Sampling(temperature=temperature))
    expected = draws * (logits / temperature).softmax(-1).double().numpy()
    observed = np.bincount(tokens.numpy(), minlength=5)
    assert ((observed - expected) ** 2 / expected).sum() < chi2.ppf(0.999, df=4)


def test_probability_is_the_models_own_whatever_the_sampling() -> None:
    logits = torch.tensor([[0.2, 0.3, 0.5]]).log()
    token, probability = choose(logits, None, Sampling(temperature=0.0, top_k=1))
    assert token.tolist() == [2]
    assert probability.tolist() == pytest.approx([0.5])
    token, probability = choose(logits, torch.tensor([[50.0, 0.0, 0.0]]), Sampling(temperature=2.0))
    assert (token.tolist(), probability.tolist()) == ([0], pytest.approx([0.2]))


def test_greedy_takes_the_most_probable_token_whatever_the_noise() -> None:
    token, _ = choose(torch.tensor([[0.0, 1.0]]), torch.tensor([[99.0, 0.0]]), GREEDY)
    assert token.tolist() == [1]


def test_cut_tokens_are_never_drawn() -> None:
    noise = gumbel_noise(seed=0, samples=torch.arange(500), positions=torch.tensor(0), size=6)
    tokens, _ = choose(torch.arange(6.0).expand(500, -1), noise, Sampling(temperature=5.0, top_k=3))
    assert set(tokens.tolist()) == {3, 4, 5}
