import math

import pytest
import torch

from instructseq_model.vqvae import Codebook
from instructseq_training.vqvae.codebook import RunningCodebook, k_means
from instructseq_training.vqvae.evaluation import class_miou, code_consistency, perplexity
from instructseq_training.vqvae.flat_codes import RETIRED, unify_flat_codes
from instructseq_training.vqvae.objectives import flat_cells, flat_spread, palette_cross_entropy, palette_logits


def test_palette_cross_entropy_matches_hand_value() -> None:
    colours = torch.tensor([[[-1.0, -1.0, -1.0], [1.0, -1.0, -1.0]]])  # black and red
    pixel = torch.tensor([0.5, -1.0, -1.0]).view(1, 3, 1, 1)  # squared distances 2.25 and 0.25
    value = palette_cross_entropy(pixel, torch.tensor([[[1]]]), colours, temperature=0.5)
    assert float(value) == pytest.approx(math.log1p(math.exp(-(2.25 - 0.25) / 0.5)), rel=1e-4)


def test_largest_logit_is_the_nearest_colour() -> None:
    torch.manual_seed(0)
    images, colours = torch.rand(2, 3, 5, 4) * 2 - 1, torch.rand(2, 7, 3) * 2 - 1
    found = palette_logits(images, colours, temperature=0.1).argmax(1)
    expected = torch.cdist(images.flatten(2).transpose(1, 2), colours).argmin(2).view(2, 5, 4)
    assert torch.equal(found, expected)


def test_cells_of_one_class_are_flat() -> None:
    ids = torch.zeros(1, 4, 4, dtype=torch.long)
    ids[0, 0, 3] = 1
    assert flat_cells(ids, 2).tolist() == [[[True, False], [True, True]]]


def test_flat_spread_is_relative_and_zero_for_one_latent_a_colour() -> None:
    latents = torch.tensor([[1.0], [1.0], [5.0], [7.0]])
    together = flat_spread(latents[[0, 1, 2]], torch.tensor([0, 0, 1]))
    apart = flat_spread(latents, torch.tensor([0, 0, 1, 1]))
    assert float(together) == 0.0
    assert float(apart) == pytest.approx((0 + 0 + 1 + 1) / 4 / 9.0, rel=1e-4)  # the variance of all is 9
    assert float(flat_spread(latents * 10, torch.tensor([0, 0, 1, 1]))) == pytest.approx(float(apart), rel=1e-4)
    assert float(flat_spread(latents[:0], torch.tensor([], dtype=torch.long))) == 0.0


def test_k_means_finds_separate_clusters() -> None:
    torch.manual_seed(0)
    true = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    points = (true[:, None] + 0.1 * torch.randn(3, 50, 2)).reshape(-1, 2)
    found = k_means(points, 12, rounds=10, generator=torch.Generator().manual_seed(1))
    assert torch.cdist(true, found).min(1).values.max() < 0.3


def test_running_codebook_moves_entries_to_the_mean_of_their_latents() -> None:
    book = Codebook(2, 1)
    running = RunningCodebook(book, decay=0.5, least_use=0.0)
    running.start(torch.tensor([[0.0], [10.0]]))
    running.update(torch.tensor([[2.0], [2.0]]), torch.tensor([0, 0]), generator=None)
    # uses 0.5 + 0.5 * 2 = 1.5, sum 0 + 0.5 * 4 = 2
    assert book.embedding.weight[:, 0].tolist() == pytest.approx([2 / 1.5, 10.0])


def test_unused_entries_are_given_a_new_place() -> None:
    book = Codebook(2, 1)
    running = RunningCodebook(book, decay=0.5, least_use=0.6)
    running.start(torch.tensor([[0.0], [100.0]]))
    moved = running.update(torch.full((4, 1), 3.0), torch.zeros(4, dtype=torch.long), generator=torch.Generator())
    assert moved == 1
    assert float(book.embedding.weight[1, 0]) == 3.0


def test_unifying_leaves_one_code_a_flat_colour_and_keeps_the_others() -> None:
    book = Codebook(6, 1)
    with torch.no_grad():
        book.embedding.weight[:, 0] = torch.tensor([0.0, 0.1, 5.0, 5.1, 9.0, 20.0])
    latents = torch.tensor([0.0, 0.02, 0.1, 5.0, 5.1, 5.12, 9.0, 9.1])[:, None]
    flat = torch.tensor([True] * 6 + [False] * 2)
    labels = torch.tensor([1, 1, 1, 2, 2, 2, 0, 0])
    left = unify_flat_codes(book, latents, flat, labels)
    codes = book.nearest(latents)
    assert left == 3
    assert len(codes[:3].unique()) == len(codes[3:6].unique()) == 1
    assert codes[6] == codes[7] == 4
    assert int((book.embedding.weight == RETIRED).sum()) >= 2


def test_class_miou_matches_hand_count_and_leaves_black_out() -> None:
    truth, found = torch.tensor([0, 0, 1, 1, 2, 2]), torch.tensor([0, 1, 1, 1, 2, 0])
    assert class_miou(found, truth, 4) == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_perplexity_counts_evenly_used_codes() -> None:
    assert perplexity(torch.tensor([5, 5, 0, 5])) == pytest.approx(3.0)
    assert perplexity(torch.zeros(3)) == 0.0


def test_consistency_compares_flat_neighbours_of_one_colour() -> None:
    ids = torch.tensor([[[1, 1, 1, 1, 2, 2, 2, 2]] * 2])  # four flat cells of 2 x 2
    codes = torch.tensor([[[7, 7, 8, 9]]])
    same, spread = code_consistency(codes, ids, torch.tensor([0]), 2)
    assert same == pytest.approx(0.5)
    assert spread == pytest.approx((1 + 2) / 2)


def test_a_mean_of_which_nothing_is_left_stays_where_it_is() -> None:
    book = Codebook(2, 1)
    running = RunningCodebook(book, decay=0.5, least_use=0.0)
    running.start(torch.tensor([[0.0], [10.0]]))
    for _ in range(60):  # 0.5 ** 60 is far below what is kept
        running.update(torch.tensor([[2.0]]), torch.tensor([0]), generator=None)
    assert book.embedding.weight[:, 0].tolist() == pytest.approx([2.0, 10.0])


def test_codes_are_looked_up_in_parts_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    book, rows = Codebook(7, 3), torch.randn(50, 3)
    whole = book.nearest(rows)
    monkeypatch.setattr("instructseq_model.vqvae.DISTANCES_AT_ONCE", 21)
    assert torch.equal(book.nearest(rows), whole)
    assert torch.equal(whole, torch.cdist(rows, book.embedding.weight).argmin(1))
