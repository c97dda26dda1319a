"""Render one arrangement and read off its truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray

from instructseq_training.scenes.colours import colour_word, possible_words, word_shares
from instructseq_training.scenes.config import SceneConfig
from instructseq_training.scenes.labels import household_ids
from instructseq_training.scenes.photographs import photographs, random_crop
from instructseq_training.scenes.scene import Frame, SceneObject
from instructseq_training.scenes.sensor import Sensor, draw_sensor
from instructseq_training.scenes.stage import Arrangement, Camera, Stage
from instructseq_training.scenes.textures import smooth_noise
from instructseq_training.scenes.world import World

BACKGROUND, WALL, FLOOR, TABLE = "background", "wall", "floor", "table"


@dataclass(frozen=True)
class _Truth:
    """Geom of each pixel (-1: none) and arrangement slot of each pixel (-1: scenery)."""

    geoms: NDArray[np.int32]
    slots: NDArray[np.int32]


class FrameRenderer:
    """Pictures and truth of one world; holds an OpenGL context, so close it.

    Args:
        world: compiled.
        config: picture size, smallest visible object.
        root: where photographs are, as `find_assets` returns it.
    """

    def __init__(self, world: World, *, config: SceneConfig, root: Path) -> None:
        self._world = world
        self._config = config
        self._photographs = photographs(root)
        self._renderer = mujoco.Renderer(world.model, config.height, config.width)
        self._options = mujoco.MjvOption()
        self._options.geomgroup[:] = 0
        self._options.geomgroup[:2] = 1
        self._ids = household_ids()
        self.stage = Stage(world, config=config)

    def close(self) -> None:
        """Give the OpenGL context back."""
        self._renderer.close()

    def __enter__(self) -> FrameRenderer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def render(self, random: np.random.Generator) -> Frame:
        """A new random frame with at least two visible objects."""
        while True:
            arrangement = self.stage.arrange(random)
            if not arrangement.instances:
                continue
            camera = self.stage.random_camera(arrangement, random)
            walls = not arrangement.before_photograph and random.random() < 0.75
            self.stage.aim(camera, walls=walls)
            truth = self._visible(arrangement)
            if len(np.unique(truth.slots)) > 2:
                background = self.background(random)
                seen_through = self._config.sensor_share and random.random() < self._config.sensor_share
                sensor = draw_sensor(random) if seen_through else None
                return self._finish(arrangement, camera, truth, background, sensor)

    def show(
        self, arrangement: Arrangement, camera: Camera, background: NDArray[np.uint8], *, walls: bool = True
    ) -> Frame:
        """An arrangement that is on the stage, from a given camera; no object is taken out."""
        self.stage.aim(camera, walls=walls)
        return self._finish(arrangement, camera, self._truth(arrangement), background)

    def keep_visible(self, arrangement: Arrangement, cameras: list[Camera]) -> Arrangement:
        """Take out what hardly shows from any of some cameras; returns what is left."""
        while True:
            least = np.full(len(arrangement.instances), np.iinfo(np.int64).max)
            for camera in cameras:
                self.stage.aim(camera, walls=True)
                least = np.minimum(least, self._counts(arrangement, self._truth(arrangement)))
            if (least >= self._config.least_pixels).all():
                return arrangement
            keep = [slot for slot, count in enumerate(least) if count >= self._config.least_pixels]
            for slot in set(range(len(least))) - set(keep):
                self.stage.hide(arrangement.instances[slot])
            arrangement = arrangement.only(keep)

    def background(self, random: np.random.Generator) -> NDArray[np.uint8]:
        """What is seen where nothing is: a photograph or soft clouds of colour, H x W x 3."""
        size = (self._config.width, self._config.height)
        if self._photographs and random.random() < 0.9:
            return random_crop(self._photographs[random.integers(len(self._photographs))], size_wh=size, random=random)
        clouds = np.stack([smooth_noise(random, cells=(2, 3)) for _ in range(3)], -1)
        return random_crop((clouds * 255).astype(np.uint8), size_wh=size, random=random)

    def _finish(
        self,
        arrangement: Arrangement,
        camera: Camera,
        truth: _Truth,
        background: NDArray[np.uint8],
        sensor: Sensor | None = None,
    ) -> Frame:
        """Render the picture and put the truth into words; colours are named as they are, not as they are seen."""
        self._renderer.disable_segmentation_rendering()
        self._renderer.update_scene(self._world.data, camera=0, scene_option=self._options)
        self._renderer.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 1
        self._renderer.scene.flags[mujoco.mjtRndFlag.mjRND_CULL_FACE] = 0
        rgb = self._renderer.render().copy()
        empty = truth.geoms < 0
        rgb[empty] = background[empty]
        if sensor is not None:
            rgb = sensor.bend(rgb, smooth=True)
            truth = _Truth(sensor.bend(truth.geoms, smooth=False), sensor.bend(truth.slots, smooth=False))
        instances = np.zeros(truth.slots.shape, np.uint8)
        objects: list[SceneObject] = []
        for slot in range(len(arrangement.instances)):
            mask = truth.slots == slot
            if mask.any():
                instances[mask] = len(objects) + 1
                objects.append(self._describe(len(objects) + 1, slot, mask, rgb, arrangement, camera, truth))
        classes = self._classes(truth, instances, objects)
        seen = rgb if sensor is None else sensor.expose(rgb)
        return Frame(seen, instances, classes, self._world.place, tuple(objects))

    def _visible(self, arrangement: Arrangement) -> _Truth:
        """Take out objects that hardly show until all that is left does."""
        while True:
            truth = self._truth(arrangement)
            counts = self._counts(arrangement, truth)
            poor = [slot for slot, count in enumerate(counts) if 0 < count < self._config.least_pixels]
            if not poor:
                return truth
            for slot in poor:
                self.stage.hide(arrangement.instances[slot])

    @staticmethod
    def _counts(arrangement: Arrangement, truth: _Truth) -> NDArray[np.int64]:
        """Visible pixels of each object."""
        return np.bincount(truth.slots[truth.slots >= 0], minlength=len(arrangement.instances))

    def _truth(self, arrangement: Arrangement) -> _Truth:
        slot_of_geom = np.full(self._world.model.ngeom + 1, -1, np.int32)
        for slot, instance in enumerate(arrangement.instances):
            slot_of_geom[instance.geoms] = slot
        geoms = self._segment()
        return _Truth(geoms, slot_of_geom[geoms])

    def _segment(self) -> NDArray[np.int32]:
        self._renderer.enable_segmentation_rendering()
        self._renderer.update_scene(self._world.data, camera=0, scene_option=self._options)
        self._renderer.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
        self._renderer.scene.flags[mujoco.mjtRndFlag.mjRND_CULL_FACE] = 0
        pairs = self._renderer.render()  # H x W x 2: id, type
        return np.where(pairs[..., 1] == int(mujoco.mjtObj.mjOBJ_GEOM), pairs[..., 0], -1).astype(np.int32)

    def _classes(self, truth: _Truth, instances: NDArray[np.uint8], objects: list[SceneObject]) -> NDArray[np.uint8]:
        of_geom = np.full(self._world.model.ngeom + 1, self._ids[BACKGROUND], np.uint8)
        for name, geom in self._world.scenery.items():
            of_geom[geom] = self._ids[FLOOR if name == "floor" else WALL if name.startswith("wall") else TABLE]
        of_instance = np.array([0, *(self._ids[found.category] for found in objects)], np.uint8)
        return np.where(instances > 0, of_instance[instances], of_geom[truth.geoms])

    def _describe(
        self,
        index: int,
        slot: int,
        mask: NDArray[np.bool_],
        rgb: NDArray[np.uint8],
        arrangement: Arrangement,
        camera: Camera,
        truth: _Truth,
    ) -> SceneObject:
        instance, centre = arrangement.instances[slot], arrangement.centres[slot]
        rows, columns = np.nonzero(mask)
        own = arrangement.colours[slot]
        words = instance.words if own is None else np.stack([word_shares(colour[None]) for colour in own])
        seen = np.bincount(truth.geoms[mask] - instance.geoms[0], minlength=len(words))
        shares = seen @ words / len(rows)
        brightness = float(rgb[mask].max(1).mean()) / 255
        width, depth, height = (round(value, 4) for value in instance.size)
        x, y, z = (round(float(value), 4) for value in centre)
        return SceneObject(
            index=index,
            model=instance.model.identity,
            name=instance.model.name,
            category=instance.model.category,
            colour=colour_word(shares, brightness=brightness),
            possible_colours=possible_words(shares),
            size_m=(width, depth, height),
            box=(int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1),
            pixels=len(rows),
            centroid=(round(float(columns.mean()) + 0.5, 2), round(float(rows.mean()) + 0.5, 2)),
            distance=round(float(np.linalg.norm(centre - camera.position)), 4),
            position=(x, y, z),
            held_out=instance.model.held_out,
        )
