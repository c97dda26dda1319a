"""A grid cut into square tiles, and put together again; rows come first in the grid, among tiles and within a tile."""

from __future__ import annotations

from torch import Tensor


def into_tiles(grid: Tensor, side: int) -> Tensor:
    """Cut a grid.

    Args:
        grid: B x H x W x D; `side` divides H and W.
        side: T, of a tile.

    Returns:
        B x HW/TT x T*T x D.
    """
    rows, columns = grid.shape[1] // side, grid.shape[2] // side
    cut = grid.reshape(len(grid), rows, side, columns, side, grid.shape[-1]).transpose(2, 3)
    return cut.reshape(len(grid), rows * columns, side**2, grid.shape[-1])


def out_of_tiles(tiles: Tensor, rows: int) -> Tensor:
    """The inverse for square grids.

    Args:
        tiles: B x R*R x T*T x D.
        rows: R, tiles a side.

    Returns:
        B x RT x RT x D.
    """
    side = int(tiles.shape[2] ** 0.5)
    laid_out = tiles.reshape(len(tiles), rows, rows, side, side, tiles.shape[-1]).transpose(2, 3)
    return laid_out.reshape(len(tiles), rows * side, rows * side, tiles.shape[-1])
