"""Matrix products of arrays on PyTorch's threads.

NumPy's BLAS has threads of its own, which go on spinning for some 80 ms after a product: on a machine with few cores
the model's next pass then takes twice as long.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


def product(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.float64]:
    """N x D times D x M, in float64, which no autocast touches: N x M."""
    one, other = (torch.from_numpy(np.ascontiguousarray(side, np.float64)) for side in (left, right))
    found: NDArray[np.float64] = (one @ other).numpy()
    return found
