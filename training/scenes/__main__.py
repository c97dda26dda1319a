"""`python -m instructseq_training.scenes OUT FRAMES SPLIT SEED [WORKERS] [ASSETS]`."""

from __future__ import annotations

import sys
from pathlib import Path

from instructseq_training.scenes.errors import SceneError
from instructseq_training.scenes.generate import run


def main(words: list[str]) -> int:
    """Render what the words say; returns the exit status."""
    if not 4 <= len(words) <= 6 or not all(word.isdigit() for word in (words[1], *words[3:5])):
        print(__doc__, file=sys.stderr)
        return 2
    workers = int(words[4]) if len(words) > 4 else 1
    assets = Path(words[5]) if len(words) > 5 else None
    try:
        run(Path(words[0]), int(words[1]), words[2], int(words[3]), workers, assets)
    except SceneError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
