"""Rendered frames made ready for training: image features computed once, masks at the map's size, words as they are.

They are written as they are computed: a set of frames may be larger than the memory.

A prepared folder holds `features.npy` (F x N x D float16), `instances.npy` and `classes.npy` (F x S x S uint8, S the
map's side) and `frames.json` (what was said of each frame). The arrays are read as memory maps.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import DTypeLike, NDArray
from PIL import Image
from rich.progress import track

from instructseq_model.errors import ConfigError
from instructseq_model.geometry import fit_image
from instructseq_model.vision import VisionEncoder
from instructseq_training.fit import TRAINING_FIT
from instructseq_training.scenes.shards import count_frames, read_shard

FEATURES, INSTANCES, CLASSES, FRAMES = "features.npy", "instances.npy", "classes.npy", "frames.json"


@dataclass(frozen=True, kw_only=True)
class PreparedFrames:
    """A prepared folder; see the module's docstring."""

    features: NDArray[np.float16]
    instances: NDArray[np.uint8]
    classes: NDArray[np.uint8]
    said: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.said)


def prepare(shards: list[Path], out: Path, *, encoder: VisionEncoder, map_side: int, batch: int = 32) -> None:
    """Write a prepared folder.

    Args:
        shards: tar shards, in the order the frames are to have.
        out: the folder; made if missing, an earlier one is replaced.
        encoder: the frozen image encoder, in the precision it is to run in.
        map_side: S, side of the output maps in pixels.
        batch: frames encoded at once.
    """
    out.mkdir(parents=True, exist_ok=True)
    if not shards:
        raise ConfigError(f"no scene shards given for {out}; render some with `instructseq scenes`")
    (out / FRAMES).unlink(missing_ok=True)  # written last: a folder without it is not prepared yet
    total = sum(count_frames(shard) for shard in shards)

    def array(name: str, shape: tuple[int, ...], kind: DTypeLike) -> NDArray[Any]:
        return open_memmap(out / name, mode="w+", dtype=kind, shape=(total, *shape))

    instances, classes = (array(name, (map_side, map_side), np.uint8) for name in (INSTANCES, CLASSES))
    features: NDArray[np.float16] | None = None
    said: list[dict[str, Any]] = []
    for shard in track(shards, description=f"image features of {out.name}"):
        frames = list(read_shard(shard))
        for start in range(0, len(frames), batch):
            chosen = frames[start : start + batch]
            rows = slice(len(said), len(said) + len(chosen))
            encoded = encode_images([frame.rgb for frame in chosen], encoder)
            if features is None:
                features = array(FEATURES, encoded.shape[1:], np.float16)
            features[rows] = encoded
            instances[rows] = [_resized_ids(frame.instances, map_side) for frame in chosen]
            classes[rows] = [_resized_ids(frame.classes, map_side) for frame in chosen]
            said += [frame.record for frame in chosen]
    for held in (features, instances, classes):
        if isinstance(held, np.memmap):
            held.flush()
    (out / FRAMES).write_text(json.dumps(said))


def load_prepared(folder: Path) -> PreparedFrames:
    """Open a prepared folder.

    Raises:
        ConfigError: a part is missing, or the parts do not belong together.
    """
    missing = [name for name in (FEATURES, INSTANCES, CLASSES, FRAMES) if not (folder / name).is_file()]
    if missing:
        raise ConfigError(f"{folder} lacks {', '.join(missing)}; prepare it again from scene shards")
    arrays = [np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in (FEATURES, INSTANCES, CLASSES)]
    said = json.loads((folder / FRAMES).read_text())
    if any(len(array) != len(said) for array in arrays):
        raise ConfigError(f"the parts of {folder} differ in length; prepare it again from scene shards")
    return PreparedFrames(features=arrays[0], instances=arrays[1], classes=arrays[2], said=said)


def class_targets(frames: PreparedFrames, numbers: Sequence[int], *, side: int) -> torch.Tensor:
    """The classes in the middle of each place of some frames: I x side x side ids."""
    ids = np.array(frames.classes[list(numbers)])  # I x S x S
    factor = ids.shape[-1] // side
    return torch.from_numpy(ids[:, factor // 2 :: factor, factor // 2 :: factor].astype(np.int64))


@torch.inference_mode()
def encode_images(images: list[NDArray[np.uint8]], encoder: VisionEncoder) -> NDArray[np.float16]:
    """Features of images stretched to the encoder's square: B x N x D float16."""
    device = next(encoder.parameters()).device
    resized = np.stack([fit_image(image, fit=TRAINING_FIT, side=encoder.image_size)[1] for image in images])
    pixels = torch.from_numpy(resized).to(device).permute(0, 3, 1, 2).float() / 255  # B x 3 x S x S
    features: NDArray[np.float16] = encoder(pixels).half().cpu().numpy()
    return features


def _resized_ids(ids: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(ids).resize((side, side), Image.Resampling.NEAREST))
