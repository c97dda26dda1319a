"""The window beside the camera: what it looks at, and on a virtual display, what it shows."""

from __future__ import annotations

import math
import os
import shutil
import struct
import subprocess
import sys
import time

import numpy as np
import pytest

from instructseq_sim.errors import SimError
from instructseq_sim.window import ViewerWindow, orbit

PROGRAM = [sys.executable, "-c", "from instructseq_cli.main import app; app()"]
PATIENCE = 120.0


@pytest.mark.parametrize(
    ("position", "target", "expected"),
    [
        ((0, -2, 0), (0, 0, 0), (2, 90, 0)),
        ((3, 0, 4), (0, 0, 0), (5, 180, -math.degrees(math.asin(0.8)))),
        ((1, 1, 1), (1, 1, 3), (2, 0, 90)),
    ],
)
def test_the_view_is_that_of_the_camera(position, target, expected):
    distance, azimuth, elevation = orbit(position, target)
    assert (distance, azimuth, elevation) == pytest.approx(expected)
    # MuJoCo's free camera stands at `lookat` less `distance` times the direction of its view.
    level, turn = math.radians(elevation), math.radians(azimuth)
    forward = (math.cos(level) * math.cos(turn), math.cos(level) * math.sin(turn), math.sin(level))
    found = [aim - distance * part for aim, part in zip(target, forward, strict=True)]
    assert found == pytest.approx(position, abs=1e-9)


def test_without_a_display_it_is_said(scene, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SimError, match="needs a display"):
        ViewerWindow(scene)


def screen(file):
    """H x W x 3, out of the X window dump that Xvfb keeps of its screen."""
    content = file.read_bytes()
    head = struct.unpack(">25I", content[:100])
    start, (width, height), row, colours = head[0], head[4:6], head[12], head[19]
    pixels = np.frombuffer(content, np.uint8, row * height, start + 12 * colours).reshape(height, row)
    return pixels[:, : 4 * width].reshape(height, width, 4)[..., 2::-1]


@pytest.mark.nightly
def test_the_window_shows_the_scene_that_the_camera_sees(opengl, shapes_folder, tmp_path):
    if shutil.which("Xvfb") is None:
        pytest.skip("there is no Xvfb; Debian's package xvfb has it")
    pytest.importorskip("rclpy", reason="ROS 2 is not sourced: . scripts/env.sh")
    display = f":{90 + os.getpid() % 900}"
    server = subprocess.Popen(["Xvfb", display, "-screen", "0", "1024x768x24", "-fbdir", str(tmp_path)])
    environment = {**os.environ, "DISPLAY": display, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    options = ["--window", "--width", "160", "--height", "120", "--rate", "1", "--assets", str(shapes_folder)]
    with (tmp_path / "sim.log").open("wb") as log:
        simulation = subprocess.Popen([*PROGRAM, "sim", *options], stdout=log, stderr=log, env=environment)
    try:
        end, spread = time.monotonic() + PATIENCE, 0.0
        while spread < 20 and time.monotonic() < end:
            time.sleep(1)
            assert simulation.poll() is None, (tmp_path / "sim.log").read_text()
            shown = screen(tmp_path / "Xvfb_screen0")
            shown = shown[shown.any(2)]  # the window; the rest of the screen is black
            spread = float(shown.std(0).max()) if len(shown) > 10_000 else 0.0
        assert spread >= 20  # several things in several colours; a wall alone has a spread of 1
    finally:
        simulation.terminate()
        simulation.wait(60)
        server.terminate()
        server.wait(60)
