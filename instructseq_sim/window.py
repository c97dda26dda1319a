"""MuJoCo's own viewer beside the rendered camera: look round with the mouse."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

from instructseq_sim.errors import SimError
from instructseq_sim.live_scene import LiveScene
from instructseq_sim.node import Window
from instructseq_training.scenes.world import HIDDEN_GROUP


def orbit(position: Sequence[float], target: Sequence[float]) -> tuple[float, float, float]:
    """A place as MuJoCo's free camera has it: distance to what it looks at, azimuth and elevation of the view, degrees.

    Args:
        position: of the camera, metres.
        target: what it looks at, metres.
    """
    x, y, z = (aim - at for at, aim in zip(position, target, strict=True))
    level = math.hypot(x, y)
    return math.hypot(level, z), math.degrees(math.atan2(y, x)), math.degrees(math.atan2(z, level))


class ViewerWindow(Window):
    """A window on the scene.

    Args:
        scene: what it shows.

    Raises:
        SimError: there is no display.
    """

    def __init__(self, scene: LiveScene) -> None:
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise SimError("a window needs a display: run it at a desktop, or leave --window out")
        import mujoco.viewer

        model = scene.world.model
        self._viewer: Any = mujoco.viewer.launch_passive(
            model, scene.world.data, show_left_ui=False, show_right_ui=False
        )
        self._scene = scene
        with self._viewer.lock():
            self._viewer.opt.geomgroup[HIDDEN_GROUP] = 0
            self._aim()

    def _aim(self) -> None:
        """Look from where the camera is: from elsewhere, a wall may be in the way."""
        self._target = self._scene.camera_target
        view = orbit(self._scene.camera_position, self._target)
        self._viewer.cam.lookat[:] = self._target
        self._viewer.cam.distance, self._viewer.cam.azimuth, self._viewer.cam.elevation = view

    def update(self) -> None:
        """Show what has changed; another scene is looked at from its camera."""
        if not self._viewer.is_running():
            return
        if self._scene.camera_target != self._target:
            with self._viewer.lock():
                self._aim()
        self._viewer.sync()

    def close(self) -> None:
        """Take the window away."""
        self._viewer.close()
