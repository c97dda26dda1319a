"""Makes the pictures of the site from the shipped checkpoint: `python scripts/documentation/pictures.py`.

docs/images/desk.jpg is the first frame of the demo's bag; learning-curves.png is drawn from the logs of the
checkpoint's training; the others are its answers to the tutorial's instructions on the frame, unretouched.
`scripts/demo.sh --picture docs/images/answers.jpg` makes the README's.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "images"
DESK = "desk.jpg"
OF_THE_DEMO = "answers.jpg"
LEARNING_CURVES = "learning-curves.png"

# Name of the picture: what was said.
ANSWERS = {
    "desk-mask.jpg": "mark the orange game console in green",
    "desk-classes.jpg": "segment everything",
    "desk-box.jpg": "where are the black high heels?",
}


def missing() -> list[str]:
    """Pictures that pages of the site show and nobody has made."""
    pages = (ROOT / "docs").rglob("*.md")
    shown = {name for page in pages for name in re.findall(r"\(images/([^)]+)\)", page.read_text(encoding="utf-8"))}
    return sorted(name for name in shown if not (FOLDER / name).is_file())


def main() -> int:
    """Make all of them; 1 where a page shows one that is still missing."""
    sys.path.insert(0, str(ROOT / "scripts"))
    from PIL import Image

    from documentation.learning_curves import draw
    from instructseq_cli.demo.frames import frames_of_bag
    from instructseq_model.overlay import draw_perception
    from instructseq_model.perceiver import Perceiver

    FOLDER.mkdir(exist_ok=True)
    frame = frames_of_bag(ROOT / "demo" / "table")[0]
    (FOLDER / DESK).write_bytes(frame.jpeg)
    perceiver = Perceiver.load(ROOT / "checkpoints" / "household", threads=2)
    for name, instruction in ANSWERS.items():
        drawn = draw_perception(frame.pixels, perceiver(frame.pixels, instruction))
        Image.fromarray(drawn).save(FOLDER / name, quality=88)
        print(f"{name}: {instruction}")
    draw(sorted((ROOT / "checkpoints" / "household").glob("training-log-*.jsonl")), FOLDER / LEARNING_CURVES)
    for name in missing():
        print(f"no one makes docs/images/{name}", file=sys.stderr)
    return bool(missing())


if __name__ == "__main__":
    sys.exit(main())
