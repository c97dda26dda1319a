"""One compiled MuJoCo world: many objects, each as two bodies, with tables, floors, walls and their textures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray

from instructseq_training.scenes.catalogue import ObjectModel
from instructseq_training.scenes.colours import word_shares
from instructseq_training.scenes.config import SceneConfig
from instructseq_training.scenes.meshes import Part, load_parts
from instructseq_training.scenes.photographs import photographs, random_crop
from instructseq_training.scenes.textures import SIDE, procedural_texture

TABLE_SIZE = (0.12, 0.27)  # metres, longest side of what stands on a table
ROOM_SIZE = (0.5, 1.9)
SECOND_COPY_SCALE = (0.55, 0.75)
SURFACE_TEXTURES = 12
HIDDEN_GROUP = 5
WALLS = 4
LEGS = 4


@dataclass(frozen=True)
class Instance:
    """One body that can be put into a frame.

    Attributes:
        model: what it is.
        body: MuJoCo's id.
        geoms: MuJoCo's ids of its parts.
        areas: of the parts, square metres.
        colours: rgb of the parts' materials, P x 3.
        textured: whether a part has a texture, P.
        opacities: of the parts, in [0, 1], P.
        words: share of each colour word in a part's own material, P x len(WORDS).
        size: width, depth, height in metres as rendered.
    """

    model: ObjectModel
    body: int
    geoms: NDArray[np.int64]
    areas: NDArray[np.float64]
    colours: NDArray[np.float64]
    textured: NDArray[np.bool_]
    opacities: NDArray[np.float64]
    words: NDArray[np.float64]
    size: tuple[float, float, float]


@dataclass(frozen=True)
class World:
    """A compiled world.

    Attributes:
        model: MuJoCo's.
        data: MuJoCo's.
        place: `table` or `room`.
        instances: two for each object model, next to each other.
        scenery: name of a table, floor or wall geom -> id.
        surfaces: material ids of the surface textures.
    """

    model: mujoco.MjModel
    data: mujoco.MjData
    place: str
    instances: tuple[Instance, ...]
    scenery: dict[str, int]
    surfaces: tuple[int, ...]


def build_world(
    models: list[ObjectModel], *, place: str, root: Path, config: SceneConfig, random: np.random.Generator
) -> World:
    """Compile a world.

    Args:
        models: the objects in it.
        place: `table` or `room`: what clamps the sizes.
        root: as `find_assets` returns it.
        config: picture size, triangles, antialiasing.
        random: source of every choice.
    """
    spec = mujoco.MjSpec()
    _visual(spec, config, extent=1.0 if place == "table" else 3.0)
    _surfaces(spec, root=root, random=random)
    _scenery(spec)
    drawn = [
        _add_object(spec, number, model, place=place, root=root, config=config, random=random)
        for number, model in enumerate(models)
    ]
    compiled = spec.compile()
    compiled.geom_sameframe[:] = 0  # else MuJoCo ignores where the scenery is moved to
    compiled.geom_group[:] = np.where(compiled.geom_bodyid > 0, HIDDEN_GROUP, compiled.geom_group)
    return World(
        model=compiled,
        data=mujoco.MjData(compiled),
        place=place,
        instances=tuple(
            _instance(compiled, model, *copy) for model, copies in zip(models, drawn, strict=True) for copy in copies
        ),
        scenery={compiled.geom(i).name: i for i in range(compiled.ngeom) if compiled.geom_bodyid[i] == 0},
        surfaces=tuple(compiled.material(f"surface{i}").id for i in range(SURFACE_TEXTURES)),
    )


def rendered_scale(model: ObjectModel, *, place: str) -> float:
    """Factor that brings a model's longest side into the range of its place."""
    low, high = TABLE_SIZE if place == "table" else ROOM_SIZE
    longest = max(model.size)
    return min(max(longest, low), high) / longest


def _visual(spec: mujoco.MjSpec, config: SceneConfig, *, extent: float) -> None:
    spec.visual.global_.offwidth = max(config.width, 640)
    spec.visual.global_.offheight = max(config.height, 480)
    spec.visual.quality.shadowsize = config.shadow_side
    spec.visual.quality.offsamples = config.samples
    spec.visual.map.znear = 0.02
    spec.visual.map.zfar = 40
    spec.stat.extent = extent
    spec.stat.center = [0, 0, 0.5]


def _surfaces(spec: mujoco.MjSpec, *, root: Path, random: np.random.Generator) -> None:
    found = photographs(root)
    for number in range(SURFACE_TEXTURES):
        if found and number >= SURFACE_TEXTURES - 2:
            image = random_crop(found[random.integers(len(found))], size_wh=(SIDE, SIDE), random=random)
        else:
            image = procedural_texture(random)
        _add_texture(spec, f"surface{number}", image)
        material = spec.add_material(name=f"surface{number}")
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = f"surface{number}"
        repeat = random.uniform(0.4, 3.0)
        material.texrepeat = [repeat, repeat]
        material.texuniform = True
        material.specular = random.uniform(0, 0.4)
        material.reflectance = 0.0


