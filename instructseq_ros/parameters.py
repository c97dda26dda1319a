"""The node's parameters: one table from which descriptors, checks and documentation come. Nothing here imports ROS."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from instructseq_model.errors import ConfigError, InstructionError
from instructseq_ros.image_conversion import MAX_IMAGE_PIXELS
from instructseq_ros.instruction_text import MAX_CHARACTERS, clean_instruction

Value = bool | int | float | str


class Change(str, Enum):
    """When a parameter may be changed."""

    ANY_TIME = "at any time"
    UNCONFIGURED = "while the node is unconfigured"
    NEVER = "at start only"


@dataclass(frozen=True, kw_only=True)
class ParameterSpec:
    """One parameter.

    Attributes:
        name: as in YAML files and on the command line.
        default: its value unless given; its type is the parameter's type.
        description: what it means and in which unit.
        minimum: smallest number allowed.
        maximum: largest number allowed.
        choices: the texts that are allowed; none for any.
        pattern: regular expression that the whole text must match, with `pattern_words` saying it in words.
        change: when it may be changed.
    """

    name: str
    default: Value
    description: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    pattern_words: str = ""
    change: Change = Change.ANY_TIME

    @property
    def constraints(self) -> str:
        """What a descriptor's range cannot say, in words."""
        parts = []
        if self.choices:
            parts.append("one of " + ", ".join(repr(choice) for choice in self.choices))
        if self.pattern:
            parts.append(self.pattern_words)
        if self.change is not Change.ANY_TIME:
            parts.append(f"can be set {self.change.value}")
        return "; ".join(parts)

    def problem(self, value: Value) -> str | None:
        """Why this value is refused, or None."""
        if type(value) is not type(self.default):
            return f"{self.name} must be of type {type(self.default).__name__}, got {value!r}"
        if isinstance(value, str):
            return self._problem_of_text(value)
        if self.minimum is not None and self.maximum is not None:
            low, high = self.minimum, self.maximum
            if not (math.isfinite(value) and low <= value <= high):
                return f"{self.name} must be between {low:g} and {high:g}, got {value!r}"
        return None

    def _problem_of_text(self, value: str) -> str | None:
        if self.choices and value not in self.choices:
            return f"{self.name} must be {self.constraints}, got {value!r}"
        if self.pattern and not re.fullmatch(self.pattern, value):
            return f"{self.name} must be {self.pattern_words}, got {value!r}"
        return None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The values of all parameters at one moment; `PARAMETERS` says what they mean."""

    checkpoint: str
    backend: str
    device: str
    threads: int
    image_transport: str
    instruction: str
    samples: int
    temperature: float
    label_set: str
    seed: int
    mask_encoding: str
    publish_overlay: bool
    max_image_pixels: int
    goal_timeout: float
    diagnostics_period: float
    autostart: bool


PARAMETERS: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        name="checkpoint",
        default="",
        description="Folder of the model, or the name of one that comes with the package; empty takes the default.",
        change=Change.UNCONFIGURED,
    ),
    ParameterSpec(
        name="backend",
        default="",
        description="What runs the model; empty takes what its folder was written for.",
        choices=("", "torch", "onnxruntime", "tensorrt"),
        change=Change.UNCONFIGURED,
    ),
    ParameterSpec(
        name="device",
        default="cpu",
        description="Where the model runs.",
        pattern=r"cpu|cuda(:\d+)?",
        pattern_words="cpu, cuda or cuda:N with the card's number N",
        change=Change.UNCONFIGURED,
    ),
    ParameterSpec(
        name="threads",
        default=0,
        description="Processor threads of the model; 0 leaves PyTorch's choice, one for each core.",
        minimum=0,
        maximum=256,
        change=Change.UNCONFIGURED,
    ),
    ParameterSpec(
        name="image_transport",
        default="raw",
        description="Type of the topic `image`: sensor_msgs/Image or sensor_msgs/CompressedImage.",
        choices=("raw", "compressed"),
        change=Change.UNCONFIGURED,
    ),
    ParameterSpec(
        name="instruction",
        default="",
        description=(
            f"Standing instruction, at most {MAX_CHARACTERS} characters; empty waits for one. Setting it replaces what "
            "came on the topic `instruction`, and the topic replaces it."
        ),
    ),
    ParameterSpec(
        name="samples",
        default=1,
        description="Sequences drawn per frame and aggregated; more are slower, surer, and give the agreement map.",
        minimum=1,
        maximum=32,
    ),
    ParameterSpec(
        name="temperature",
        default=0.0,
        description="Sampling temperature; 0 takes the most probable tokens for one sample, and 0.9 for more.",
        minimum=0.0,
        maximum=2.0,
    ),
    ParameterSpec(
        name="label_set",
        default="",
        description="Classes of a semantic map; empty lets the instruction decide.",
        choices=("", "household", "coco_stuff", "ade20k"),
    ),
    ParameterSpec(
        name="seed",
        default=0,
        description="Seed of the sampling noise, the same for every frame; -1 draws anew each time.",
        minimum=-1,
        maximum=2**31 - 1,
    ),
    ParameterSpec(
        name="mask_encoding",
        default="auto",
        description=(
            "Encoding of ~/mask. auto: mono8 for a referred object (0 or 255), 8UC1 for class ids, 16UC1 where these "
            "do not fit into 8 bits."
        ),
        choices=("auto", "mono8", "8UC1", "16UC1"),
    ),
    ParameterSpec(
        name="publish_overlay",
        default=True,
        description="Draw the answer over the image on ~/overlay while somebody subscribes.",
    ),
    ParameterSpec(
        name="max_image_pixels",
        default=MAX_IMAGE_PIXELS,
        description="Images with more pixels are refused, compressed ones before they are decoded.",
        minimum=1,
        maximum=2**30,
    ),
    ParameterSpec(
        name="goal_timeout",
        default=10.0,
        description="Seconds that a goal of ~/perceive waits for the next frame.",
        minimum=0.1,
        maximum=3600.0,
    ),
    ParameterSpec(
        name="diagnostics_period",
        default=1.0,
        description="Seconds between two messages on /diagnostics.",
        minimum=0.1,
        maximum=60.0,
        change=Change.NEVER,
    ),
    ParameterSpec(
        name="autostart",
        default=True,
        description="Configure and activate the node by itself; without it a lifecycle manager does.",
        change=Change.NEVER,
    ),
)

_BY_NAME = {spec.name: spec for spec in PARAMETERS}


def problem_of(values: Mapping[str, Value], *, configured: bool) -> str | None:
    """Why these values are refused as a whole, or None: the first reason found.

    Args:
        values: new values by name; names that are not in `PARAMETERS` are none of this node's business.
        configured: the node has loaded its model.
    """
    for name, value in values.items():
        spec = _BY_NAME.get(name)
        if spec is None:
            continue
        if configured and spec.change is Change.UNCONFIGURED:
            return f"{name} can be changed only {spec.change.value}: deactivate and clean up the node first"
        reason = spec.problem(value)
        if reason is None and name == "instruction":
            reason = _problem_of_instruction(str(value))
        if reason is not None:
            return reason
    return None


def _problem_of_instruction(text: str) -> str | None:
    try:
        clean_instruction(text)
    except InstructionError as error:
        return str(error)
    return None


def settings_of(values: Mapping[str, Value]) -> Settings:
    """All parameters as one value.

    Raises:
        ConfigError: one is missing.
    """
    missing = [spec.name for spec in PARAMETERS if spec.name not in values]
    if missing:
        raise ConfigError(f"no value for {', '.join(missing)}: declare every parameter of the table")
    return Settings(**{spec.name: values[spec.name] for spec in PARAMETERS})  # type: ignore[arg-type]
