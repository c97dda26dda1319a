"""Devices that are not there and a PyTorch that is too old are refused in words."""

import pytest

from instructseq_model.backends.devices import check_torch, device_named
from instructseq_model.errors import ConfigError


@pytest.mark.parametrize("version", ["2.6.0", "2.8.0a0+34c6371d24.nv25.8", "2.15.0+cu130", "3.0.1"])
def test_new_enough(version: str) -> None:
    check_torch(version)


@pytest.mark.parametrize("version", ["1.13.1", "2.5.0a0+872d972e41.nv24.08"])
def test_too_old_is_refused_with_a_way_out(version: str) -> None:
    with pytest.raises(ConfigError, match=r"2\.6 or newer.*jetson\.md"):
        check_torch(version)


@pytest.mark.parametrize("name", ["toaster", "mps", "cuda:99"])
def test_what_is_not_here_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        device_named(name)