def _add_texture(spec: mujoco.MjSpec, name: str, image: NDArray[np.uint8]) -> None:
    texture = spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_2D)
    texture.height, texture.width, texture.nchannel = image.shape
    texture.data = np.ascontiguousarray(image[::-1]).tobytes()


def _scenery(spec: mujoco.MjSpec) -> None:
    body = spec.worldbody
    common = {"contype": 0, "conaffinity": 0}
    body.add_geom(name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[8, 8, 0.1], **common)
    body.add_geom(name="board", type=mujoco.mjtGeom.mjGEOM_BOX, size=[0.7, 0.5, 0.02], **common)
    body.add_geom(name="disc", type=mujoco.mjtGeom.mjGEOM_CYLINDER, size=[0.7, 0.02, 0], **common)
    for number in range(LEGS):
        body.add_geom(name=f"leg{number}", type=mujoco.mjtGeom.mjGEOM_BOX, size=[0.03, 0.03, 0.35], **common)
    for number in range(WALLS):
        body.add_geom(name=f"wall{number}", type=mujoco.mjtGeom.mjGEOM_BOX, size=[4, 1.4, 0.02], **common)
    body.add_camera(name="camera", pos=[0, -1.5, 1.5], fovy=50)
    for number in range(2):
        body.add_light(
            name=f"light{number}",
            pos=[0, 0, 3],
            dir=[0, 0, -1],
            castshadow=number == 0,
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        )


def _add_object(
    spec: mujoco.MjSpec,
    number: int,
    model: ObjectModel,
    *,
    place: str,
    root: Path,
    config: SceneConfig,
    random: np.random.Generator,
) -> list[tuple[str, list[Part], float]]:
    parts = load_parts(model, root=root, max_faces=config.max_faces)
    for index, part in enumerate(parts):
        _add_material(spec, f"o{number}.{index}", part)
    copies = []
    scale = rendered_scale(model, place=place)
    for copy in range(2):
        second = copy == 1 and random.random() < 0.5
        factor = scale * (random.uniform(*SECOND_COPY_SCALE) if second else 1.0)
        body = spec.worldbody.add_body(name=f"o{number}_{copy}", pos=[0, 0, -50])
        for index, part in enumerate(parts):
            name = f"o{number}.{index}" + (".small" if second else "")
            if copy == 0 or second:
                _add_mesh(spec, name, part, factor)
            body.add_geom(
                type=mujoco.mjtGeom.mjGEOM_MESH,
                meshname=name,
                material=f"o{number}.{index}",
                contype=0,
                conaffinity=0,
                mass=0.1,
                name=f"o{number}_{copy}.{index}",
            )
        copies.append((f"o{number}_{copy}", parts, factor))
    return copies


def _add_material(spec: mujoco.MjSpec, name: str, part: Part) -> None:
    material = spec.add_material(name=name, specular=0.3, shininess=0.4)
    if part.texture is None:
        material.rgba = part.rgba
    else:
        _add_texture(spec, name, part.texture)
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
        material.rgba = [1, 1, 1, part.rgba[3]]


def _add_mesh(spec: mujoco.MjSpec, name: str, part: Part, factor: float) -> None:
    vertices = part.vertices * factor
    if len(vertices) < 4 or np.linalg.matrix_rank(vertices - vertices.mean(0), tol=1e-5) < 3:
        # MuJoCo refuses flat meshes; a fifth of a millimetre of relief is invisible.
        vertices = np.concatenate(
            [vertices, vertices.mean(0) + np.array([[0, 0, 2e-4], [2e-4, 0, 0], [0, 2e-4, 0], [-2e-4, -2e-4, -2e-4]])]
        )
        coordinates = np.concatenate([part.texture_coordinates, np.zeros((4, 2))])
        base = len(vertices) - 4
        faces = np.concatenate([part.faces, np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]]) + base])
    else:
        coordinates, faces = part.texture_coordinates, part.faces
    mesh = spec.add_mesh(name=name, inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL)
    mesh.uservert = vertices.astype(np.float32).ravel()
    mesh.userface = faces.astype(np.int32).ravel()
    if part.texture is not None:
        mesh.usertexcoord = coordinates.astype(np.float32).ravel()


def _instance(compiled: mujoco.MjModel, model: ObjectModel, body: str, parts: list[Part], factor: float) -> Instance:
    width, depth, height = (value * factor for value in model.size)
    identity = compiled.body(body).id
    return Instance(
        model=model,
        body=identity,
        geoms=np.flatnonzero(compiled.geom_bodyid == identity),
        areas=np.array([part.area for part in parts]),
        colours=np.array([part.rgba[:3] for part in parts]),
        textured=np.array([part.texture is not None for part in parts]),
        opacities=np.array([part.rgba[3] for part in parts]),
        words=np.stack([_words(part) for part in parts]),
        size=(width, depth, height),
    )


def _words(part: Part) -> NDArray[np.float64]:
    if part.texture is None:
        return word_shares(np.array([part.rgba[:3]]))
    return word_shares(part.texture[::4, ::4].reshape(-1, 3) / 255)
