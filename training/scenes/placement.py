"""Put objects beside each other without overlap, upright, each turned at random."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GAP = 0.012  # of the region's longer side
ATTEMPTS = 60


@dataclass(frozen=True)
class Pose:
    """Where a body stands.

    Attributes:
        x: metres.
        y: metres.
        yaw: radians.
    """

    x: float
    y: float
    yaw: float


def place(
    footprints: list[tuple[float, float]], *, region: tuple[float, float], random: np.random.Generator
) -> list[Pose | None]:
    """A pose for each footprint, or None for those that found no room.

    Args:
        footprints: width and depth of each, metres.
        region: half width and half depth that the corners may not leave, metres.
        random: source of every choice.
    """
    poses: list[Pose | None] = []
    standing: list[tuple[tuple[float, float], Pose]] = []
    for footprint in footprints:
        pose = place_beside(footprint, standing, region=region, random=random)
        poses.append(pose)
        if pose is not None:
            standing.append((footprint, pose))
    return poses


def place_beside(
    footprint: tuple[float, float],
    standing: list[tuple[tuple[float, float], Pose]],
    *,
    region: tuple[float, float],
    random: np.random.Generator,
) -> Pose | None:
    """A pose for one more footprint beside those that stand there, or None if no room was found.

    Args:
        footprint: width and depth, metres.
        standing: footprints and poses of the others.
        region: half width and half depth that the corners may not leave, metres.
        random: source of every choice.
    """
    gap = GAP * max(region)
    taken = [corners((width + gap, depth + gap), pose) for (width, depth), pose in standing]
    return _free_pose((footprint[0] + gap, footprint[1] + gap), taken, region=region, random=random)


def corners(footprint: tuple[float, float], pose: Pose) -> NDArray[np.float64]:
    """Corners of a turned rectangle, 4 x 2, in order round it."""
    half = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * (np.array(footprint) / 2)
    cosine, sine = math.cos(pose.yaw), math.sin(pose.yaw)
    outline: NDArray[np.float64] = half @ np.array([[cosine, sine], [-sine, cosine]]) + np.array([pose.x, pose.y])
    return outline


def overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Whether two rectangles (4 x 2 each, corners in order) meet: no side of either separates them."""
    for rectangle in (a, b):
        for side in (rectangle[1] - rectangle[0], rectangle[2] - rectangle[1]):
            first, second = a @ side, b @ side
            if first.max() < second.min() or second.max() < first.min():
                return False
    return True


def _free_pose(
    footprint: tuple[float, float],
    taken: list[NDArray[np.float64]],
    *,
    region: tuple[float, float],
    random: np.random.Generator,
) -> Pose | None:
    for _ in range(ATTEMPTS):
        pose = Pose(
            random.uniform(-region[0], region[0]),
            random.uniform(-region[1], region[1]),
            random.uniform(-math.pi, math.pi),
        )
        outline = corners(footprint, pose)
        if (np.abs(outline) <= region).all() and not any(overlap(outline, other) for other in taken):
            return pose
    return None
