"""How a model is trained: one YAML file, read into frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

from instructseq_model.errors import ConfigError

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class BatchConfig:
    """What one step holds; all counts but the first are a frame's.

    Attributes:
        frames: images.
        referring_maps: expressions to be painted.
        semantic_maps: maps of all classes.
        boxes: expressions to be boxed.
        captions: captions.
        grounding: expressions that train the grounding alone; they cost a tenth of a map.
        kind_weights: how often kinds of expressions are drawn, relative to 1.
        low_precision: run the frozen encoders of words and maps in bf16.
    """

    frames: int = 6
    referring_maps: int = 2
    semantic_maps: int = 1
    boxes: int = 4
    captions: int = 1
    grounding: int = 16
    kind_weights: Mapping[str, float] = field(default_factory=dict)
    low_precision: bool = True

    @property
    def instructions(self) -> int:
        """Instructions of each frame."""
        return self.referring_maps + self.semantic_maps + self.boxes + self.captions + self.grounding

    @property
    def maps(self) -> int:
        """Maps of each frame."""
        return self.referring_maps + self.semantic_maps


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights of the losses.

    Attributes:
        map, boxes, text: token cross-entropy of each kind.
        kind: of the choice between map, boxes and text at the first step.
        absent: of saying, before a map, whether there is what it is to mark.
        heat: of the grounding: cross-entropy and dice on masks.
        classes: of the grounding's classes: cross-entropy on class maps.
        class_balance: how far a class of which there is little counts more, in [0, 1]; see `losses.class_loss`.
        position_smoothing: a coordinate's target is a bell of this many bins around it; 0 for the exact bin.
        corruption: share of map rows whose history is partly hidden, in [0, 1].
        drawn_history: share of map rows whose history is what the model itself draws, in [0, 1]; costs a second forward
            pass.
    """

    map: float = 1.0
    boxes: float = 0.5
    text: float = 0.5
    kind: float = 0.5
    absent: float = 0.2
    heat: float = 1.0
    classes: float = 0.5
    class_balance: float = 0.0
    position_smoothing: float = 4.0
    corruption: float = 0.8
    drawn_history: float = 0.0


@dataclass(frozen=True, kw_only=True)
class OptimiserConfig:
    """AdamW with warm-up and cosine decay over the steps, or over the minutes where those are the limit.

    Attributes:
        learning_rate: at the top.
        final_share: of the learning rate at the end.
        warm_up: steps.
        weight_decay: on matrices.
        clip: largest norm of the gradient.
        average: decay of the weights' running average, which is what is shipped.
    """

    learning_rate: float = 1e-3
    final_share: float = 0.02
    warm_up: int = 60
    weight_decay: float = 0.03
    clip: float = 1.0
    average: float = 0.995


@dataclass(frozen=True, kw_only=True)
class VisionConfig:
    """What happens to the image encoder.

    Attributes:
        trained: whether it learns with the rest (the paper's does) or stays as published.
        learning_rate: its own at the top; warm-up and decay are the run's.
    """

    trained: bool = False
    learning_rate: float = 1e-5


@dataclass(frozen=True, kw_only=True)
class GroundingStartConfig:
    """The grounding's start on frozen features.

    Attributes:
        steps: of the optimiser; 0 leaves it out.
        frames: images a step.
        expressions: instructions an image.
        phrasings: in how many each expression is put.
        learning_rate: at the top of a single cycle.
        comparison: what happens to the comparison of a checkpoint that a run starts from, and to its reading of
            classes: "kept" goes on with them and leaves this start out; "afresh" fits new ones, for frames that are
            many more than the old ones saw; "fitted" goes on with them in this start.
        kinds: of the expressions that are drawn; those that need no context.
        classes: weight of the classes' cross-entropy beside the comparison's loss, where the model tells classes apart.
        class_balance: as in `LossConfig`.
    """

    steps: int = 0
    frames: int = 12
    expressions: int = 8
    phrasings: int = 4
    learning_rate: float = 2e-3
    comparison: str = "kept"
    kinds: Sequence[str] = ("name", "colour")
    classes: float = 0.5
    class_balance: float = 0.0

    def __post_init__(self) -> None:
        if self.comparison not in ("kept", "afresh", "fitted"):
            raise ConfigError(f"grounding_start.comparison is {self.comparison!r}; it is kept, afresh or fitted")

    def due(self, *, came_along: bool) -> bool:
        """Whether this start is to be made, where a checkpoint's comparison came along or did not."""
        return not came_along or self.comparison == "fitted"


