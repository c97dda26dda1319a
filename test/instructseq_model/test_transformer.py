from typing import Any

import pytest
import torch
import torch.nn.functional as F

from instructseq_model.errors import ConfigError
from instructseq_model.transformer import (
    KeyValues,
    StaticCache,
    Transformer,
    TransformerConfig,
    attend_merged,
    attend_shared_prefix,
    can_merge,
    causal_mask,
)

CONFIG = TransformerConfig(layers=2, width=16, heads=2)


def transformer() -> Transformer:
    torch.manual_seed(0)
    model = Transformer(CONFIG).eval().requires_grad_(False)  # as in decoding
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def key_values(rows: int, length: int) -> KeyValues:
    return KeyValues(torch.randn(rows, 2, length, 8), torch.randn(rows, 2, length, 8))


@pytest.mark.parametrize("settings", [{"layers": 0}, {"heads": 3}, {"heads": 0}, {"prefix_attention": "full"}])
def test_impossible_shapes_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        TransformerConfig(**({"layers": 1, "width": 16, "heads": 2} | settings))  # type: ignore[arg-type]


def test_causal_mask_of_the_last_two_of_four_positions() -> None:
    assert causal_mask(2, 4, torch.device("cpu")).tolist() == [[True, True, True, False], [True] * 4]


@pytest.mark.parametrize("new", [1, 3])
def test_attention_over_a_shared_prefix_is_attention_over_the_concatenation(new: int) -> None:
    torch.manual_seed(1)
    query, prefix, own = torch.randn(6, 2, new, 8), key_values(2, 5), key_values(6, 4)
    prefix_mask = torch.tensor([[True] * 5, [True, True, False, True, False]])
    own_mask = causal_mask(new, 4, torch.device("cpu"))
    shared = attend_shared_prefix(query, prefix, own, prefix_mask=prefix_mask, own_mask=own_mask)
    copied = KeyValues(prefix.keys.repeat_interleave(3, 0), prefix.values.repeat_interleave(3, 0)).append(own)
    seen = prefix_mask.repeat_interleave(3, 0)[:, None, None].expand(-1, 1, new, -1)
    mask = torch.cat([seen, own_mask.expand(6, 1, -1, -1)], -1)
    expected = F.scaled_dot_product_attention(query, copied.keys, copied.values, attn_mask=mask)
    torch.testing.assert_close(shared, expected, atol=1e-5, rtol=1e-5)


def test_attention_over_a_shared_prefix_keeps_half_precision() -> None:
    prefix, own = (KeyValues(*(part.bfloat16() for part in key_values(1, 3))) for _ in range(2))
    assert attend_shared_prefix(torch.randn(2, 2, 1, 8).bfloat16(), prefix, own).dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("new", [1, 3])
def test_merged_attention_is_that_of_one_softmax(new: int, masked: bool, dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    query = torch.randn(6, 2, new, 8, dtype=dtype)
    prefix, own = (KeyValues(*(part.to(dtype) for part in key_values(rows, 5))) for rows in (2, 6))
    masks: dict[str, Any] = {"prefix_mask": None, "own_mask": None}
    if masked:
        masks["prefix_mask"] = torch.tensor([[True] * 5, [True, True, False, True, False]])
        masks["own_mask"] = torch.rand(6, 1, new, 5) > 0.5
        masks["own_mask"][..., 0] = True
    elif new > 1:
        masks["own_mask"] = causal_mask(new, 5, query.device)
    assert can_merge(query)
    found = attend_merged(query, prefix, own, **masks)
    expected = attend_shared_prefix(query, prefix, own, **masks)
    assert found.dtype == dtype
    tolerance = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2e-2}[dtype]
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance)


def test_rows_that_share_a_past_see_what_rows_with_copies_of_it_see() -> None:
    model = transformer()
    _, past = model(torch.randn(2, 5, 16))
    x = torch.randn(6, 4, 16)
    own = causal_mask(4, 4, x.device)
    shared, _ = model(x, past=past, mask=own)
    everything = torch.cat([torch.ones(4, 5, dtype=torch.bool), own], -1)
    copied, _ = model(x, past=[layer.repeat_rows(3) for layer in past], mask=everything)
    torch.testing.assert_close(shared, copied, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("window", [1, 2, 3])
def test_steps_of_any_window_equal_one_causal_pass(window: int) -> None:
    model = transformer()
    _, past = model(torch.randn(1, 5, 16))
    x = torch.randn(2, 6, 16)
    whole, _ = model(x, past=past, mask=causal_mask(6, 6, x.device))
    cache = StaticCache(CONFIG, rows=2, length=6, dtype=x.dtype, device=x.device)
    steps = [
        model.step(part, prefix=past, prefix_mask=None, cache=cache, starts=torch.full((2,), window * number))
        for number, part in enumerate(x.split(window, 1))
    ]
    torch.testing.assert_close(torch.cat(steps, 1), whole, atol=1e-5, rtol=1e-5)


def test_rows_at_different_positions_and_windows_shown_again_equal_one_causal_pass() -> None:
    model = transformer()
    _, past = model(torch.randn(1, 5, 16))
    x = torch.randn(2, 6, 16)
    whole, _ = model(x, past=past, mask=causal_mask(6, 6, x.device))
    cache = StaticCache(CONFIG, rows=2, length=6, dtype=x.dtype, device=x.device)

    def show(window: torch.Tensor, *starts: int) -> torch.Tensor:
        return model.step(window, prefix=past, prefix_mask=None, cache=cache, starts=torch.tensor(starts))

    guessed = torch.cat([x[:, :1], torch.randn(2, 3, 16)], 1)
    show(guessed, 0, 0)
    show(torch.stack([x[0, 1:4], x[1, 0:3]]), 1, 0)  # overwrites the guesses
    states = show(torch.stack([x[0, 2:5], x[1, 3:6]]), 2, 3)
    torch.testing.assert_close(states, torch.stack([whole[0, 2:5], whole[1, 3:6]]), atol=1e-5, rtol=1e-5)


def test_reordered_cache_continues_the_chosen_rows() -> None:
    model = transformer()
    _, past = model(torch.randn(1, 3, 16))
    x = torch.randn(3, 3, 16)
    cache = StaticCache(CONFIG, rows=3, length=3, dtype=x.dtype, device=x.device)
    model.step(x[:, :2], prefix=past, prefix_mask=None, cache=cache, starts=torch.zeros(3, dtype=torch.long))
    rows = torch.tensor([2, 0, 0])
    cache.select(rows)
    after = model.step(x[:, 2:], prefix=past, prefix_mask=None, cache=cache, starts=torch.full((3,), 2))
    history = torch.cat([x[rows, :2], x[:, 2:]], 1)
    whole, _ = model(history, past=past, mask=causal_mask(3, 3, x.device))
    torch.testing.assert_close(after, whole[:, 2:], atol=1e-5, rtol=1e-5)


def test_repeating_one_row_copies_nothing() -> None:
    held = key_values(1, 4)
    assert held.repeat_rows(5).keys.shape == (5, 2, 4, 8)
    assert held.repeat_rows(5).keys.data_ptr() == held.keys.data_ptr()
    two = key_values(2, 4)
    assert torch.equal(two.repeat_rows(2).values, two.values[[0, 0, 1, 1]])
