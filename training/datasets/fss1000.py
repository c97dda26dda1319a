"""FSS-1000: a folder a class, ten images and masks each; 520, 240 and 240 classes to train, validate and test.

Only the test classes are official. Which of the others validate is HSNet's division, three lists of class names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.files import first_few, listed
from instructseq_training.datasets.outlines import MaskPicture
from instructseq_training.datasets.record import Expression, Record, Target

FOLDER = "fss-1000"
CLASSES = "fewshot_data"
SPLITS = "splits"
LIST_OF = {"train": "trn.txt", "val": "val.txt", "test": "test.txt"}


@dataclass(frozen=True, kw_only=True)
class FssSplit:
    """A `Split` of FSS-1000.

    Attributes:
        folder: of the classes' folders.
        names: class and image number of each record, in order.
    """

    folder: Path
    names: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Record:
        name, number = self.names[index]
        stem = self.folder / name
        return Record(
            key=f"{re.sub(r'[^A-Za-z0-9_-]+', '_', name)}-{number}",
            image=stem / f"{number}.jpg",
            targets=(Target(outline=MaskPicture(source=stem / f"{number}.png")),),
            expressions=(Expression(text=f"the {spoken(name)}", targets=(0,), kind="name"),),
        )

    @property
    def image_ids(self) -> Sequence[int]:
        """None: the images are not COCO's."""
        return ()

    def counts(self) -> Mapping[str, int]:
        """Images and classes."""
        return {"images": len(self.names), "classes": len({name for name, _ in self.names})}


def open_fss1000(root: Path, split: str) -> FssSplit:
    """A split: train, val or test.

    Raises:
        DatasetError: a list, a class or a mask is missing, or a class is in two lists.
    """
    folder = class_folder(root)
    names = read_list(root, split)
    shared = [name for other in LIST_OF if other != split for name in set(names) & set(read_list(root, other))]
    if shared:
        raise DatasetError(f"{first_few(shared)} stand in two lists of {root / FOLDER / SPLITS}; fetch the lists again")
    missing = [name for name in names if not (folder / name).is_dir()]
    if missing:
        raise DatasetError(f"{folder} lacks {len(missing)} classes of {split} ({first_few(missing)}); unpack it again")
    found: list[tuple[str, str]] = []
    for name in names:
        images, masks = ({file[:-4] for file in listed(folder / name, [suffix])} for suffix in (".jpg", ".png"))
        if images != masks or not images:
            raise DatasetError(f"{folder / name}: every image needs a mask of the same number; unpack it again")
        found += [(name, number) for number in sorted(images, key=lambda text: (len(text), text))]
    return FssSplit(folder=folder, names=tuple(found))


def class_folder(root: Path) -> Path:
    """Where the classes' folders are: the archive has `fewshot_data` once or twice.

    Raises:
        DatasetError: nowhere.
    """
    for folder in (root / FOLDER / CLASSES / CLASSES, root / FOLDER / CLASSES):
        if folder.is_dir():
            return folder
    raise DatasetError(f"there is no {root / FOLDER / CLASSES}; unpack fewshot_data.zip into {root / FOLDER}")


def read_list(root: Path, split: str) -> list[str]:
    """Names of the classes of a split, sorted.

    Raises:
        DatasetError: the list is missing or empty.
    """
    file = root / FOLDER / SPLITS / LIST_OF[split]
    if not file.is_file():
        raise DatasetError(f"there is no {file}; put HSNet's data/splits/fss/{LIST_OF[split]} there")
    names = sorted({line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()})
    if not names:
        raise DatasetError(f"{file} names no class; fetch it again")
    return names


def spoken(name: str) -> str:
    """A class's folder name as words: "ab_wheel" is "ab wheel"."""
    return " ".join(name.replace("_", " ").split())
