"""Load an OBJ model from its archive: metres, z up, standing on the origin, few faces; kept in a cache."""

from __future__ import annotations

import hashlib
import io
import json
import os
import posixpath
import zipfile
from dataclasses import dataclass
from pathlib import Path

import fast_simplification
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial import cKDTree

from instructseq_training.scenes.assets import CATALOGUE, cache_root
from instructseq_training.scenes.catalogue import ObjectModel
from instructseq_training.scenes.errors import SceneError

CACHE_FORMAT = 3
TEXTURE_SIDE = 256


@dataclass(frozen=True)
class Part:
    """The triangles of one material.

    Attributes:
        vertices: V x 3, float32, metres.
        faces: F x 3, int32.
        texture_coordinates: V x 2, float32.
        rgba: of the material, each in [0, 1].
        texture: H x W x 3, uint8, or None.
        area: square metres.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    texture_coordinates: NDArray[np.float32]
    rgba: tuple[float, float, float, float]
    texture: NDArray[np.uint8] | None
    area: float


@dataclass(frozen=True)
class _Material:
    rgb: tuple[float, float, float] = (0.8, 0.8, 0.8)
    opacity: float = 1.0
    texture: str | None = None


def load_parts(model: ObjectModel, *, root: Path, max_faces: int) -> list[Part]:
    """The parts of a model at the catalogue's size, from the cache where it was loaded before.

    Args:
        model: which one.
        root: as `find_assets` returns it.
        max_faces: of the whole model.

    Raises:
        SceneError: the model's file is missing or holds no triangles.
    """
    mark = f"{CACHE_FORMAT} {model.archive} {model.member} {model.size} {model.rotation} {max_faces}"
    file = cache_root() / "meshes" / f"{hashlib.sha256(mark.encode()).hexdigest()[:24]}.npz"
    if file.exists():
        return _read_cache(file)
    parts = _load(model, root=root, max_faces=max_faces)
    file.parent.mkdir(parents=True, exist_ok=True)
    _write_cache(file, parts)
    return parts


def _load(model: ObjectModel, *, root: Path, max_faces: int) -> list[Part]:
    with zipfile.ZipFile(root / CATALOGUE / model.archive) as archive:
        names = {name.lower(): name for name in archive.namelist()}
        if model.member.lower() not in names:
            raise SceneError(f"{model.archive} lacks {model.member}: install sweethome3d-furniture again")
        lines = archive.read(names[model.member.lower()]).decode("latin1").splitlines()
        vertices, coordinates, faces, libraries = _parse_obj(lines)
        folder = posixpath.dirname(model.member)
        materials: dict[str, _Material] = {}
        for library in libraries:
            found = names.get(posixpath.join(folder, library).lower())
            if found:
                materials.update(_parse_mtl(archive.read(found).decode("latin1").splitlines(), folder=folder))
        textures = {
            material.texture: _read_texture(archive, names, material.texture)
            for material in materials.values()
            if material.texture
        }
    if not faces:
        raise SceneError(f"{model.identity} holds no triangles")
    vertices = _stand_up(
        vertices, used=np.unique(np.concatenate([part[..., 0].ravel() for part in faces.values()])), model=model
    )
    return _make_parts(vertices, coordinates, _merge(faces, materials), textures, max_faces=max_faces)


def _parse_obj(
    lines: list[str],
) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, NDArray[np.int64]], list[str]]:
    """Vertices V x 3, texture coordinates T x 2, material -> corners F x 3 x 2 (-1: no coordinate), libraries."""
    vertices: list[list[float]] = []
    coordinates: list[list[float]] = []
    faces: dict[str, list[list[tuple[int, int]]]] = {}
    libraries: list[str] = []
    current = ""
    for line in lines:
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            vertices.append([float(word) for word in words[1:4]])
        elif words[0] == "vt":
            coordinates.append([float(word) for word in words[1:3]])
        elif words[0] == "usemtl":
            current = words[1] if len(words) > 1 else ""
        elif words[0] == "mtllib":
            libraries.append(line.split(None, 1)[1].strip())
        elif words[0] == "f":
            corners = [_corner(word, len(vertices), len(coordinates)) for word in words[1:]]
            faces.setdefault(current, []).extend(
                [corners[0], corners[i], corners[i + 1]] for i in range(1, len(corners) - 1)
            )
    arrays = {name: np.asarray(triangles, dtype=np.int64) for name, triangles in faces.items() if triangles}
    return np.asarray(vertices), np.asarray(coordinates or [[0.0, 0.0]]), arrays, libraries


def _corner(word: str, vertices: int, coordinates: int) -> tuple[int, int]:
    fields = word.split("/")
    vertex = int(fields[0])
    coordinate = int(fields[1]) if len(fields) > 1 and fields[1] else 0
    return (
        vertex - 1 if vertex > 0 else vertices + vertex,
        coordinate - 1 if coordinate > 0 else (coordinates + coordinate if coordinate < 0 else -1),
    )


def _parse_mtl(lines: list[str], *, folder: str) -> dict[str, _Material]:
    fields: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in lines:
        words = line.split(None, 1)
        if len(words) < 2:
            continue
        if words[0] == "newmtl":
            current = fields.setdefault(words[1].strip(), {})
        else:
            current[words[0]] = words[1].strip()
    return {name: _material(values, folder=folder) for name, values in fields.items()}


def _material(values: dict[str, str], *, folder: str) -> _Material:
    red, green, blue = (float(word) for word in values.get("Kd", "0.8 0.8 0.8").split()[:3])
    texture = values.get("map_Kd", "").split()[-1:]
    return _Material(
        rgb=(red, green, blue),
        opacity=float(values.get("d", "1").split()[-1]),
        texture=posixpath.join(folder, texture[0]) if texture else None,
    )


def _read_texture(archive: zipfile.ZipFile, names: dict[str, str], path: str) -> NDArray[np.uint8] | None:
    found = names.get(path.lower())
    if found is None:
        return None
    with Image.open(io.BytesIO(archive.read(found))) as image:
        flat = Image.new("RGB", image.size, (255, 255, 255))
        with_alpha = image.convert("RGBA")
        flat.paste(with_alpha, mask=with_alpha.getchannel("A"))
        flat.thumbnail((TEXTURE_SIDE, TEXTURE_SIDE))
        return np.asarray(flat)


def _stand_up(vertices: NDArray[np.float64], *, used: NDArray[np.int64], model: ObjectModel) -> NDArray[np.float64]:
    """Rotate as the catalogue says, scale to its size, put the footprint's centre at the origin, z up."""
    turned = vertices @ np.asarray(model.rotation).reshape(3, 3).T
    low, high = turned[used].min(0), turned[used].max(0)
    width, depth, height = model.size
    scale = np.array([width, height, depth]) / np.maximum(high - low, 1e-6)
    centre = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    placed: NDArray[np.float64] = (turned - centre) * scale
    return placed[:, [0, 2, 1]] * [1, -1, 1]


