"""The worker's side of the node: standing instructions and goals carried out, answers published and counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from instructseq_model.errors import DeviceLostError, ImageError, InstructSeqError, StoppedError
from instructseq_ros.inference import Answer, Frame, Request, carry_out, standing_request
from instructseq_ros.metrics import Drop, Metrics
from instructseq_ros.model_keeper import ModelKeeper
from instructseq_ros.parameters import Settings
from instructseq_ros.schedule import Turn
from instructseq_ros.standing import Standing, StandingInstructions
from instructseq_ros.worker import FrameSkipped, Ticket


class Answering:
    """What the worker's thread does. Nothing here imports ROS.

    Args:
        model: answers.
        standing: tells what is still wanted.
        settings: asked for the node's parameters at the beginning of each piece of work.
        now: seconds of the clock that instructions expire by.
        publish: publishes an answer to a standing instruction.
        is_stopping: whether all work is to be broken off.
        metrics: counts.
        on_error: told what went wrong.
    """

    def __init__(
        self,
        *,
        model: ModelKeeper,
        standing: StandingInstructions,
        settings: Callable[[], Settings],
        now: Callable[[], float],
        publish: Callable[[Answer, Settings], None],
        is_stopping: Callable[[], bool],
        metrics: Metrics,
        on_error: Callable[[Exception], None],
    ) -> None:
        self._model, self._standing, self._settings, self._now = model, standing, settings, now
        self._publish, self._is_stopping = publish, is_stopping
        self._metrics, self._on_error = metrics, on_error

    def turn(self, turn: Turn[Frame]) -> None:
        """Carry standing instructions out on a frame; what goes wrong is reported, and the node lives."""
        try:
            self._standing.expire(self._now())
            wanted = [one for one in turn.instructions if self._standing.stands(one)]
            self._answer(turn.frame, wanted, self._settings())
        except StoppedError:
            if not self._is_stopping():
                self._metrics.drop(turn.camera, Drop.UNWANTED)
        except Exception as error:  # one bad frame must not end the stream
            self._metrics.drop(turn.camera, Drop.UNUSABLE)
            self._on_error(error)

    def part(self, ticket: Ticket[Frame], camera: str, frame: Frame) -> Answer:
        """Carry a goal out on one image.

        Raises:
            StoppedError: the goal was cancelled, or the node stops.
            FrameSkipped: the camera's frame cannot be used, and the goal has time for the next one.
            InstructSeqError: it cannot be done.
        """
        settings = self._settings()
        try:
            return self._answer_goal(ticket, frame, settings)
        except ImageError as error:
            if ticket.image is not None:
                raise
            words = str(error)
            if ticket.skip(words, now=time.monotonic(), patience=settings.goal_timeout):
                self._on_error(error)
                raise FrameSkipped from error
            raise ImageError(
                f"{ticket.skipped} frames in a row could not be used, nor can the one after them: {words}"
            ) from error

    def _answer_goal(self, ticket: Ticket[Frame], frame: Frame, settings: Settings) -> Answer:
        request: Request = ticket.request
        (answer,) = self._model.ask(
            lambda perceiver: carry_out(
                perceiver,
                frame,
                [request],
                max_pixels=settings.max_image_pixels,
                report=ticket.report,
                should_stop=lambda: ticket.abandoned,
                watch=ticket.watch,
            )
        )
        self._count(answer, total=time.monotonic() - frame.arrived)
        return answer

    def _answer(self, frame: Frame, wanted: Sequence[Standing], settings: Settings) -> None:
        """Answer together; where an instruction cannot be carried out, each by itself, so that the others can."""
        if not wanted:
            return
        try:
            answers = self._ask(frame, wanted, settings)
        except (StoppedError, DeviceLostError):
            raise
        except Exception:
            if len(wanted) == 1:
                raise
            for one in wanted:
                try:
                    self._answer(frame, [one], settings)
                except StoppedError:
                    raise
                except Exception as error:  # of this instruction
                    self._on_error(error)
            return
        for one, answer in zip(wanted, answers, strict=True):
            self._send(one, answer, frame, settings)

    def _ask(self, frame: Frame, wanted: Sequence[Standing], settings: Settings) -> list[Answer]:
        requests = [standing_request(one, settings) for one in wanted]
        return self._model.ask(
            lambda perceiver: carry_out(
                perceiver,
                frame,
                requests,
                max_pixels=settings.max_image_pixels,
                should_stop=lambda: self._is_unwanted(wanted),
            )
        )

    def _is_unwanted(self, wanted: Sequence[Standing]) -> bool:
        return self._is_stopping() or not any(self._standing.stands(one) for one in wanted)

    def _send(self, standing: Standing, answer: Answer, frame: Frame, settings: Settings) -> None:
        """Publish, unless the instruction was replaced: the answer would pass for one to the new instruction."""
        if self._is_stopping() or not self._standing.stands(standing):
            self._metrics.drop(answer.camera, Drop.UNWANTED)
            return
        began = time.monotonic()
        self._publish(answer, settings)
        now = time.monotonic()
        self._count(answer, publish=now - began, total=now - max(frame.arrived, standing.since))

    def _count(self, answer: Answer, **seconds: float) -> None:
        timings = answer.perception.timings
        known = {stage: float(timings[stage]) for stage in ("encode", "decode") if stage in timings}
        self._metrics.answer(convert=answer.convert_seconds, **known, **seconds)


def words_of(error: Exception) -> str:
    """An error as a person reads it: the message of one that explains itself, with its type otherwise."""
    return str(error) if isinstance(error, InstructSeqError) else f"{type(error).__name__}: {error}"
