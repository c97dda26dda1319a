"""The node `instructseq_sim`: a camera over a live household scene, with the truth of every frame beside it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header, String
from std_srvs.srv import SetBool, Trigger
from vision_msgs.msg import Detection2DArray, LabelInfo

from instructseq_sim import messages
from instructseq_sim.errors import SimError
from instructseq_sim.live_scene import LiveScene, SimConfig, View

NODE_NAME = "instructseq_sim"
FRAME_ID = "camera_optical_frame"
CAMERA_OUT = QoSProfile(depth=2, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
ANSWER_SECONDS = 20.0
"""A service waits so long for the scene; drawing a new one takes seconds on a slow machine."""

MOST_BEHIND = 1.0
"""Seconds by which the scene's clock goes on at most between two frames, however long rendering took."""

Act = Callable[[LiveScene], str]
"""Does something to the scene and says what."""


class Window:
    """Shows the scene to people; this one shows nothing."""

    def update(self) -> None:
        """The scene has changed."""

    def close(self) -> None:
        """Take the window away."""


@dataclass(frozen=True, kw_only=True)
class CameraConfig:
    """How the node publishes.

    Attributes:
        rate: frames a second, 0.1 to 60; fewer where rendering is slower.
        publish_clock: publish /clock, one step of 1 / rate a frame, and stamp with it, as a simulator does.
        window: makes the window, in the thread that renders.
    """

    rate: float = 10.0
    publish_clock: bool = False
    window: Callable[[LiveScene], Window] = lambda scene: Window()

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            SimError: the rate is out of its range.
        """
        if not 0.1 <= self.rate <= 60:
            raise SimError(f"the rate must be 0.1 to 60 frames a second, got {self.rate}")


class SimNode(Node):
    """Publishes what the simulated camera sees.

    All that has to do with the scene happens in one thread, to which the OpenGL context belongs; services put their
    requests in its line.

    Args:
        scene: what is shown.
        camera: how it is published.
        options: passed on to `rclpy.node.Node`.
    """

    def __init__(self, scene: SimConfig, camera: CameraConfig, **options: Any) -> None:
        super().__init__(NODE_NAME, **options)
        self._scene_config, self._camera = scene, camera
        self._acts: queue.Queue[tuple[Act, Future[str]]] = queue.Queue(maxsize=8)
        self._paused = False
        self._stopping = threading.Event()
        self.ready = threading.Event()
        self.failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="instructseq-sim", daemon=True)
        self._make_publishers()
        group = ReentrantCallbackGroup()
        self.create_service(Trigger, "~/move", self._move, callback_group=group)
        self.create_service(Trigger, "~/shuffle", self._shuffle, callback_group=group)
        self.create_service(SetBool, "~/pause", self._pause, callback_group=group)

    def _make_publishers(self) -> None:
        self._image = self.create_publisher(Image, "camera/image", CAMERA_OUT)
        self._compressed = self.create_publisher(CompressedImage, "camera/image/compressed", CAMERA_OUT)
        self._info = self.create_publisher(CameraInfo, "camera/camera_info", CAMERA_OUT)
        self._instances = self.create_publisher(Image, "truth/instances", CAMERA_OUT)
        self._classes = self.create_publisher(Image, "truth/classes", CAMERA_OUT)
        self._detections = self.create_publisher(Detection2DArray, "truth/detections", CAMERA_OUT)
        self._scene = self.create_publisher(String, "truth/scene", CAMERA_OUT)
        self._labels = self.create_publisher(LabelInfo, "truth/label_info", LATCHED)
        self._clock_out = self.create_publisher(Clock, "/clock", 10) if self._camera.publish_clock else None

    def start(self) -> None:
        """Begin to render."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a frame that is being rendered is finished."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def destroy_node(self) -> None:
        """Stop and take the node away."""
        self.stop()
        super().destroy_node()

    # Services, on the executor's threads

    def _move(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return self._ask(_move_one, response)

    def _shuffle(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return self._ask(_shuffle_all, response)

    def _pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._paused = bool(request.data)
        response.success, response.message = True, "the scene stands still" if request.data else "the scene goes on"
        return response

    def _ask(self, act: Act, response: Trigger.Response) -> Trigger.Response:
        """Have something done to the scene, and wait until it is."""
        done: Future[str] = Future()
        try:
            self._acts.put_nowait((act, done))
            response.message = done.result(ANSWER_SECONDS)
            response.success = True
        except queue.Full:
            response.message = "too many requests wait already: ask again later"
        except SimError as error:
            response.message = str(error)
        except CancelledError:
            response.message = "the simulation has ended"
        except FutureTimeoutError:
            response.message = f"the scene did not answer within {ANSWER_SECONDS:.0f} s"
        return response

    # The scene, on its own thread

    def _run(self) -> None:
        try:
            scene = LiveScene(self._scene_config)
        except Exception as error:  # told to who waits for `ready`
            self.failure = error
            self.ready.set()
            return
        window = self._camera.window(scene)
        try:
            self._labels.publish(messages.label_info_message(Header(stamp=self._now(scene), frame_id=FRAME_ID)))
            self.get_logger().info(f"a {scene.world.place} with {', '.join(scene.object_names)}")
            self.ready.set()
            self._loop(scene, window)
        finally:
            self._refuse_acts()
            window.close()
            scene.close()

    def _loop(self, scene: LiveScene, window: Window) -> None:
        period = 1 / self._camera.rate
        last = due = time.monotonic()
        while not self._stopping.is_set():
            self._do_acts(scene)
            now = time.monotonic()
            if not self._paused:
                scene.advance(period if self._clock_out is not None else min(MOST_BEHIND, now - last))
            last = now
            self._publish(scene)
            window.update()
            due = max(due + period, time.monotonic())
            self._stopping.wait(due - time.monotonic())

    def _do_acts(self, scene: LiveScene) -> None:
        while not self._acts.empty():
            act, done = self._acts.get_nowait()
            try:
                done.set_result(act(scene))
            except SimError as error:
                done.set_exception(error)

    def _refuse_acts(self) -> None:
        while not self._acts.empty():
            self._acts.get_nowait()[1].cancel()

    def _publish(self, scene: LiveScene) -> None:
        """One frame: the clock first, so that whoever gets the picture knows its time."""
        stamp = self._now(scene)
        if self._clock_out is not None:
            self._clock_out.publish(Clock(clock=stamp))
        header = Header(stamp=stamp, frame_id=FRAME_ID)
        view = scene.view()
        self._publish_truth(view, header)
        self._info.publish(messages.camera_info_message(view, header))
        self._image.publish(messages.image_message(view, header))
        if self._compressed.get_subscription_count():
            self._compressed.publish(messages.compressed_message(view, header))

    def _publish_truth(self, view: View, header: Header) -> None:
        self._instances.publish(messages.instances_message(view, header))
        self._classes.publish(messages.classes_message(view, header))
        self._detections.publish(messages.detections_message(view, header))
        self._scene.publish(messages.scene_message(view))

    def _now(self, scene: LiveScene) -> Time:
        if self._clock_out is None:
            return self.get_clock().now().to_msg()
        nanoseconds = round(scene.seconds * 1e9)
        return Time(sec=nanoseconds // 1_000_000_000, nanosec=nanoseconds % 1_000_000_000)


def _move_one(scene: LiveScene) -> str:
    name = scene.move()
    if name is None:
        raise SimError("nothing can be moved now: something is on its way already, or there is no room")
    return f"the {name} moves"


def _shuffle_all(scene: LiveScene) -> str:
    scene.shuffle()
    return f"now there are {', '.join(scene.object_names)}"
