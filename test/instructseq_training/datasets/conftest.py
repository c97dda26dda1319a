from pathlib import Path

import pytest

from . import generate


@pytest.fixture(scope="session")
def root(tmp_path_factory) -> Path:
    """All datasets, small; nobody writes into it."""
    folder = tmp_path_factory.mktemp("datasets")
    generate.everything(folder)
    return folder