@dataclass(frozen=True, kw_only=True)
class ExecutionConfig:
    """How a step is carried out; what is learned does not depend on it, but for rounding.

    Attributes:
        parallel: "none" for one process; "ddp" (weights on every process) or "fsdp2" (weights, gradients and optimiser
            in shards) for as many as torchrun starts.
        precision: "bf16" (autocast), "fp32", or "auto": bf16 where the device is faster in it.
        frames_at_once: frames of one forward and backward pass; a process with more of them accumulates gradients. 0
            takes all at once.
        checkpointing: "none", or "blocks": keep each block's input only, and run it again in the backward pass.
        compile: "none", or "blocks": torch.compile of each block.
        average: "whole" on every process, or in "shards".
        prefetch: steps drawn ahead in a thread, beside the device's work; 0 draws each when it is due.
        readers: threads that read and decode the pictures of a mixture.
    """

    parallel: str = "none"
    precision: str = "auto"
    frames_at_once: int = 0
    checkpointing: str = "none"
    compile: str = "none"
    average: str = "whole"
    prefetch: int = 0
    readers: int = 4

    def __post_init__(self) -> None:
        choices = {
            "parallel": ("none", "ddp", "fsdp2"),
            "precision": ("auto", "bf16", "fp32"),
            "checkpointing": ("none", "blocks"),
            "compile": ("none", "blocks"),
            "average": ("whole", "shards"),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ConfigError(f"execution.{name} is {getattr(self, name)!r}; it is one of {', '.join(known)}")
        if self.frames_at_once < 0 or self.prefetch < 0:
            raise ConfigError(f"execution.frames_at_once and execution.prefetch are at least 0, got {self}")
        if self.readers < 1:
            raise ConfigError(f"execution.readers is {self.readers}; at least one thread must read pictures")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A training run.

    Attributes:
        model: path of the model's YAML, relative to this file's folder.
        mixture: path of a mixture of datasets (config/mixtures), relative likewise. A frame of a step is then one image
            with the one instruction that is drawn for it, and `batch` says only how many. None trains on rendered
            scenes.
        vision: what happens to the image encoder; only a mixture has the pictures to train it on.
        phrasings: the instruction set to train on.
        steps: at most so many.
        minutes: at most so long, of training time over all resumed parts; 0 for no such limit.
        evaluate_minutes: free-running evaluation every so often.
        evaluation_frames: how many frames that takes.
        save_minutes: a resumable state every so often.
        seed: decides data order, words and initialisation.
        threads: of the CPU; 0 leaves torch's choice.
        batch: what a step holds.
        first_batch: what a step holds in the first part of the run; None for the same as later. Grounding learns from
            instructions alone, so a first part without maps shows it several times as many of them a minute.
        first_share: how long that part is, as a share of the run.
        grounding_start: what comes before the first step.
        loss: weights of the losses.
        optimiser: its settings.
        execution: processes, precision, memory.
        tensorboard: write scalars and sample pictures for TensorBoard beside the log.
    """

    model: str
    mixture: str | None = None
    vision: VisionConfig = field(default_factory=VisionConfig)
    phrasings: str = "train"
    steps: int = 100_000
    minutes: float = 0.0
    evaluate_minutes: float = 6.0
    evaluation_frames: int = 16
    save_minutes: float = 5.0
    seed: int = 0
    threads: int = 2
    batch: BatchConfig = field(default_factory=BatchConfig)
    first_batch: BatchConfig | None = None
    first_share: float = 0.0
    grounding_start: GroundingStartConfig = field(default_factory=GroundingStartConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    execution: ExecutionConfig = field(default_factory=ExecutionConfig)
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if self.vision.trained and self.mixture is None:
            raise ConfigError(
                "vision.trained needs a mixture: training on rendered scenes reads features that were computed once. "
                "Name one, such as mixture: ../mixtures/scenes.yaml, or leave vision out"
            )
        if self.mixture is not None and (self.first_batch is not None or self.grounding_start.steps):
            raise ConfigError("first_batch and grounding_start are for rendered scenes; leave them out with a mixture")
        if self.mixture is not None and self.execution.parallel == "fsdp2":
            # Every process gathers a block's shards as often as the others do; their samples' kinds of answers differ.
            raise ConfigError("fsdp2 does not train on a mixture; set execution.parallel: ddp")


def load_train_config(path: Path) -> TrainConfig:
    """Read a training YAML.

    Raises:
        ConfigError: no such file, or a key that does not exist.
    """
    if not path.is_file():
        raise ConfigError(f"there is no training configuration {path}; see config/training")
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold a mapping; compare config/training/household-cpu.yaml")
    parts = {
        "first_batch": BatchConfig,
        "grounding_start": GroundingStartConfig,
        "loss": LossConfig,
        "optimiser": OptimiserConfig,
        "execution": ExecutionConfig,
        "vision": VisionConfig,
    }
    held: dict[str, Any] = {
        name: from_mapping(kind, values.pop(name), origin=f"{path}: {name}")
        for name, kind in parts.items()
        if name in values
    }
    held["batch"] = batch_of(values.pop("batch", {}), values.get("mixture"), f"{path}: batch")
    return from_mapping(TrainConfig, {**values, **held}, origin=str(path))


def batch_of(values: Mapping[str, Any], mixture: str | None, origin: str) -> BatchConfig:
    """What a step holds, from a mapping.

    Args:
        values: settings of `BatchConfig`; with a mixture, which decides the tasks, `frames` and `low_precision` alone.
        mixture: the recipe's.
        origin: named in errors.

    Raises:
        ConfigError: there is a setting that does not exist or that the mixture decides.
    """
    if mixture is None:
        return from_mapping(BatchConfig, values, origin=origin)
    decided = sorted(set(values) - {"frames", "low_precision"})
    if decided:
        raise ConfigError(
            f"{origin} has {', '.join(decided)}, but the mixture decides the tasks; leave all but frames and "
            "low_precision out"
        )
    counts = ("referring_maps", "semantic_maps", "boxes", "captions", "grounding")
    return from_mapping(BatchConfig, {**dict.fromkeys(counts, 0), **values}, origin=origin)


def from_mapping(kind: type[T], values: Mapping[str, Any], *, origin: str) -> T:
    """A configuration dataclass from a mapping; a key it does not have is refused by name."""
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - known)
    if unknown:
        raise ConfigError(f"{origin} has no setting {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    return kind(**values)
