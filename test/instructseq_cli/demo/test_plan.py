"""The demo's plan: the shipped one is complete, a broken one is refused with what to do."""

import pytest

from instructseq_cli.demo.command import PLAN
from instructseq_cli.demo.frames import frames_of_bag, photograph
from instructseq_cli.demo.plan import read_plan
from instructseq_model.errors import ConfigError
from instructseq_model.perception import Task


@pytest.mark.parametrize("act", read_plan(PLAN), ids=lambda act: act.name)
def test_the_shipped_plan_asks_for_every_kind_of_answer(act):
    assert {ask.task for ask in act.asks} == set(Task)


@pytest.mark.parametrize("act", read_plan(PLAN), ids=lambda act: act.name)
def test_every_target_of_the_shipped_plan_is_in_every_frame(act):
    frames = frames_of_bag(act.bag) if act.bag else photograph()
    for ask in act.asks:
        if ask.task in (Task.SEGMENTATION, Task.DETECTION):
            assert ask.targets
            assert all(frame.mask_of(ask.targets).sum() > 300 for frame in frames)


@pytest.mark.parametrize(
    "text", ["", "just words", "a: {title: x, asks: [{say: hi}]}", "a: {asks: []}", "a: [", "a: 3"]
)
def test_a_broken_plan_is_refused(tmp_path, text):
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(ConfigError, match="compare it with"):
        read_plan(tmp_path / "plan.yaml")


def test_a_missing_plan_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="there is no plan"):
        read_plan(tmp_path / "plan.yaml")
