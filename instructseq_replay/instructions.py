"""What is asked of every frame, and what would be right: a YAML file.

```yaml
cameras: [/camera/image/compressed]   # image topics; without it, every image topic of the bag that is no truth
period: 0                             # seconds; above 0, of each camera the first frame of each such stretch of time
seed: 0
instructions:
  - id: mug                           # names topics and results; letters, digits and _
    say: Mark the mug in green.
    meant: segmentation               # what a listener understands; needed to score
    targets: [red mug]                # which things of the truth are meant; without it, all of them
    samples: 1
    temperature: 0
    task: null                        # tells the model the task instead of letting it choose
    label_set: null
```
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from instructseq_model.errors import ConfigError
from instructseq_model.perception import Task
from instructseq_ros.instruction_text import clean_instruction


class Asked(BaseModel):
    """One instruction; the fields are those of the file.

    Attributes:
        id: its name in topics and results.
        say: the words.
        meant: the task that a listener would understand; None scores nothing.
        targets: names or ids of the things meant, as the truth calls them; empty means all.
        samples: sequences drawn, 1 to 32.
        temperature: of sampling, 0 to 2; None leaves it to the model.
        task: told to the model; None lets it choose.
        label_set: of a semantic map; None reads it out of the words.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=64)
    say: str
    meant: Task | None = None
    targets: tuple[str | int, ...] = ()
    samples: int = Field(default=1, ge=1, le=32)
    temperature: float | None = Field(default=None, ge=0, le=2)
    task: Task | None = None
    label_set: str | None = None

    @field_validator("say")
    @classmethod
    def _some_words(cls, text: str) -> str:
        cleaned = clean_instruction(text)
        if not cleaned:
            raise ValueError("an instruction needs words")
        return cleaned


class Instructions(BaseModel):
    """All that is asked of the frames of a recording; the fields are those of the file.

    Attributes:
        instructions: at least one.
        cameras: image topics; empty means all that are no truth.
        period: seconds; of each camera the first frame of each such stretch of time is taken, and at 0 every frame.
        seed: of the sampling noise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    instructions: tuple[Asked, ...] = Field(min_length=1)
    cameras: tuple[str, ...] = ()
    period: float = Field(default=0.0, ge=0, le=3600)
    seed: int = Field(default=0, ge=0, lt=2**31)

    @property
    def period_ns(self) -> int:
        """The period in nanoseconds."""
        return round(self.period * 1e9)

    @field_validator("instructions")
    @classmethod
    def _each_id_once(cls, instructions: tuple[Asked, ...]) -> tuple[Asked, ...]:
        names = [asked.id for asked in instructions]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the id {twice[0]!r} is given twice")
        return instructions


def read_instructions(path: Path) -> Instructions:
    """Read a file of instructions.

    Raises:
        ConfigError: it is missing, is no YAML, or has a wrong field; the message names it.
    """
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"there is no file {path}: write one as `instructseq replay --help` shows") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read as YAML ({error}): mend it") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds no mapping: begin it with `instructions:`")
    try:
        return Instructions.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: {where}: {first['msg']}; got {first.get('input')!r}: mend this field") from None
