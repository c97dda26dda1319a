"""What the model does next: fair turns for cameras and priorities, always on the newest frame, and goals in between.

A turn is one camera's newest frame with all instructions of one priority that have not seen it: one look at the image
answers them all. Turns go round by stride scheduling (Waldspurger and Weihl, 1995): whoever has had the least, measured
by weight, is next, so nobody starves and nobody saves up turns while there is nothing to do. Nothing here blocks or
imports ROS, and all that is held is bounded: one frame a camera, a short line of goals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from instructseq_ros.standing import Standing

Frame = TypeVar("Frame")


@dataclass(frozen=True)
class Slot(Generic[Frame]):
    """A camera's newest frame; `number` counts the frames of all cameras, from 1."""

    frame: Frame
    number: int


@dataclass(frozen=True)
class Turn(Generic[Frame]):
    """A frame for standing instructions of one priority, in the order of their numbers."""

    camera: str
    frame: Frame
    instructions: tuple[Standing, ...]


class Line(Generic[Frame]):
    """A goal's place in the schedule.

    Attributes:
        request: what to do; the schedule does not look into it.
        image: the goal's own, or None.
        cameras: whose next frames are still to be looked at, in order; with an image, one without a name.
        after: number of the newest frame when the goal came.
        seen: number of the last frame that it was shown of each camera.
    """

    def __init__(self, request: Any, *, image: Frame | None, cameras: Sequence[str], after: int) -> None:
        self.request, self.image, self.cameras, self.after = request, image, list(cameras), after
        self.seen: dict[str, int] = {}


@dataclass(frozen=True)
class Part(Generic[Frame]):
    """A goal and one of its frames."""

    line: Any
    camera: str
    frame: Frame


class Schedule(Generic[Frame]):
    """Frames and instructions in, turns out. Used by one thread at a time."""

    def __init__(self) -> None:
        self._slots: dict[str, Slot[Frame]] = {}
        self._count = 0
        self._standing: tuple[Standing, ...] = ()
        self._seen: dict[tuple[str, int], int] = {}  # (camera, instruction's number) -> number of the last frame
        self._had: dict[tuple[str, int], float] = {}  # (camera, priority) -> turns had, by weight
        self._now = 0.0  # what whoever was served last had had before
        self._goals: list[Line[Frame]] = []
        self._goal_was_last = False

    @property
    def goals(self) -> int:
        """How many goals are in line."""
        return len(self._goals)

    def offer(self, camera: str, frame: Frame) -> bool:
        """Put a camera's newest frame into its slot. Whether one that an instruction waited to see is gone by that."""
        replaced = bool(self._unseen(camera))
        self._count += 1
        self._slots[camera] = Slot(frame, self._count)
        return replaced

    def stand(self, instructions: Sequence[Standing]) -> None:
        """Say which instructions stand; a new one is also carried out on the frames that are already there."""
        self._standing = tuple(instructions)
        numbers = {one.number for one in instructions}
        self._seen = {key: frame for key, frame in self._seen.items() if key[1] in numbers}
        priorities = {one.priority for one in instructions}
        self._had = {key: had for key, had in self._had.items() if key[1] in priorities}

    def line_up(self, request: Any, *, image: Frame | None, cameras: Sequence[str]) -> Line[Frame]:
        """Put a goal at the end of the line, for its own image or for the next frames of cameras."""
        line = Line(request, image=image, cameras=cameras if image is None else [""], after=self._count)
        self._goals.append(line)
        return line

    def withdraw(self, line: Line[Frame]) -> bool:
        """Take a goal out of the line; False if it is not there."""
        if line in self._goals:
            self._goals.remove(line)
            return True
        return False

    def line_up_again(self, line: Line[Frame], camera: str) -> None:
        """Have a goal look at the camera's next frame instead of the one that it was just shown, first in the line."""
        line.cameras.insert(0, camera)
        self.withdraw(line)
        self._goals.insert(0, line)

    def lacks_frame(self, line: Line[Frame]) -> bool:
        """Whether a goal in line cannot be next because the frame that it looks at has not come."""
        return line in self._goals and self._frame_of(line) is None

    def clear(self) -> list[Line[Frame]]:
        """Forget frames and goals; returns the goals. Instructions stand on."""
        goals, self._goals = self._goals, []
        self._slots.clear()
        self._seen.clear()
        self._had.clear()
        self._now = 0.0
        self._goal_was_last = False
        return goals

    def next(self) -> Turn[Frame] | Part[Frame] | None:
        """What to do now; None while there is nothing. Goals come first, but never twice in a row before a turn."""
        flow = self._flow()
        if flow is None or not self._goal_was_last:
            part = self._part()
            if part is not None:
                self._goal_was_last = True
                return part
        self._goal_was_last = False
        return None if flow is None else self._turn(flow)

    def _unseen(self, camera: str) -> list[Standing]:
        """Instructions that have not seen this camera's newest frame."""
        slot = self._slots.get(camera)
        if slot is None:
            return []
        return [
            one
            for one in self._standing
            if one.watches(camera) and self._seen.get((camera, one.number), 0) < slot.number
        ]

    def _flow(self) -> tuple[str, int] | None:
        """Camera and priority of the next turn: the one that has had the least, the higher priority first."""
        ready = {(camera, one.priority) for camera in self._slots for one in self._unseen(camera)}
        if not ready:
            return None
        # Who had nothing to do meanwhile starts level with the others: turns are not saved up.
        return min(ready, key=lambda flow: (max(self._had.get(flow, 0.0), self._now), -flow[1], flow[0]))

    def _turn(self, flow: tuple[str, int]) -> Turn[Frame]:
        camera, priority = flow
        self._now = max(self._had.get(flow, 0.0), self._now)
        self._had[flow] = self._now + 1.0 / (priority + 1)
        slot = self._slots[camera]
        chosen = tuple(one for one in self._unseen(camera) if one.priority == priority)
        for one in chosen:
            self._seen[camera, one.number] = slot.number
        return Turn(camera, slot.frame, chosen)

    def _part(self) -> Part[Frame] | None:
        """The first goal whose next image is there."""
        for line in self._goals:
            frame = self._frame_of(line)
            if frame is not None:
                camera = line.cameras.pop(0)
                if line.image is None:
                    line.seen[camera] = self._slots[camera].number
                if not line.cameras:
                    self._goals.remove(line)
                return Part(line, camera, frame)
        return None

    def _frame_of(self, line: Line[Frame]) -> Frame | None:
        """What a goal looks at next, if it is there: its own image, or a frame that is newer than the goal."""
        if line.image is not None:
            return line.image
        camera = line.cameras[0]
        slot = self._slots.get(camera)
        return slot.frame if slot is not None and slot.number > line.seen.get(camera, line.after) else None
