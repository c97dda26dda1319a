"""Object models made here, for machines that have no others: things of a household out of turned and boxed shapes.

They are written as a catalogue in the format of Sweet Home 3D, so that scenes treat them like any other models.
"""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from instructseq_training.scenes.assets import CATALOGUE, cache_root

ARCHIVE = "instructseq-shapes-1.sh3f"
"""The number goes up when shapes change: models are cached by their archive's name."""

SIDES = 24
Point = tuple[float, float, float]
Colour = tuple[float, float, float]
RED, BLUE, GREEN, YELLOW = (0.8, 0.1, 0.1), (0.1, 0.25, 0.8), (0.1, 0.55, 0.2), (0.9, 0.8, 0.1)
WHITE, BLACK, BROWN, ORANGE, GREY = (
    (0.93, 0.93, 0.93),
    (0.06, 0.06, 0.06),
    (0.45, 0.26, 0.12),
    (0.95, 0.45, 0.05),
    (0.5,) * 3,
)


@dataclass(frozen=True)
class Solid:
    """Polygons of one colour; y is up.

    Attributes:
        points: in any unit; the catalogue gives the size.
        faces: corners of each polygon, by number from 0.
    """

    colour: Colour
    points: tuple[Point, ...]
    faces: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Shape:
    """A thing.

    Attributes:
        name: the catalogue's, which `names.yaml` gives its spoken name and class.
        size: width, depth, height in centimetres.
        solids: its parts.
    """

    name: str
    size: tuple[float, float, float]
    solids: tuple[Solid, ...]


def turned(colour: Colour, profile: Sequence[tuple[float, float]], *, centre: tuple[float, float] = (0, 0)) -> Solid:
    """A solid of revolution about the upright axis.

    Args:
        colour: red, green and blue in [0, 1].
        profile: radius and height of the rings, from below along the outside and perhaps down again inside.
        centre: of the axis, x and z.
    """
    angles = [2 * math.pi * side / SIDES for side in range(SIDES)]
    points = tuple(
        (centre[0] + radius * math.cos(angle), height, centre[1] + radius * math.sin(angle))
        for radius, height in profile
        for angle in angles
    )
    walls = tuple(
        (ring * SIDES + side, (ring + 1) * SIDES + side, (ring + 1) * SIDES + after, ring * SIDES + after)
        for ring in range(len(profile) - 1)
        for side, after in ((side, (side + 1) % SIDES) for side in range(SIDES))
    )
    last = (len(profile) - 1) * SIDES
    ends = (tuple(range(SIDES)), tuple(range(last + SIDES - 1, last - 1, -1)))
    return Solid(colour, points, walls + ends)


def box(colour: Colour, low: Point, high: Point) -> Solid:
    """A box between two corners."""
    points = tuple((x, y, z) for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2]))
    faces = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
    return Solid(colour, points, faces)


def ball(colour: Colour, *, radius: float = 1.0, height: float = 1.0) -> Solid:
    """A ball about the upright axis, its centre at `height`."""
    steps = [math.pi * step / 12 for step in range(1, 12)]
    return turned(colour, [(radius * math.sin(step), height - radius * math.cos(step)) for step in steps])


def _vessel(colour: Colour, low: float, high: float, height: float) -> Solid:
    """Open above, with a wall and a bottom that have a thickness."""
    wall = 0.08 * high
    return turned(colour, [(low, 0), (high, height), (high - wall, height), (max(low - wall, wall), wall)])


def _handle(colour: Colour, radius: float, height: float) -> tuple[Solid, ...]:
    reach, bar = radius + 0.45, 0.14
    return (
        box(colour, (radius - 0.05, 0.7 * height, -bar / 2), (reach, 0.7 * height + bar, bar / 2)),
        box(colour, (radius - 0.05, 0.2 * height, -bar / 2), (reach, 0.2 * height + bar, bar / 2)),
        box(colour, (reach - bar, 0.2 * height, -bar / 2), (reach, 0.7 * height + bar, bar / 2)),
    )


