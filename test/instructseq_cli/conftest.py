"""What the tests of the command line share."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def picture_file(tmp_path: Path) -> Path:
    """A PNG of 64 x 48 pixels."""
    pixels = np.random.default_rng(1).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"
