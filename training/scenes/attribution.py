"""The attribution file of the object models: `python -m instructseq_training.scenes.attribution [ASSETS] > FILE`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from instructseq_training.scenes.assets import find_assets
from instructseq_training.scenes.catalogue import ObjectModel, read_catalogue

_HEAD = """# Object models and photographs

The scenes that instructseq was trained on show models of [Sweet Home 3D](https://www.sweethome3d.com)'s catalogues, as
Debian's package `sweethome3d-furniture` ships them. The models themselves are not part of this repository; pictures of
them are, in `docs/images` and in the demo. They were decimated, rescaled and in part recoloured. Every model that is
rendered is listed with its author and licence, as the catalogue names them.

Licences: [CC BY 3.0](https://creativecommons.org/licenses/by/3.0/),
[CC BY 3.0 US](https://creativecommons.org/licenses/by/3.0/us/), and
[CC0 / public domain](https://creativecommons.org/publicdomain/zero/1.0/).

Photographs behind the tables: Debian's packages `mate-backgrounds` (GPL-2+ and CC BY-SA, see its copyright file) and
`opencv-doc` (Apache-2.0 and BSD, see its copyright file).

This file is made by `python -m instructseq_training.scenes.attribution > docs/ATTRIBUTION.md`.
"""


def attribution(models: Sequence[ObjectModel]) -> str:
    """The whole file, Markdown: one table for each licence, one line for each model."""
    lines = [_HEAD]
    for licence in sorted({model.licence for model in models}):
        own = [model for model in models if model.licence == licence]
        lines += [f"## {licence}", "", "| model | id | author |", "|---|---|---|"]
        lines += [f"| {model.name} | {model.identity} | {model.creator} |" for model in own]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    sys.stdout.write(attribution(read_catalogue(find_assets(folder))))
