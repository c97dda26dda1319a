"""Loading, resting, and a device that is lost in the middle of the work."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from instructseq_model.errors import ConfigError, DeviceLostError
from instructseq_ros.model_keeper import ModelKeeper
from instructseq_ros.parameters import PARAMETERS, Settings, settings_of

SETTINGS = settings_of({spec.name: spec.default for spec in PARAMETERS})


class Model:
    """Answers with the device that it is on; what is lost does not answer."""

    def __init__(self, device: str, lost: set[str]) -> None:
        self.device, self.lost, self.forgotten = device, lost, 0

    def work(self) -> str:
        if self.device in self.lost:
            raise DeviceLostError(f"the device {self.device} was lost")
        return self.device

    def batch(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    def forget(self) -> None:
        self.forgotten += 1


class Kept:
    """A keeper with a record of what it loads and tells."""

    def __init__(self, **changes: Any) -> None:
        self.lost: set[str] = set()
        self.loaded: list[str] = []
        self.loaders: list[threading.Thread] = []
        self.told: list[str | None] = []
        self.keeper = ModelKeeper(load=self.load, on_lost=lambda error, fallback: self.told.append(fallback))
        self.keeper.configure(replace(SETTINGS, **changes))

    def load(self, settings: Settings) -> Any:
        if settings.device == "nowhere":
            raise ConfigError("there is no such device")
        self.loaded.append(settings.device)
        self.loaders.append(threading.current_thread())
        return Model(settings.device, self.lost)

    def ask(self) -> str:
        return self.keeper.ask(lambda model: model.work())  # type: ignore[attr-defined]


def test_lost_device_is_replaced_and_the_same_work_is_done_there() -> None:
    kept = Kept(device="cuda:1")
    assert kept.ask() == "cuda:1"
    kept.lost.add("cuda:1")
    assert [kept.ask(), kept.ask()] == ["cpu", "cpu"]
    assert (kept.loaded, kept.told) == (["cuda:1", "cpu"], ["cpu"])
    assert (kept.keeper.device, kept.keeper.lost) == ("cpu", "the device cuda:1 was lost")


@pytest.mark.parametrize("fallback", ["", "cuda:1"])
def test_without_another_device_the_loss_is_told_and_stays(fallback: str) -> None:
    kept = Kept(device="cuda:1", fallback_device=fallback)
    kept.lost.add("cuda:1")
    for _ in range(2):
        with pytest.raises(DeviceLostError, match="cuda:1 was lost"):
            kept.ask()
    assert (kept.loaded, kept.told) == (["cuda:1"], [None])


def test_a_lost_fallback_ends_it() -> None:
    kept = Kept(device="cuda:1")
    kept.lost |= {"cuda:1", "cpu"}
    with pytest.raises(DeviceLostError, match="cpu was lost"):
        kept.ask()
    with pytest.raises(DeviceLostError):
        kept.ask()
    assert kept.loaded == ["cuda:1", "cpu"]


def test_configuring_again_comes_back_to_the_device() -> None:
    kept = Kept(device="cuda:1")
    kept.lost.add("cuda:1")
    kept.ask()
    kept.lost.clear()
    kept.keeper.configure(replace(SETTINGS, device="cuda:1"))
    assert (kept.ask(), kept.keeper.lost) == ("cuda:1", "")


def test_no_thread_that_loaded_lives_on() -> None:
    kept = Kept(device="cuda", fallback_device="cpu")
    kept.lost.add("cuda")
    assert kept.ask() == "cpu"
    assert len(kept.loaders) == 2
    assert not any(thread.is_alive() for thread in kept.loaders)


def test_resting_gives_a_card_back_and_waking_loads_again() -> None:
    kept = Kept(device="cuda:1")
    kept.keeper.rest()
    with pytest.raises(DeviceLostError, match="activate"):
        kept.ask()
    kept.keeper.wake()
    kept.keeper.wake()
    assert (kept.ask(), kept.loaded) == ("cuda:1", ["cuda:1", "cuda:1"])


def test_resting_on_a_cpu_forgets_frames_and_keeps_the_model() -> None:
    kept = Kept()
    kept.keeper.rest()
    kept.keeper.wake()
    assert (kept.ask(), kept.loaded) == ("cpu", ["cpu"])
    assert kept.keeper.ask(lambda model: model.forgotten) == 1  # type: ignore[attr-defined]
