"""Where the picture of a COCO image number lies, whichever release of COCO was unpacked.

The releases of 2014 and 2017 hold the same pictures, divided and named differently:
`train2014/COCO_train2014_000000000009.jpg` and `train2017/000000000009.jpg`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from instructseq_training.datasets.errors import DatasetError
from instructseq_training.datasets.files import first_few

COCO = "coco"
FOLDERS = ("train2014", "val2014", "train2017", "val2017")
_NUMBER = re.compile(r"(\d{12})\.jpg$")


class CocoImages:
    """The pictures under ROOT/coco.

    Args:
        root: folder of all datasets.
    """

    def __init__(self, root: Path) -> None:
        self._root = root / COCO
        self._folders = [name for name in FOLDERS if (self._root / name).is_dir()]
        self._held: dict[int, int] = {}  # image number -> which folder
        for place in reversed(range(len(self._folders))):
            names = os.listdir(self._root / self._folders[place])
            found = (match for name in names if (match := _NUMBER.search(name)))
            self._held.update((int(match[1]), place) for match in found)

    def path(self, image_id: int) -> Path:
        """The file of an image that is there (see `require`)."""
        folder = self._folders[self._held[image_id]]
        name = f"COCO_{folder}_{image_id:012d}.jpg" if folder.endswith("2014") else f"{image_id:012d}.jpg"
        return self._root / folder / name

    def require(self, image_ids: Iterable[int]) -> None:
        """Check that images are there.

        Raises:
            DatasetError: some are not.
        """
        missing = sorted(set(image_ids) - set(self._held))
        if missing:
            raise DatasetError(
                f"{len(missing)} images are not in {self._root} ({first_few(missing)}); it has the folders "
                f"{', '.join(self._folders) or 'of no release'}: unpack COCO's train2014.zip (and val2014.zip for "
                "captions) there, or train2017.zip and val2017.zip"
            )
