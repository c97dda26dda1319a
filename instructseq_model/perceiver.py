"""The one door: an image and an instruction in, a `Perception` out. Node, command line and evaluation all use it."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from instructseq_model.backends.table import load_backend
from instructseq_model.decoding.prefix import DecodingPrefix, kind_probabilities
from instructseq_model.errors import ConfigError, InstructionError
from instructseq_model.geometry import Placement, check_image, letterbox, resize_image, stretch
from instructseq_model.instruction import InstructionStates, check_instruction
from instructseq_model.label_sets import LabelSet
from instructseq_model.label_sets import label_set as label_set_named
from instructseq_model.model import InstructSeq
from instructseq_model.perception import Perception, Task
from instructseq_model.reading import Request, read_boxes, read_caption, read_referring, read_semantic
from instructseq_model.routing import Route
from instructseq_model.sequence_model import ImagePrefix
from instructseq_model.vocabulary import OutputKind

MOST_SAMPLES = 32
FRAMES_HELD = 2
INSTRUCTIONS_HELD = 256
KIND_OF_TASK = {
    Task.SEMANTIC: OutputKind.MAP,
    Task.SEGMENTATION: OutputKind.MAP,
    Task.DETECTION: OutputKind.BOXES,
    Task.CAPTION: OutputKind.TEXT,
}
TASK_OF_KIND = {OutputKind.BOXES: Task.DETECTION, OutputKind.TEXT: Task.CAPTION}

Progress = Callable[[str, float], None]
"""Called with the stage's name and its share done in [0, 1]; an exception it raises ends the perception."""


class Perceiver:
    """Perceives images as instructed; not to be called from two threads at once.

    Args:
        model: in evaluation mode, on its device.
    """

    def __init__(self, model: InstructSeq) -> None:
        self.model = model
        self._frames: OrderedDict[bytes, tuple[Placement, ImagePrefix]] = OrderedDict()
        self._instructions: OrderedDict[str, tuple[InstructionStates, Route]] = OrderedDict()

    @classmethod
    def load(
        cls, folder: Path | str, *, device: str = "cpu", threads: int | None = None, backend: str | None = None
    ) -> Perceiver:
        """Load a checkpoint, or a folder that `instructseq export` wrote.

        Args:
            folder: of either.
            device: "cpu" or "cuda" (or "cuda:1" ...).
            threads: of the CPU; None leaves the library's choice.
            backend: one of `backends.table.BACKENDS`; None takes what the folder was written for.

        Raises:
            CheckpointError: the folder is neither, or damaged.
            ConfigError: the device does not exist here, or the backend cannot read the folder.
        """
        return cls(load_backend(Path(folder), backend=backend, device=device, threads=threads))

    def __call__(
        self,
        image: NDArray[np.uint8],
        instruction: str,
        *,
        samples: int = 1,
        temperature: float | None = None,
        seed: int | None = None,
        label_set: str | None = None,
        task: Task | str | None = None,
        progress: Progress | None = None,
    ) -> Perception:
        """Do what the instruction says.

        Args:
            image: H x W x 3 uint8 RGB.
            instruction: free words, at most 10,000 characters.
            samples: sequences drawn and aggregated, 1 to 32.
            temperature: of sampling; None means 0 (most probable tokens) for one sample and 0.9 for more.
            seed: of the noise; None means 0. Equal arguments give equal results.
            label_set: of a semantic map; None reads it out of the instruction.
            task: what to do; None lets the model choose.
            progress: told how far it is.

        Raises:
            ImageError: the image is none.
            InstructionError: the instruction is empty, too long, or asks for a label set that the checkpoint lacks.
            ConfigError: samples, temperature, label set or task out of range.
        """
        began = time.perf_counter()
        check_image(image)
        check_instruction(instruction)
        if not 1 <= samples <= MOST_SAMPLES:
            raise ConfigError(f"samples must be 1 to {MOST_SAMPLES}, got {samples}")
        asked = _task(task)
        timings: dict[str, float] = {}
        with torch.inference_mode():
            with _timed(timings, "encode"):
                if progress is not None:
                    progress("encode", 0.0)
                placement, prefix, route = self._prefix(image, instruction)
            mass = {kind: float(value) for kind, value in kind_probabilities(self.model.sequence, prefix.begin).items()}
            kind = KIND_OF_TASK[asked] if asked else max(mass, key=lambda one: mass[one])
            request = Request(
                instruction=instruction,
                kind=kind,
                task=asked or TASK_OF_KIND.get(kind, route.map_task),
                placement=placement,
                samples=samples,
                temperature=temperature if temperature is not None else (0.9 if samples > 1 else 0.0),
                seed=seed or 0,
                kind_probabilities={one.value: value for one, value in mass.items()},
                progress=None if progress is None else (lambda done, most: progress("decode", done / most)),
            )
            perception = self._read(prefix, request, label_set, route, timings)
        timings["total"] = time.perf_counter() - began
        return perception

    def _read(
        self,
        prefix: DecodingPrefix,
        request: Request,
        label_set: str | None,
        route: Route,
        timings: dict[str, float],
    ) -> Perception:
        if request.task is Task.SEMANTIC:
            return read_semantic(self.model, prefix, request, self._label_set(label_set, route), timings)
        readers = {
            Task.SEGMENTATION: read_referring,
            Task.DETECTION: read_boxes,
            Task.CAPTION: read_caption,
        }
        return readers[request.task](self.model, prefix, request, timings)

    def _label_set(self, named: str | None, route: Route) -> LabelSet:
        known = self.model.config.label_sets
        name = named or route.label_set
        if name not in known:
            reason = "named" if named else "what the instruction asks for"
            raise InstructionError(
                f"label set {name!r} ({reason}) is none this checkpoint was trained on; it knows {', '.join(known)}: "
                "say so in the instruction or name it"
            )
        return label_set_named(name)

    def _prefix(self, image: NDArray[np.uint8], instruction: str) -> tuple[Placement, DecodingPrefix, Route]:
        key = hashlib.blake2b(image.tobytes(), digest_size=16, salt=str(image.shape).encode()[:16]).digest()
        if key not in self._frames:
            self._frames[key] = self._read_image(image)
        self._frames.move_to_end(key)
        _bound(self._frames, FRAMES_HELD)
        placement, read = self._frames[key]
        if instruction not in self._instructions:
            encoded = self.model.instruction.encode([instruction])
            self._instructions[instruction] = (
                encoded,
                self.model.router.route(encoded.states.float(), encoded.lengths)[0],
            )
        self._instructions.move_to_end(instruction)
        _bound(self._instructions, INSTRUCTIONS_HELD)
        encoded, route = self._instructions[instruction]
        return placement, self.model.decoding_prefix(read, encoded), route

    def _read_image(self, image: NDArray[np.uint8]) -> tuple[Placement, ImagePrefix]:
        side = self.model.config.image_size
        place = stretch if self.model.config.fit == "stretch" else letterbox
        placement = place((image.shape[1], image.shape[0]), side)
        pixels = torch.from_numpy(resize_image(image, placement)).to(self.model.device)
        return placement, self.model.read_image(pixels.permute(2, 0, 1)[None].float() / 255)


def _bound(held: OrderedDict[Any, Any], most: int) -> None:
    while len(held) > most:
        held.popitem(last=False)


def _task(task: Task | str | None) -> Task | None:
    try:
        return None if task is None else Task(task)
    except ValueError as error:
        raise ConfigError(f"task {task!r} is none of {', '.join(one.value for one in Task)}") from error


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    finally:
        timings[stage] = timings.get(stage, 0.0) + time.perf_counter() - began
