"""Small datasets in exactly the published formats and folders, images included."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT = 40, 30
HELD_OUT = {2, 3, 4, 5, 6}  # COCO numbers that some dataset of the RefCOCO family evaluates on

SQUARE = [[4.0, 6.0, 14.0, 6.0, 14.0, 18.0, 4.0, 18.0]]
TWO_PARTS = [[20.0, 2.0, 26.0, 2.0, 26.0, 8.0, 20.0, 8.0], [30.0, 20.0, 38.0, 20.0, 38.0, 28.0]]
CROWD = {"size": [HEIGHT, WIDTH], "counts": [HEIGHT * 10 + 5, 12, HEIGHT * WIDTH - HEIGHT * 10 - 17]}

# number -> (image, segmentation, bbox, crowd)
ANNOTATIONS: dict[int, tuple[int, Any, list[float], int]] = {
    11: (1, SQUARE, [4, 6, 10, 12], 0),
    12: (1, TWO_PARTS, [20, 2, 18, 26], 0),
    21: (2, CROWD, [10, 5, 1, 12], 1),
    31: (3, SQUARE, [4, 6, 10, 12], 0),
    41: (4, SQUARE, [4, 6, 10, 12], 0),
    51: (5, TWO_PARTS, [20, 2, 18, 26], 0),
    61: (6, SQUARE, [4, 6, 10, 12], 0),
}


def picture(number: int, size_wh: tuple[int, int] = (WIDTH, HEIGHT)) -> NDArray[np.uint8]:
    """A shaded picture of its own for every number."""
    y, x = np.mgrid[: size_wh[1], : size_wh[0]]
    return np.stack([(x * 5 + number) % 256, (y * 7) % 256, np.full_like(x, (number * 37) % 256)], -1).astype(np.uint8)


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    return _encoded(pixels, "JPEG")


def png(pixels: NDArray[np.uint8]) -> bytes:
    return _encoded(pixels, "PNG")


def write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def write_json(file: Path, content: Any) -> None:
    write(file, json.dumps(content).encode())


def coco_images(root: Path, folder: str, numbers: Sequence[int]) -> None:
    prefix = f"COCO_{folder}_" if folder.endswith("2014") else ""
    for number in numbers:
        write(root / "coco" / folder / f"{prefix}{number:012d}.jpg", jpeg(picture(number)))


def every_raw_id() -> NDArray[np.uint8]:
    """A COCO-Stuff map of 40 x 30 pixels with all of its 171 raw ids, row after row, and 255 around them."""
    absent = {11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90}
    ids = np.full(WIDTH * HEIGHT, 255, np.uint8)
    present = [value for value in range(182) if value not in absent]
    ids[: len(present)] = present
    return ids.reshape(HEIGHT, WIDTH)


def coco_stuff(root: Path) -> None:
    for folder, numbers in (("train2017", (101, 102, 103)), ("val2017", (201,))):
        coco_images(root, folder, numbers)
        for number in numbers:
            file = root / "coco" / "stuffthingmaps_trainval2017" / folder / f"{number:012d}.png"
            write(file, png(every_raw_id()))


def ade20k(root: Path) -> None:
    ids = np.arange(WIDTH * HEIGHT).reshape(HEIGHT, WIDTH) % 151
    for part, stem, count in (("training", "ADE_train", 3), ("validation", "ADE_val", 2)):
        for number in range(1, count + 1):
            name = f"{stem}_{number:08d}"
            write(root / "ADEChallengeData2016" / "images" / part / f"{name}.jpg", jpeg(picture(number)))
            write(root / "ADEChallengeData2016" / "annotations" / part / f"{name}.png", png(ids.astype(np.uint8)))


def instances(numbers: Sequence[int]) -> dict[str, Any]:
    """`instances.json` of some annotations."""
    images = sorted({ANNOTATIONS[number][0] for number in numbers})
    return {
        "info": {"description": "generated"},
        "licenses": [],
        "images": [
            {"id": n, "file_name": f"COCO_train2014_{n:012d}.jpg", "width": WIDTH, "height": HEIGHT} for n in images
        ],
        "annotations": [
            {
                "id": number,
                "image_id": ANNOTATIONS[number][0],
                "segmentation": ANNOTATIONS[number][1],
                "bbox": ANNOTATIONS[number][2],
                "iscrowd": ANNOTATIONS[number][3],
                "area": 100.0,
                "category_id": 1,
            }
            for number in numbers
        ],
        "categories": [{"id": 1, "name": "person", "supercategory": "person"}],
    }


def ref(number: int, split: str, annotation: int, *sentences: str) -> dict[str, Any]:
    image = ANNOTATIONS[annotation][0]
    return {
        "ref_id": number,
        "image_id": image,
        "split": split,
        "ann_id": annotation,
        "category_id": 1,
        "file_name": f"COCO_train2014_{image:012d}_{number}.jpg",
        "sent_ids": [number * 10 + place for place in range(len(sentences))],
        "sentences": [
            {"tokens": text.split(), "raw": text.title(), "sent_id": number * 10 + place, "sent": text}
            for place, text in enumerate(sentences)
        ],
    }


def grounded(number: int, split: str, image: int, annotations: list[int], sentence: str) -> dict[str, Any]:
    """A reference of gRefCOCO."""
    return {
        "ref_id": number,
        "image_id": image,
        "split": split,
        "ann_id": annotations or [-1],
        "category_id": [1] * len(annotations) or [-1],
        "no_target": not annotations,
        "file_name": f"COCO_train2014_{image:012d}.jpg",
        "sent_ids": [number],
        "sentences": [{"tokens": sentence.split(), "raw": sentence, "sent_id": number, "sent": sentence}],
    }


def refcoco_family(root: Path) -> None:
    coco_images(root, "train2014", range(1, 7))
    unc = [
        ref(0, "train", 11, "left guy", "man in red", "guy"),
        ref(1, "train", 12, "both halves"),
        ref(2, "train", 21, "crowd in the back"),
        ref(3, "val", 31, "person"),
        ref(4, "testA", 41, "woman"),
        ref(5, "testB", 51, "thing", "the other thing"),
    ]
    umd = [
        ref(0, "train", 11, "the man standing on the left"),
        ref(1, "train", 31, "a person with a hat"),
        ref(2, "train", 51, "a thing on a table"),
        ref(3, "val", 21, "a crowd of people"),
        ref(4, "test", 61, "a lonely man"),
    ]
    for name, file, refs in (("refcoco", "unc", unc), ("refcoco+", "unc", unc), ("refcocog", "umd", umd)):
        write(root / name / f"refs({file}).p", pickle.dumps(refs, protocol=2))
        write_json(root / name / "instances.json", instances(list(ANNOTATIONS)))
    general = [
        grounded(0, "train", 1, [11, 12], "everything"),
        grounded(1, "train", 1, [], "the elephant"),
        grounded(2, "train", 1, [11], "left guy"),
        grounded(3, "train", 2, [21], "the crowd"),
        grounded(4, "val", 3, [], "nobody"),
        grounded(5, "testA", 4, [41], "woman"),
        grounded(6, "testB", 5, [51], "thing"),
    ]
    write_json(root / "grefcoco" / "grefs(unc).json", general)
    write_json(root / "grefcoco" / "instances.json", instances(list(ANNOTATIONS)))


def captions(root: Path) -> None:
    coco_images(root, "train2014", range(1, 7))
    coco_images(root, "val2014", range(7, 11))
    parts = {1: "train", 2: "train", 7: "restval", 8: "val", 9: "test"}
    write_json(
        root / "coco" / "dataset_coco.json",
        {
            "dataset": "coco",
            "images": [
                {
                    "cocoid": number,
                    "imgid": number,
                    "split": split,
                    "filepath": "train2014" if number < 7 else "val2014",
                    "filename": "",
                    "sentids": [number * 10, number * 10 + 1],
                    "sentences": [
                        {"raw": f"A picture of {number}. \n", "tokens": [], "imgid": number, "sentid": number * 10},
                        {"raw": f"Picture {number}", "tokens": [], "imgid": number, "sentid": number * 10 + 1},
                    ],
                }
                for number, split in parts.items()
            ],
        },
    )
    for split, numbers in (("train", (1, 2, 3)), ("val", (7, 8))):
        said = [{"id": n, "image_id": n, "caption": f"a picture of {n}"} for n in numbers]
        images = [{"id": n, "file_name": "", "width": WIDTH, "height": HEIGHT} for n in numbers]
        content = {"info": {}, "images": images, "licenses": [], "annotations": said}
        write_json(root / "coco" / "annotations" / f"captions_{split}2014.json", content)


def fss1000(root: Path, *, sizes: tuple[int, int, int] = (3, 2, 2), images: int = 2) -> None:
    """Classes of each split, each with some images; the mask is the left half."""
    mask = np.zeros((16, 16, 3), np.uint8)
    mask[:, :8] = 255
    contents = {"jpg": jpeg(picture(1, (16, 16))), "png": png(mask)}
    number = 0
    for size, file in zip(sizes, ("trn", "val", "test"), strict=True):
        names = [f"abe's_thing_{place}" for place in range(number, number + size)]
        number += size
        write(root / "fss-1000" / "splits" / f"{file}.txt", ("\n".join(names) + "\n").encode())
        for name in names:
            folder = root / "fss-1000" / "fewshot_data" / "fewshot_data" / name
            folder.mkdir(parents=True)
            for image in range(1, images + 1):
                for suffix, content in contents.items():
                    (folder / f"{image}.{suffix}").write_bytes(content)


def everything(root: Path) -> None:
    coco_stuff(root)
    ade20k(root)
    refcoco_family(root)
    captions(root)
    fss1000(root)


def _encoded(pixels: NDArray[np.uint8], kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()