def shapes() -> tuple[Shape, ...]:
    """All of them."""
    bottle = [(1, 0), (1, 4), (0.4, 5), (0.35, 6), (0.0, 6)]
    return (
        Shape("Cup", (12, 8.5, 9), (_vessel(RED, 0.9, 1, 2.1), *_handle(RED, 1.0, 2.1))),
        Shape("Bowl", (16, 16, 8), (_vessel(BLUE, 0.5, 1, 1.0),)),
        Shape("Plate", (22, 22, 2.5), (turned(WHITE, [(0.6, 0), (1, 0.2), (0.95, 0.25), (0.6, 0.08)]),)),
        Shape("Bottle", (7, 7, 24), (turned(GREEN, bottle), turned(WHITE, [(1.02, 1.2), (1.02, 2.8)]))),
        Shape("Wine bottle", (7.5, 7.5, 29), (turned(BLACK, bottle), turned(YELLOW, [(1.02, 1.2), (1.02, 2.6)]))),
        Shape("Vase", (13, 13, 22), (turned(ORANGE, [(0.6, 0), (1, 1.2), (0.45, 2.6), (0.65, 3.2), (0.4, 2.8)]),)),
        Shape("Glass", (7, 7, 12), (_vessel((0.7, 0.8, 0.85), 0.75, 1, 3.2),)),
        Shape(
            "Book", (15, 21, 3.5), (box(RED, (0, 0, 0), (15, 3.5, 21)), box(WHITE, (0.6, 0.5, -0.1), (15.1, 3, 20.4)))
        ),
        Shape(
            "Cardboard box",
            (24, 18, 14),
            (box(BROWN, (0, 0, 0), (24, 14, 18)), box(YELLOW, (11, -0.1, -0.1), (13, 14.1, 18.1))),
        ),
        Shape("Basketball", (24, 24, 24), (ball(ORANGE),)),
        Shape("Laptop", (32, 23, 20), (box(GREY, (0, 0, 0), (32, 1.5, 23)), box(BLACK, (0, 1.5, 21.5), (32, 20, 23)))),
        Shape(
            "Lamp",
            (20, 20, 35),
            (turned(GREY, [(1.2, 0), (1.2, 0.3), (0.2, 0.4), (0.2, 5)]), turned(YELLOW, [(2, 4.5), (1.2, 7.5)])),
        ),
        Shape(
            "Teddy bear",
            (16, 14, 22),
            (ball(BROWN), ball(BROWN, radius=0.65, height=2.5), box(BLACK, (-0.1, 2.3, 0.6), (0.1, 2.5, 0.75))),
        ),
        Shape(
            "Clock", (15, 6, 15), (box(BLUE, (0, 0, 0), (15, 15, 6)), box(WHITE, (1.5, 1.5, 5.5), (13.5, 13.5, 6.2)))
        ),
        Shape(
            "Toaster",
            (28, 16, 18),
            (
                box(GREY, (0, 0, 0), (28, 18, 16)),
                box(BLACK, (3, 17, 5), (25, 18.2, 7)),
                box(BLACK, (3, 17, 9), (25, 18.2, 11)),
            ),
        ),
        Shape("Speaker", (14, 14, 24), (box(BLACK, (0, 0, 0), (14, 24, 14)), box(GREY, (2, 3, 13.5), (12, 13, 14.3)))),
        Shape("Radio", (26, 8, 15), (box(RED, (0, 0, 0), (26, 15, 8)), box(WHITE, (14, 3, 7.5), (24, 12, 8.3)))),
        Shape(
            "Tray",
            (34, 24, 3),
            (
                box(BROWN, (0, 0, 0), (34, 1.5, 24)),
                box(BROWN, (0, 0, 0), (1, 3, 24)),
                box(BROWN, (33, 0, 0), (34, 3, 24)),
            ),
        ),
        Shape(
            "Gift", (14, 14, 12), (box(BLUE, (0, 0, 0), (14, 12, 14)), box(YELLOW, (6, -0.1, -0.1), (8, 12.1, 14.1)))
        ),
    )


def write_catalogue(root: Path | None = None) -> Path:
    """Write the shapes as a catalogue, where there is none yet.

    Args:
        root: folder under which it goes; the cache if not given.

    Returns:
        The folder, as `find_assets` would return it.
    """
    root = root or cache_root() / "shapes"
    file = root / CATALOGUE / ARCHIVE
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(f".{os.getpid()}")
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("PluginFurnitureCatalog.properties", _properties())
            for number, shape in enumerate(shapes(), start=1):
                obj, mtl = _wavefront(shape)
                archive.writestr(f"shape{number}/shape{number}.obj", obj)
                archive.writestr(f"shape{number}/shape.mtl", mtl)
        partial.replace(file)
    return root


def _properties() -> str:
    lines = ["license=Apache-2.0"]
    for number, shape in enumerate(shapes(), start=1):
        width, depth, height = shape.size
        lines += [
            f"id#{number}=instructseq#{number}",
            f"name#{number}={shape.name}",
            f"model#{number}=/shape{number}/shape{number}.obj",
            f"width#{number}={width}",
            f"depth#{number}={depth}",
            f"height#{number}={height}",
            f"creator#{number}=The instructseq maintainers",
        ]
    return "\n".join([*lines, ""])


def _wavefront(shape: Shape) -> tuple[str, str]:
    """The texts of the OBJ and of the MTL file."""
    obj, mtl, base = ["mtllib shape.mtl"], [], 1
    for number, solid in enumerate(shape.solids):
        mtl += [f"newmtl m{number}", f"Kd {solid.colour[0]} {solid.colour[1]} {solid.colour[2]}", "d 1"]
        obj += [f"v {x:.5f} {y:.5f} {z:.5f}" for x, y, z in solid.points]
        obj += [f"usemtl m{number}"]
        obj += ["f " + " ".join(str(base + corner) for corner in face) for face in solid.faces]
        base += len(solid.points)
    return "\n".join([*obj, ""]), "\n".join([*mtl, ""])
