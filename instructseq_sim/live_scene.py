"""A household scene that changes with time: things are moved, the camera swings. The same seed, the same scene."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from instructseq_sim.errors import SimError
from instructseq_sim.motion import LIFT, ROOM_LIFT, Carrying
from instructseq_sim.shapes import write_catalogue
from instructseq_training.scenes.assets import find_assets
from instructseq_training.scenes.catalogue import read_catalogue
from instructseq_training.scenes.config import SceneConfig
from instructseq_training.scenes.draw import draw_models, generator
from instructseq_training.scenes.errors import SceneError
from instructseq_training.scenes.placement import Pose, place_beside
from instructseq_training.scenes.render import FrameRenderer
from instructseq_training.scenes.scene import Frame
from instructseq_training.scenes.stage import Arrangement, Camera
from instructseq_training.scenes.world import World, build_world

SCENE_NUMBER = 2_000_000  # apart from every shard's number and every clip's
SPLIT = "val"
LEAST_OBJECTS = 4
PLACES = {"table": 0.0, "room": 1.0}
"""Where the scene is -> the share of rooms that draws it."""

VIEWS = 5
"""Views along the camera's swing from which every object must be visible at first."""


@dataclass(frozen=True, kw_only=True)
class SimConfig:
    """What the simulation shows.

    Attributes:
        width: of the picture, pixels, 64 to 1920.
        height: of the picture, pixels, 48 to 1080.
        seed: of objects, table, light and moves.
        place: `table` or `room`.
        move_every: seconds between moves; 0 for none by itself.
        swing: half of the camera's arc round the scene, degrees, 0 to 90.
        swing_seconds: there and back.
        assets: folder of the object models; None takes those of the machine, else simple shapes.
    """

    width: int = 640
    height: int = 480
    seed: int = 0
    place: str = "table"
    move_every: float = 5.0
    swing: float = 15.0
    swing_seconds: float = 20.0
    assets: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            SimError: a value is out of its range.
        """
        if not (64 <= self.width <= 1920 and 48 <= self.height <= 1080):
            raise SimError(f"the picture must have 64x48 to 1920x1080 pixels, got {self.width}x{self.height}")
        if self.place not in PLACES:
            raise SimError(f"there is no place {self.place!r}: choose {' or '.join(PLACES)}")
        if self.seed < 0 or self.move_every < 0:
            raise SimError(f"seed and move_every must be at least 0, got {self.seed} and {self.move_every}")
        if not 0 <= self.swing <= 90 or self.swing_seconds <= 0:
            raise SimError(
                f"needed: swing 0 to 90 degrees, swing_seconds above 0; got {self.swing}, {self.swing_seconds}"
            )


@dataclass(frozen=True, kw_only=True)
class View:
    """What the camera sees.

    Attributes:
        frame: the picture and its truth.
        vertical_field: of the camera, degrees.
        seconds: of the scene's clock.
    """

    frame: Frame
    vertical_field: float
    seconds: float


def sim_assets(folder: Path | None) -> Path:
    """Folder of the object models: the named one, those of this machine, else the simple shapes made here."""
    try:
        return find_assets(folder, fetch=False)
    except SceneError:
        if folder is not None:
            raise
        return write_catalogue()


class LiveScene:
    """A scene and its clock; holds an OpenGL context, so use and close it in the thread that made it.

    Args:
        config: what to show.

    Raises:
        SceneError: the named folder holds no object models.
        SimError: this machine cannot render.
    """

    def __init__(self, config: SimConfig) -> None:
        self._config = config
        self._random = generator(config.seed, SPLIT, SCENE_NUMBER)
        root = sim_assets(config.assets)
        scenes = _scene_config(config)
        place, models = draw_models(read_catalogue(root), split=SPLIT, config=scenes, random=self._random)
        self.world: World = build_world(models, place=place, root=root, config=scenes, random=self._random)
        try:
            self._renderer = FrameRenderer(self.world, config=scenes, root=root)
        except Exception as error:  # MuJoCo raises many things where there is no OpenGL
            raise SimError(
                f"MuJoCo cannot render here ({error}): set MUJOCO_GL=egl, and install libegl1 and libegl-mesa0"
            ) from error
        self.seconds = 0.0
        self._next_move = config.move_every
        self._carrying: Carrying | None = None
        self.shuffle()

    def close(self) -> None:
        """Give the OpenGL context back."""
        self._renderer.close()

    @property
    def object_names(self) -> tuple[str, ...]:
        """Names of the objects, visible or hidden behind others."""
        return tuple(instance.model.name for instance in self._arrangement.instances)

    @property
    def camera_position(self) -> tuple[float, float, float]:
        """Where the camera is, metres."""
        x, y, z = self._camera(self.seconds).position
        return (x, y, z)

    @property
    def camera_target(self) -> tuple[float, float, float]:
        """What the camera looks at, metres."""
        return self._middle.target

    def shuffle(self) -> None:
        """Other objects, table, light and camera."""
        self._carrying = None
        while True:
            arrangement = self._renderer.stage.arrange(self._random)
            if len(arrangement.instances) < LEAST_OBJECTS:
                continue
            self._middle = self._renderer.stage.random_camera(arrangement, self._random)
            seconds = self._config.swing_seconds
            views = [self._camera(seconds * number / VIEWS) for number in range(VIEWS)]
            arrangement = self._renderer.keep_visible(arrangement, views)
            if len(arrangement.instances) >= LEAST_OBJECTS:
                break
        self._arrangement: Arrangement = arrangement
        self._background = self._renderer.background(self._random)

    def move(self) -> str | None:
        """Begin to move an object to a free place.

        Returns:
            Its name, or None if one moves already or there is no room.
        """
        if self._carrying is not None:
            return None
        for slot in self._random.permutation(len(self._arrangement.instances)).tolist():
            pose = self._free_place(slot)
            if pose is not None:
                lift = ROOM_LIFT if self.world.place == "room" else LIFT
                start = self._arrangement.poses[slot]
                self._carrying = Carrying(slot=slot, start=start, goal=pose, lift=lift, begun=self.seconds)
                return self._arrangement.instances[slot].model.name
        return None

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Args:
            seconds: at least 0.
        """
        self.seconds += seconds
        if self._config.move_every and self.seconds >= self._next_move:
            self._next_move = self.seconds + self._config.move_every
            self.move()
        if self._carrying is not None:
            self._carry(self._carrying)

    def view(self) -> View:
        """Render what the camera sees now."""
        camera = self._camera(self.seconds)
        frame = self._renderer.show(self._arrangement, camera, self._background)
        return View(frame=frame, vertical_field=camera.vertical_field, seconds=self.seconds)

    def _carry(self, carrying: Carrying) -> None:
        pose, lifted = carrying.at(self.seconds)
        self._arrangement = self._arrangement.moved(carrying.slot, pose, lifted=lifted)
        instance = self._arrangement.instances[carrying.slot]
        self._renderer.stage.put(instance, pose, height=self._arrangement.height + lifted)
        if carrying.is_done(self.seconds):
            self._carrying = None

    def _free_place(self, slot: int) -> Pose | None:
        arrangement = self._arrangement
        footprints = [(instance.size[0], instance.size[1]) for instance in arrangement.instances]
        standing = [pair for other, pair in enumerate(zip(footprints, arrangement.poses, strict=True)) if other != slot]
        return place_beside(footprints[slot], standing, region=arrangement.region, random=self._random)

    def _camera(self, seconds: float) -> Camera:
        """The camera on its arc."""
        phase = 2 * math.pi * seconds / self._config.swing_seconds
        angle = math.radians(self._config.swing) * math.sin(phase)
        target = np.array(self._middle.target)
        offset = np.array(self._middle.position) - target
        turn = np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])
        return dataclasses.replace(self._middle, position=tuple((target + turn @ offset).tolist()))


def _scene_config(config: SimConfig) -> SceneConfig:
    scale = config.width * config.height / (320 * 240)
    return SceneConfig(
        width=config.width,
        height=config.height,
        room_share=PLACES[config.place],
        photograph_share=0.0,
        objects_per_world=24,
        miniatures=0,
        least_objects=6,
        most_objects=9,
        least_pixels=max(1, int(60 * scale)),
        nearest_camera=0.6,
        samples=2,
    )
