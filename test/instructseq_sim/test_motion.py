"""An object is carried from where it stands to where it will stand."""

import math

import pytest

from instructseq_sim.motion import SECONDS, Carrying
from instructseq_training.scenes.placement import Pose


@pytest.fixture
def carrying():
    return Carrying(slot=0, start=Pose(0, 0, 3.0), goal=Pose(0.4, -0.2, -3.0), lift=0.2, begun=10.0)


def test_it_starts_and_ends_on_the_table(carrying):
    assert carrying.at(10.0) == (Pose(0, 0, 3.0), 0.0)
    assert carrying.at(10.0 + SECONDS) == (carrying.goal, 0.0)
    assert carrying.is_done(10.0 + SECONDS)
    assert not carrying.is_done(10.0 + SECONDS - 0.01)


def test_half_way_it_is_highest_and_in_the_middle(carrying):
    pose, lifted = carrying.at(10.0 + SECONDS / 2)
    assert (pose.x, pose.y) == pytest.approx((0.2, -0.1))
    assert lifted == pytest.approx(0.2)


def test_it_turns_the_short_way_round(carrying):
    pose, _ = carrying.at(10.0 + SECONDS / 2)
    assert math.cos(pose.yaw - math.pi) == pytest.approx(1)