def _merge(faces: dict[str, NDArray[np.int64]], materials: dict[str, _Material]) -> dict[_Material, NDArray[np.int64]]:
    """Materials that look the same become one part: fewer draw calls."""
    merged: dict[_Material, list[NDArray[np.int64]]] = {}
    for name, triangles in faces.items():
        merged.setdefault(materials.get(name, _Material()), []).append(triangles)
    return {material: np.concatenate(triangles) for material, triangles in merged.items()}


def _make_parts(
    vertices: NDArray[np.float64],
    coordinates: NDArray[np.float64],
    faces: dict[_Material, NDArray[np.int64]],
    textures: dict[str, NDArray[np.uint8] | None],
    *,
    max_faces: int,
) -> list[Part]:
    keep = min(1.0, max_faces / sum(len(triangles) for triangles in faces.values()))
    parts = []
    for material, triangles in faces.items():
        texture = textures.get(material.texture) if material.texture else None
        corners, index = np.unique(triangles.reshape(-1, 2), axis=0, return_inverse=True)
        points = vertices[corners[:, 0]]
        mapped = np.where(corners[:, 1:] >= 0, coordinates[corners[:, 1]], 0.0)
        part = _simplified(points, index.reshape(-1, 3), mapped, keep=keep, textured=texture is not None)
        if part is None:
            continue
        points, index, mapped = part
        edges = points[index[:, 1:]] - points[index[:, :1]]  # F x 2 x 3
        area = float(np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1).sum() / 2)
        parts.append(
            Part(
                vertices=points.astype(np.float32),
                faces=index.astype(np.int32),
                texture_coordinates=mapped.astype(np.float32),
                rgba=(*material.rgb, max(0.35, material.opacity)),
                texture=texture,
                area=area,
            )
        )
    return parts


def _simplified(
    points: NDArray[np.float64], index: NDArray[np.int64], mapped: NDArray[np.float64], *, keep: float, textured: bool
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]] | None:
    if keep < 1 and len(index) * keep > 60:
        if not textured:
            points, inverse = np.unique(points.round(6), axis=0, return_inverse=True)
            index = inverse.reshape(-1)[index]
        fewer, fewer_index = fast_simplification.simplify(
            points.astype(np.float32), index.astype(np.int32), target_reduction=1 - keep
        )
        if len(fewer_index) >= 4:
            source = cKDTree(points).query(fewer)[1] if textured else np.zeros(len(fewer), dtype=np.int64)
            points, index, mapped = fewer.astype(np.float64), fewer_index.astype(np.int64), mapped[source]
    edges = points[index[:, 1:]] - points[index[:, :1]]
    solid = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1) > 1e-11
    index = index[solid]
    if len(index) < 1:
        return None
    used, inverse = np.unique(index, return_inverse=True)
    return (
        points[used],
        inverse.reshape(-1, 3),
        mapped[used] if len(mapped) == len(points) else np.zeros((len(used), 2)),
    )


def _write_cache(file: Path, parts: list[Part]) -> None:
    arrays: dict[str, NDArray[np.generic]] = {}
    for number, part in enumerate(parts):
        arrays |= {f"{number}.v": part.vertices, f"{number}.f": part.faces, f"{number}.t": part.texture_coordinates}
        if part.texture is not None:
            arrays[f"{number}.image"] = part.texture
    about = json.dumps([{"rgba": part.rgba, "area": part.area} for part in parts])
    partial = file.with_suffix(f".{os.getpid()}.npz")
    np.savez(partial, about=np.array(about), **arrays)  # type: ignore[arg-type]
    partial.replace(file)


def _read_cache(file: Path) -> list[Part]:
    with np.load(file, allow_pickle=False) as arrays:
        about = json.loads(str(arrays["about"]))
        return [
            Part(
                vertices=arrays[f"{number}.v"],
                faces=arrays[f"{number}.f"],
                texture_coordinates=arrays[f"{number}.t"],
                rgba=tuple(item["rgba"]),
                texture=arrays.get(f"{number}.image"),
                area=item["area"],
            )
            for number, item in enumerate(about)
        ]
