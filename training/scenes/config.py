"""What a set of scenes looks like, as read from config/scenes/*.yaml."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from instructseq_model.errors import ConfigError

SPLITS = ("train", "val", "heldout")


@dataclass(frozen=True, kw_only=True)
class SceneConfig:
    """How scenes are drawn.

    Attributes:
        width: of the picture, pixels.
        height: of the picture, pixels.
        frames_per_shard: a shard is one compiled world with its own draw of objects and textures.
        evaluation_frames_per_shard: the same for `val` and `heldout`; fewer frames a world show more objects.
        objects_per_world: models compiled into one world, each as two bodies.
        miniatures: how many of a table world's models are furniture and the like at table size.
        least_objects: in a frame.
        most_objects: in a frame.
        room_share: part of the worlds that are rooms, in [0, 1].
        photograph_share: part of the table frames that stand before a photograph, in [0, 1].
        recoloured_share: part of the objects that are painted in one of the named colours, in [0, 1].
        least_pixels: an object with fewer visible pixels is taken out of the frame.
        max_faces: triangles of one model.
        shadow_side: shadow map, pixels.
        samples: of antialiasing per pixel; 0 for none.
        expressions: at most so many a frame.
        nearest_camera: least distance of the camera, as a part of that from which all objects are just in sight.
        farthest_camera: greatest.
        camera_wander: how far from the objects' middle the camera may look, as a part of their spread.
        sensor_share: part of the frames that are seen through a robot's camera (`sensor.py`), in [0, 1].
    """

    width: int = 320
    height: int = 240
    frames_per_shard: int = 150
    evaluation_frames_per_shard: int = 25
    objects_per_world: int = 44
    miniatures: int = 10
    least_objects: int = 4
    most_objects: int = 12
    room_share: float = 0.2
    photograph_share: float = 0.3
    recoloured_share: float = 0.3
    least_pixels: int = 60
    max_faces: int = 2500
    shadow_side: int = 1024
    samples: int = 2
    expressions: int = 26
    nearest_camera: float = 0.36
    farthest_camera: float = 0.95
    camera_wander: float = 0.2
    sensor_share: float = 0.0

    @classmethod
    def from_yaml(cls, file: Path) -> SceneConfig:
        """Read the values a file names; the others keep their defaults.

        Raises:
            ConfigError: the file is missing, is no mapping, or names what does not exist.
        """
        try:
            raw: Any = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        except (OSError, yaml.YAMLError) as error:
            raise ConfigError(f"cannot read the scenes' configuration {file}: {error}") from error
        known = {field.name: float if isinstance(field.default, float) else int for field in fields(cls)}
        if not isinstance(raw, dict) or not set(raw) <= set(known):
            unknown = sorted(set(raw) - set(known)) if isinstance(raw, dict) else type(raw).__name__
            raise ConfigError(f"{file}: {unknown} means nothing here; what can be set: {', '.join(sorted(known))}")
        for name, value in raw.items():
            if isinstance(value, bool) or not isinstance(value, (int, known[name])):
                raise ConfigError(
                    f"{file}: {name} must be a {'number' if known[name] is float else 'whole number'}, got {value!r}"
                )
        config = cls(**raw)
        config.check()
        return config

    def shard_size(self, split: str) -> int:
        """Frames of a shard of a split."""
        return self.frames_per_shard if split == "train" else self.evaluation_frames_per_shard

    def check(self) -> None:
        """Raise ConfigError where a value makes no sense."""
        for name in ("room_share", "photograph_share", "recoloured_share", "sensor_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        for name in (
            "width",
            "height",
            "frames_per_shard",
            "evaluation_frames_per_shard",
            "max_faces",
            "least_pixels",
            "expressions",
        ):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 1 <= self.least_objects <= self.most_objects <= min(200, self.objects_per_world):
            raise ConfigError("needed: 1 <= least_objects <= most_objects <= objects_per_world and at most 200")
        if not 0.1 <= self.nearest_camera <= self.farthest_camera <= 5 or not 0 <= self.camera_wander <= 1:
            raise ConfigError("needed: 0.1 <= nearest_camera <= farthest_camera <= 5 and 0 <= camera_wander <= 1")
        if not 0 <= self.miniatures <= self.objects_per_world:
            raise ConfigError("miniatures must lie between 0 and objects_per_world")
