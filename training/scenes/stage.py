"""Draw one frame's arrangement in a compiled world: objects, paint, table, walls, lights, camera."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from instructseq_training.scenes.colours import WORDS, painted
from instructseq_training.scenes.config import SceneConfig
from instructseq_training.scenes.placement import Pose, place
from instructseq_training.scenes.world import HIDDEN_GROUP, LEGS, WALLS, Instance, World

TABLE_HEIGHT = 0.74
BOARD_THICKNESS = 0.02
PAINTABLE_NOT = frozenset({"food", "plant", "person", "animal"})


@dataclass(frozen=True)
class Camera:
    """Where a camera stands and what it looks at.

    Attributes:
        position: metres.
        target: metres.
        vertical_field: degrees.
    """

    position: tuple[float, float, float]
    target: tuple[float, float, float]
    vertical_field: float


@dataclass(frozen=True)
class Arrangement:
    """What was put into the world for one frame.

    Attributes:
        instances: the bodies shown.
        poses: of each.
        centres: of each, metres, N x 3.
        colours: parts' rgb as shown, P x 3 each; None: the material's own.
        before_photograph: whether floor and walls are left out for a photograph.
        region: half width and half depth in which objects may stand, metres.
        height: of what they stand on, metres.
    """

    instances: tuple[Instance, ...]
    poses: tuple[Pose, ...]
    centres: NDArray[np.float64]
    colours: tuple[NDArray[np.float64] | None, ...]
    before_photograph: bool
    region: tuple[float, float]
    height: float

    def only(self, slots: list[int]) -> Arrangement:
        """The same with some of the objects."""
        return dataclasses.replace(
            self,
            instances=tuple(self.instances[slot] for slot in slots),
            poses=tuple(self.poses[slot] for slot in slots),
            centres=self.centres[slots],
            colours=tuple(self.colours[slot] for slot in slots),
        )

    def moved(self, slot: int, pose: Pose, *, lifted: float = 0.0) -> Arrangement:
        """The same with one object elsewhere, `lifted` metres above where it would stand."""
        instance = self.instances[slot]
        centres = self.centres.copy()
        centres[slot] = [pose.x, pose.y, self.height + lifted + instance.size[2] / 2]
        return dataclasses.replace(self, poses=(*self.poses[:slot], pose, *self.poses[slot + 1 :]), centres=centres)


class Stage:
    """Sets up frames in one world; what one frame changed the next one resets.

    Args:
        world: compiled.
        config: how many objects, how often painted.
    """

    def __init__(self, world: World, *, config: SceneConfig) -> None:
        self._world = world
        self._config = config
        self._materials = world.model.geom_matid.copy()
        self._rgba = world.model.geom_rgba.copy()

    def arrange(self, random: np.random.Generator) -> Arrangement:
        """A new random frame: objects and everything around them but the camera."""
        self._reset()
        room = self._world.place == "room"
        before_photograph = not room and random.random() < self._config.photograph_share
        region, height = self._furniture(random, before_photograph=before_photograph)
        chosen = self._choose(random)
        share = random.uniform(0.72, 1.0)
        poses = place(
            [(i.size[0], i.size[1]) for i in chosen], region=(region[0] * share, region[1] * share), random=random
        )
        kept = [(instance, pose) for instance, pose in zip(chosen, poses, strict=True) if pose is not None]
        colours = []
        painted_words: dict[str, str] = {}
        for instance, pose in kept:
            self.put(instance, pose, height=height)
            colours.append(self._paint(instance, painted_words, random=random))
        self._lights(random)
        return Arrangement(
            instances=tuple(instance for instance, _ in kept),
            poses=tuple(pose for _, pose in kept),
            centres=np.array([[pose.x, pose.y, height + instance.size[2] / 2] for instance, pose in kept]).reshape(
                -1, 3
            ),
            colours=tuple(colours),
            before_photograph=before_photograph,
            region=region,
            height=height,
        )

    def aim(self, camera: Camera, *, walls: bool) -> None:
        """Place the camera and take away the walls behind which it would stand."""
        model, world = self._world.model, self._world
        model.cam_pos[0] = camera.position
        model.cam_quat[0] = _looking(np.array(camera.position), np.array(camera.target))
        model.cam_fovy[0] = camera.vertical_field
        for number in range(WALLS):
            geom = world.scenery[f"wall{number}"]
            centre = model.geom_pos[geom]
            beyond = np.dot(camera.position[:2], centre[:2]) > (np.linalg.norm(centre[:2]) - 0.15) * np.linalg.norm(
                centre[:2]
            )
            model.geom_group[geom] = 0 if walls and not beyond else HIDDEN_GROUP
        mujoco.mj_kinematics(model, world.data)
        mujoco.mj_camlight(model, world.data)

    def hide(self, instance: Instance) -> None:
        """Take an object out of the frame."""
        self._world.model.geom_group[instance.geoms] = HIDDEN_GROUP

    def random_camera(self, arrangement: Arrangement, random: np.random.Generator) -> Camera:
        """A camera that sees most of the objects, from anywhere round them."""
        config, room = self._config, self._world.place == "room"
        low, high = arrangement.centres.min(0), arrangement.centres.max(0)
        spread = max(
            0.25 if not room else 1.0, float(np.linalg.norm(high[:2] - low[:2])) / 2 + (0.1 if not room else 0.6)
        )
        field = random.uniform(44, 60)
        distance = (
            spread / math.sin(math.radians(field) / 2) * random.uniform(config.nearest_camera, config.farthest_camera)
        )
        elevation = math.radians(random.uniform(8, 35) if room else random.uniform(20, 62))
        azimuth = random.uniform(-math.pi, math.pi)
        target = arrangement.centres.mean(0) + random.uniform(-config.camera_wander, config.camera_wander, 3) * spread
        offset = np.array(
            [math.cos(azimuth) * math.cos(elevation), math.sin(azimuth) * math.cos(elevation), math.sin(elevation)]
        )
        position = target + distance * offset
        return Camera(tuple(position.tolist()), tuple(target.tolist()), field)

    def _reset(self) -> None:
        model = self._world.model
        model.geom_matid[:] = self._materials
        model.geom_rgba[:] = self._rgba
        model.geom_group[:] = HIDDEN_GROUP

    def _choose(self, random: np.random.Generator) -> list[Instance]:
        """Objects of different names, and often two or three of the same."""
        config, room = self._config, self._world.place == "room"
        most = min(config.most_objects, 8) if room else config.most_objects
        count = int(random.integers(config.least_objects, most + 1))
        first = [self._world.instances[i] for i in random.permutation(len(self._world.instances) // 2) * 2]
        by_name: dict[str, list[Instance]] = {}
        for instance in self._world.instances:
            by_name.setdefault(instance.model.name, []).append(instance)
        order = list(dict.fromkeys(instance.model.name for instance in self._required(first, random)))
        chosen: list[Instance] = []
        for name in order:
            repeats = int(random.choice([1, 2, 3], p=[0.72, 0.2, 0.08])) if len(chosen) + 1 < count else 1
            same = by_name[name]
            picked = random.permutation(len(same))[: min(repeats, count - len(chosen))]
            chosen.extend(same[i] for i in picked)
            if len(chosen) >= count:
                break
        return sorted(chosen, key=lambda instance: -instance.size[0] * instance.size[1])

    def _required(self, first: list[Instance], random: np.random.Generator) -> list[Instance]:
        """One to three held-out objects before all others, where the world holds any."""
        held_out = [instance for instance in first if instance.model.held_out]
        if not held_out:
            return first
        few = held_out[: int(random.integers(1, 4))]
        return few + [instance for instance in first if not instance.model.held_out]

    def put(self, instance: Instance, pose: Pose, *, height: float) -> None:
        """Show an object, its underside `height` metres above the floor."""
        model = self._world.model
        model.body_pos[instance.body] = [pose.x, pose.y, height + 0.001]
        model.body_quat[instance.body] = [math.cos(pose.yaw / 2), 0, 0, math.sin(pose.yaw / 2)]
        model.geom_group[instance.geoms] = 1

    def _paint(
        self, instance: Instance, used: dict[str, str], *, random: np.random.Generator
    ) -> NDArray[np.float64] | None:
        again = instance.model.name in used
        if instance.model.category in PAINTABLE_NOT or random.random() > (
            0.6 if again else self._config.recoloured_share
        ):
            used.setdefault(instance.model.name, "")
            return None
        word = str(random.choice([word for word in WORDS if word != used.get(instance.model.name)]))
        used[instance.model.name] = word
        colours = painted(instance.colours, word, random=random)
        model = self._world.model
        model.geom_matid[instance.geoms] = -1
        model.geom_rgba[instance.geoms, :3] = colours
        model.geom_rgba[instance.geoms, 3] = np.where(instance.opacities < 0.9, 0.75, 1.0)
        return colours

    def _furniture(self, random: np.random.Generator, *, before_photograph: bool) -> tuple[tuple[float, float], float]:
        """Lay out table, floor and walls; returns the region objects may stand in and its height."""
        model, scenery = self._world.model, self._world.scenery
        if not before_photograph:
            self._cover("floor", random)
        wall_distance = random.uniform(2.6, 3.6) if self._world.place == "room" else random.uniform(1.3, 3.2)
        for number in range(WALLS):
            self._wall(scenery[f"wall{number}"], number, wall_distance * random.uniform(0.9, 1.1))
            self._cover(
                f"wall{number}", random, same_as=None if number == 0 or random.random() < 0.3 else "wall0", hidden=True
            )
        if self._world.place == "room":
            return (2.1, 2.1), 0.0
        half = (random.uniform(0.5, 0.85), random.uniform(0.45, 0.7))
        round_table = random.random() < 0.25
        top = scenery["disc" if round_table else "board"]
        model.geom_pos[top] = [0, 0, TABLE_HEIGHT - BOARD_THICKNESS]
        model.geom_size[top] = [max(half) * 1.05, BOARD_THICKNESS, 0] if round_table else [*half, BOARD_THICKNESS]
        self._cover("disc" if round_table else "board", random)
        inset = 0.6 if round_table else 0.9
        for number in range(LEGS):
            leg = scenery[f"leg{number}"]
            corner = (1 if number % 2 else -1, 1 if number // 2 else -1)
            model.geom_pos[leg] = [
                corner[0] * half[0] * inset,
                corner[1] * half[1] * inset,
                TABLE_HEIGHT / 2 - BOARD_THICKNESS,
            ]
            model.geom_size[leg] = [0.03, 0.03, TABLE_HEIGHT / 2 - BOARD_THICKNESS]
            self._cover(f"leg{number}", random, same_as="disc" if round_table else "board")
        side = max(half) * 1.05 * 0.72
        return ((side, side) if round_table else half), TABLE_HEIGHT

    def _wall(self, geom: int, number: int, distance: float) -> None:
        model = self._world.model
        angle = number * math.pi / 2
        model.geom_pos[geom] = [distance * math.cos(angle), distance * math.sin(angle), 1.4]
        turn = angle + math.pi / 2
        # The box's z axis, along which its texture is seen flat, points to the middle of the room.
        axes = np.array([[math.cos(turn), 0, -math.cos(angle)], [math.sin(turn), 0, -math.sin(angle)], [0, 1, 0]])
        if np.linalg.det(axes) < 0:
            axes[:, 0] = -axes[:, 0]
        mujoco.mju_mat2Quat(model.geom_quat[geom], axes.ravel())
        model.geom_size[geom] = [distance * 1.25, 1.4, 0.02]

    def _cover(
        self, name: str, random: np.random.Generator, *, same_as: str | None = None, hidden: bool = False
    ) -> None:
        model, scenery = self._world.model, self._world.scenery
        geom = scenery[name]
        if same_as is not None:
            model.geom_matid[geom] = model.geom_matid[scenery[same_as]]
            model.geom_rgba[geom] = model.geom_rgba[scenery[same_as]]
        else:
            plain = random.random() < 0.25
            model.geom_matid[geom] = -1 if plain else random.choice(self._world.surfaces)
            tint = random.uniform(0.55, 1.0) + random.uniform(-0.3, 0.3, 3) * (random.random() < 0.5)
            model.geom_rgba[geom] = [*np.clip(tint, 0.05, 1), 1]
        model.geom_group[geom] = HIDDEN_GROUP if hidden else 0

    def _lights(self, random: np.random.Generator) -> None:
        model = self._world.model
        ambient = random.uniform(0.28, 0.48)
        model.vis.headlight.ambient[:] = ambient
        model.vis.headlight.diffuse[:] = random.uniform(0.05, 0.25)
        model.vis.headlight.specular[:] = random.uniform(0, 0.2)
        for light in range(model.nlight):
            direction = np.array([*random.uniform(-0.55, 0.55, 2), -1.0])
            direction /= np.linalg.norm(direction)
            model.light_dir[light] = direction
            model.light_pos[light] = -direction * 4
            strength = random.uniform(0.3, 0.55) if light == 0 else random.uniform(0.0, 0.25)
            model.light_diffuse[light] = strength * (1 + random.uniform(-0.08, 0.08, 3))
            model.light_specular[light] = random.uniform(0, 0.35)
            model.light_castshadow[light] = light == 0 and random.random() < 0.8


def _looking(position: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orientation of a camera that looks from one point to another, as a quaternion."""
    back = position - target
    back /= np.linalg.norm(back)
    right = np.cross([0, 0, 1], back)
    right /= max(1e-9, float(np.linalg.norm(right)))
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, np.stack([right, np.cross(back, right), back], 1).ravel())
    return quaternion
