"""A clip: a camera that moves round one table, with the truth of every frame."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructseq_training.scenes.assets import find_assets
from instructseq_training.scenes.catalogue import read_catalogue
from instructseq_training.scenes.config import SceneConfig
from instructseq_training.scenes.draw import draw_models, generator
from instructseq_training.scenes.expressions import ExpressionWriter
from instructseq_training.scenes.render import FrameRenderer
from instructseq_training.scenes.scene import Expression, Frame
from instructseq_training.scenes.shards import frame_record
from instructseq_training.scenes.stage import Arrangement, Camera
from instructseq_training.scenes.world import build_world

VideoFrame = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], dict[str, Any]]
CLIP_NUMBER = 1_000_000  # apart from every shard's number
LEAST_OBJECTS = 5
SWEEP = math.radians(50)


def video(
    *,
    seed: int,
    frames: int = 100,
    rate: float = 10.0,
    width: int = 640,
    height: int = 480,
    split: str = "val",
    assets: Path | None = None,
    config: SceneConfig | None = None,
) -> Iterator[VideoFrame]:
    """Frames of a clip, rendered one after another.

    The same objects, with the same indices, are visible in every frame.

    Args:
        seed: of the clip.
        frames: how many.
        rate: frames a second.
        width: pixels.
        height: pixels.
        split: whose objects; `val` has trained models in a scene never trained on.
        assets: folder of the object models; see `find_assets`.
        config: how scenes are drawn; its picture size is replaced.

    Returns:
        Tuples of rgb (H x W x 3, uint8), instances (H x W, uint8), classes (H x W, uint8) and a record. The record is
        that of the shards, with `stamp` (seconds from the start) and `vertical_field` (degrees); its `expressions` are
        those that mean the same objects throughout.

    Raises:
        SceneError: the object models are missing.
    """
    root = find_assets(assets)
    scale = (width * height) / (320 * 240)
    config = dataclasses.replace(
        config or SceneConfig(), width=width, height=height, room_share=0.0, photograph_share=0.0
    )
    config = dataclasses.replace(
        config, least_pixels=int(config.least_pixels * scale), least_objects=7, most_objects=9, samples=4
    )
    random = generator(seed, split, CLIP_NUMBER)
    place, models = draw_models(read_catalogue(root), split=split, config=config, random=random)
    world = build_world(models, place=place, root=root, config=config, random=random)
    with FrameRenderer(world, config=config, root=root) as renderer:
        arrangement, cameras = _arranged(renderer, frames=frames, random=random)
        background = renderer.background(random)
        lasting = _lasting(renderer, arrangement, cameras, background)
        for number, camera in enumerate(cameras):
            frame = renderer.show(arrangement, camera, background)
            key = f"clip-{seed}-{number:07d}"
            record = frame_record(frame, key=key, split=split, seed=seed, expressions=lasting, captions=[])
            yield (
                frame.rgb,
                frame.instances,
                frame.classes,
                {**record, "stamp": number / rate, "vertical_field": camera.vertical_field},
            )


def _arranged(renderer: FrameRenderer, *, frames: int, random: np.random.Generator) -> tuple[Arrangement, list[Camera]]:
    """An arrangement and a path along which enough objects are always in sight; the others are taken out."""
    while True:
        arrangement = renderer.stage.arrange(random)
        if len(arrangement.instances) < LEAST_OBJECTS:
            continue
        cameras = _path(renderer.stage.random_camera(arrangement, random), frames=frames, random=random)
        arrangement = renderer.keep_visible(arrangement, cameras[:: max(1, frames // 12)] + cameras[-1:])
        if len(arrangement.instances) >= LEAST_OBJECTS:
            return arrangement, cameras


def _path(middle: Camera, *, frames: int, random: np.random.Generator) -> list[Camera]:
    """An arc round the target, with the camera rising and nearing a little."""
    target = np.array(middle.target)
    offset = np.array(middle.position) - target
    nod, near = random.uniform(0.05, 0.12), random.uniform(0.04, 0.1)
    cameras = []
    for number in range(frames):
        phase = number / max(1, frames - 1)  # 0 to 1
        angle = SWEEP * (phase - 0.5)
        turn = np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])
        moved = turn @ offset * (1.3 - near * math.sin(math.pi * phase))
        moved[2] *= 1 + nod * math.sin(2 * math.pi * phase)
        cameras.append(dataclasses.replace(middle, position=tuple((target + moved).tolist())))
    return cameras


def _lasting(
    renderer: FrameRenderer, arrangement: Arrangement, cameras: list[Camera], background: NDArray[np.uint8]
) -> list[Expression]:
    """What can be said in all of some twelve frames along the path, in the order of the first."""
    some = cameras[:: max(1, len(cameras) // 12)] + cameras[-1:]
    said = [_sayable(renderer.show(arrangement, camera, background)) for camera in some]
    return [expression for expression in said[0] if all(expression in other for other in said[1:])]


def _sayable(frame: Frame) -> list[Expression]:
    return ExpressionWriter(frame.objects, width=frame.rgb.shape[1], absent=()).every()
