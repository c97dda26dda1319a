"""The course of the demo: start the node, play each input, give each instruction, wait for its answers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instructseq_cli.demo.answers import Answer, with_confidence
from instructseq_cli.demo.frames import PHOTOGRAPH_RATE_HZ, Frame, frames_of_bag, photograph
from instructseq_cli.demo.node_process import demo_node
from instructseq_cli.demo.plan import Act, Ask
from instructseq_cli.demo.ros_side import RosSide, Tally
from instructseq_cli.ros import require_ros
from instructseq_replay.bags.types import INTERFACE_PACKAGES, message_types
from instructseq_replay.bags.writing import BagWriter
from instructseq_ros.distributions import stay_on_this_machine
from instructseq_ros.node_process import NodeError, NodeProcess
from instructseq_ros.received_answers import perception_of

START_SECONDS = 300.0
"""The node may take this long to load its model on a slow machine."""

SETTLE_SECONDS = 4.0
"""Fast DDS sends again what got lost on the way when it hears of it, which may take three seconds."""

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Course:
    """What happened.

    Attributes:
        answers: every answer to the instruction that stood, in the order in which they came.
        tally: what went over the wire.
        rmw: the implementation of DDS.
        ros_distro: the ROS 2 distribution.
        seconds: how long all of it took.
    """

    answers: tuple[Answer, ...]
    tally: Tally
    rmw: str
    ros_distro: str
    seconds: float


def run_session(
    acts: tuple[Act, ...], *, checkpoint: str, device: str, out: Path, patience: float, progress: Say
) -> Course:
    """Run the demo and record all that goes over DDS into the bag `out/answers`.

    Args:
        acts: inputs with their instructions.
        checkpoint: folder or name of a checkpoint.
        device: cpu, cuda or cuda:N.
        out: folder for the bag and the node's log.
        patience: seconds to wait for the first answer to an instruction.
        progress: told one line per step.

    Raises:
        RosError: ROS 2 is not set up in this shell.
        BagError: an input cannot be read.
        NodeError: the node stopped, or never started to listen.
    """
    require_ros("rclpy", "vision_msgs.msg", "instructseq.msg")
    import rclpy
    from rclpy.utilities import get_rmw_implementation_identifier

    inputs = {act.name: frames_of_bag(act.bag) if act.bag else photograph() for act in acts}
    begin = time.monotonic()
    _stay_alone()
    with (
        demo_node(checkpoint=checkpoint, device=device, log=out / "node.log") as process,
        BagWriter(out / "answers", types=message_types(*INTERFACE_PACKAGES), compress=True) as recorder,
    ):
        rclpy.init()
        node = rclpy.create_node("instructseq_demo")
        try:
            stage = _Stage(process, node, RosSide(node, recorder))
            progress("starting the node (it loads the model) ...")
            stage.wait_until_heard()
            answers = [answer for act in acts for answer in stage.perform(act, inputs[act.name], patience, progress)]
            stage.settle()
            return Course(
                answers=tuple(with_confidence(answer, stage.ros.tally.confidences) for answer in answers),
                tally=stage.ros.tally,
                rmw=get_rmw_implementation_identifier(),
                ros_distro=os.environ.get("ROS_DISTRO", "unknown"),
                seconds=time.monotonic() - begin,
            )
        finally:
            node.destroy_node()
            rclpy.try_shutdown()


def _stay_alone() -> None:
    """Unless the user says otherwise, meet nobody: this machine only, and a domain of the demo's own."""
    stay_on_this_machine(os.environ)
    os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))


class _Stage:
    """The node under test, the demo's own node, and the frames between them."""

    def __init__(self, process: NodeProcess, node: Any, ros: RosSide) -> None:
        self.ros = ros
        self._process = process
        self._node = node
        self._seen = 0

    def wait_until_heard(self) -> None:
        """Wait until the node listens.

        Raises:
            NodeError: it stopped, or does not within `START_SECONDS`.
        """
        end = time.monotonic() + START_SECONDS
        while not self.ros.is_heard():
            self._process.check()
            if time.monotonic() > end:
                raise NodeError(f"the node did not listen within {START_SECONDS:.0f} s; {self._process.last_words()}")
            self._spin(0.1)

    def settle(self) -> None:
        """Take in what is still on its way: the other topics may come after the perception that they belong to."""
        start = time.monotonic()
        while (waited := time.monotonic() - start) < SETTLE_SECONDS and (waited < 1.0 or self._awaits_images()):
            self._spin(0.1)

    def _awaits_images(self) -> bool:
        """Whether the last answer is a map whose mask or confidence has not come yet."""
        arrivals = self.ros.tally.arrivals
        if not arrivals or arrivals[-1].message.mask.width == 0:
            return False
        maps = sum(arrival.message.mask.width > 0 for arrival in arrivals)
        received = self.ros.tally.received
        return received["mask"] < maps or received["confidence"] < maps

    def perform(self, act: Act, frames: list[Frame], patience: float, progress: Say) -> list[Answer]:
        """Give an input's instructions one after the other, and collect the answers to each."""
        answers = []
        for ask in act.asks:
            progress(f"{act.title}: {ask.text!r}")
            answers += self._ask(act, ask, frames, patience)
        return answers

    def _ask(self, act: Act, ask: Ask, frames: list[Frame], patience: float) -> list[Answer]:
        """Play the input once, and then on until there is an answer or patience ends."""
        start = time.monotonic()
        self.ros.say(ask.text)
        answers: list[Answer] = []
        length = frames[-1].offset_ns * 1e-9 + 1.0 / PHOTOGRAPH_RATE_HZ
        shown = 0
        while (elapsed := time.monotonic() - start) < patience and not (answers and elapsed >= length):
            rounds, position = divmod(shown, len(frames))
            if elapsed >= rounds * length + frames[position].offset_ns * 1e-9:
                self.ros.show(frames[position])
                shown += 1
            self._spin(0.01)
            answers += self._new_answers(act, ask)
        return answers

    def _spin(self, seconds: float) -> None:
        import rclpy
        from rclpy.executors import ExternalShutdownException

        self._process.check()
        try:
            rclpy.spin_once(self._node, timeout_sec=seconds)
        except ExternalShutdownException:
            raise NodeError("the demo was told to stop before it was done: run it again") from None

    def _new_answers(self, act: Act, ask: Ask) -> list[Answer]:
        """The answers to this instruction among the arrivals since the last call."""
        arrivals = self.ros.tally.arrivals[self._seen :]
        self._seen += len(arrivals)
        found = []
        for arrival in arrivals:
            stamp = arrival.message.header.stamp
            sent = self.ros.tally.sent.get((stamp.sec, stamp.nanosec))
            if sent is None or arrival.message.instruction != ask.text:
                continue
            height, width = sent.frame.instances.shape
            perception = perception_of(arrival.message, (width, height))
            latency = (arrival.arrived_ns - sent.sent_ns) * 1e-9
            found.append(
                Answer(
                    act=act,
                    ask=ask,
                    frame=sent.frame,
                    stamp=(stamp.sec, stamp.nanosec),
                    perception=perception,
                    latency=latency,
                )
            )
        return found
