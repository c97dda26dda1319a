from collections.abc import Sequence

import pytest

from instructseq_model.decoding.windows import KEYS_HELD, WindowChooser


def used(chooser: WindowChooser, seconds: dict[int, float], count: int) -> list[int]:
    windows = []
    for _ in range(count):
        windows.append(chooser.choose("maps"))
        chooser.record("maps", windows[-1], seconds[windows[-1]])
    return windows


@pytest.mark.parametrize(("seconds", "best"), [((3.0, 1.0, 2.0), 16), ((1.0, 1.1, 1.2), 8), ((9.0, 3.0, 1.0), 32)])
def test_fastest_window_is_used_after_trials_of_all(seconds: Sequence[float], best: int) -> None:
    windows = used(WindowChooser((8, 16, 32)), dict(zip((8, 16, 32), seconds, strict=True)), 12)
    assert windows[:3] == [8, 16, 32]
    assert windows[6:] == [best] * 6


def test_a_hopeless_window_is_tried_once() -> None:
    windows = used(WindowChooser((8, 16, 32)), {8: 1.0, 16: 5.0, 32: 1.2}, 12)
    assert windows.count(16) == 1
    assert windows.count(32) == 2


def test_a_window_that_becomes_slow_is_left() -> None:
    chooser = WindowChooser((8, 16))
    assert used(chooser, {8: 1.0, 16: 2.0}, 8)[-1] == 8
    assert used(chooser, {8: 4.0, 16: 2.0}, 20)[-1] == 16


def test_kinds_of_work_are_told_apart_and_bounded() -> None:
    chooser = WindowChooser((8, 16))
    for key in range(KEYS_HELD + 5):
        assert chooser.choose(key) == 8
        chooser.record(key, 8, 1.0)
    assert chooser.choose(KEYS_HELD) == 16
    assert chooser.choose(0) == 8  # forgotten
    assert len(chooser._seconds) == KEYS_HELD


def test_a_window_that_is_no_candidate_is_not_remembered() -> None:
    chooser = WindowChooser((8,))
    chooser.record("maps", 99, 0.1)
    assert chooser.choose("maps") == 8
