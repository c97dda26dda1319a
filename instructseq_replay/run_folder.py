"""The folder of a run: what it was asked, what is finished, what came out.

```
run.json         what the run is of; a run goes on only where this is the same
journal/         finished frames, one file a shard
results/<bag>/   a bag of the answers, to be played beside the source
answers.jsonl    one line an answer, with its scores
summary.json     all numbers that depend on frames, instructions and model alone
timings.json     what depends on the machine and the moment: latency, drops
report.html      for people
```
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from instructseq_model.errors import ConfigError
from instructseq_replay.bags.bag import Bag
from instructseq_replay.bags.damage import Damage
from instructseq_replay.frames import FrameKey
from instructseq_replay.instructions import Instructions
from instructseq_replay.journal import Place, journal_index
from instructseq_replay.records import key_of


@dataclass(frozen=True, kw_only=True)
class RunSource:
    """What a run is of: with the same source, finished frames need not be done again.

    Attributes:
        bags: name in this run, files and bytes of each bag.
        instructions: the file's content.
        model: identity of the checkpoint or export.
        way: "offline", or "realtime at 1.0".
        threads: CPU threads of the model.
        device: of the model.
    """

    bags: tuple[tuple[str, int, int], ...]
    instructions: dict[str, Any]
    model: str
    way: str
    threads: int
    device: str

    @classmethod
    def of(
        cls, bags: dict[str, Bag], instructions: Instructions, *, model: str, way: str, threads: int, device: str
    ) -> RunSource:
        """The source of a run.

        Scores and targets are left out of it: they can change without a new run.
        """
        content = instructions.model_dump(mode="json")
        for asked in content["instructions"]:
            del asked["meant"], asked["targets"]
        sizes = tuple((name, len(bag.files), bag.size_bytes) for name, bag in bags.items())
        return cls(bags=sizes, instructions=content, model=model, way=way, threads=threads, device=device)


class RunFolder:
    """Paths of a run.

    Args:
        path: the folder; made if missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journals = path / "journal"
        self.results = path / "results"
        self.answers = path / "answers.jsonl"
        self.summary = path / "summary.json"
        self.timings = path / "timings.json"
        self.report = path / "report.html"

    def claim(self, source: RunSource) -> None:
        """Take the folder for a run, or go on with the one that is in it.

        Raises:
            ConfigError: another run is in it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        file = self.path / "run.json"
        wanted = json.loads(json.dumps(asdict(source)))
        if file.is_file():
            found = json.loads(file.read_text(encoding="utf-8"))
            differing = [name for name in wanted if found.get(name) != wanted[name]]
            if differing:
                raise ConfigError(
                    f"{self.path} holds a run with other {' and '.join(differing)}: name another --out, "
                    "or delete that folder"
                )
            return
        temporary = file.with_suffix(".tmp")
        temporary.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
        temporary.replace(file)

    def index(self) -> tuple[list[tuple[str, FrameKey, Place]], set[Damage]]:
        """Every finished frame once, by bag and time, with its place; and the damage that was noted on the way."""
        found: dict[tuple[str, FrameKey], Place] = {}
        damage: set[Damage] = set()
        for path in sorted(self.journals.glob("*.journal")):
            for place, head in journal_index(path):
                if "key" in head:
                    found.setdefault((head["bag"], key_of(head)), place)
                damage.update(Damage(file=file, what=what) for file, what in head.get("damage", ()))
        return [(bag, key, found[bag, key]) for bag, key in sorted(found)], damage


def model_identity(folder: Path) -> str:
    """A hash that tells one checkpoint or export from another: of the names, sizes and small contents of its files."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        size = file.stat().st_size
        digest.update(f"{file.relative_to(folder)} {size}\n".encode())
        if size < 1 << 20:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
