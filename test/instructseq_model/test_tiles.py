import torch

from instructseq_model.tiles import into_tiles, out_of_tiles


def test_tiles_are_square_pieces_of_the_grid_row_by_row() -> None:
    grid = torch.arange(24).view(1, 4, 6, 1)
    tiles = into_tiles(grid, 2)
    assert tiles[0, :, :, 0].tolist() == [
        [0, 1, 6, 7],
        [2, 3, 8, 9],
        [4, 5, 10, 11],
        [12, 13, 18, 19],
        [14, 15, 20, 21],
        [16, 17, 22, 23],
    ]


def test_tiles_put_together_are_the_grid() -> None:
    grid = torch.randn(2, 6, 6, 3)
    assert torch.equal(out_of_tiles(into_tiles(grid, 3), 2), grid)


def test_no_grids_give_no_tiles_and_back() -> None:
    assert out_of_tiles(into_tiles(torch.zeros(0, 4, 4, 1), 2), 2).shape == (0, 4, 4, 1)
