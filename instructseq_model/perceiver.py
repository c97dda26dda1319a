"""The one door: an image and an instruction in, a `Perception` out. Node, command line and evaluation all use it."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instructseq_model.answering import Steps, decode_texts, decode_tokens, prepare_meanings
from instructseq_model.backends.device_loss import device_losses
from instructseq_model.backends.table import load_backend
from instructseq_model.decoding.beam import Beam
from instructseq_model.decoding.generate import Generated
from instructseq_model.decoding.map_decoder import MapDecoder
from instructseq_model.decoding.prefix import absence_probability, kind_probabilities
from instructseq_model.decoding.streams import Stream
from instructseq_model.decoding.underway import Look, Observe
from instructseq_model.errors import InstructionError
from instructseq_model.geometry import Placement, fit_image
from instructseq_model.instruction import InstructionStates
from instructseq_model.label_sets import LabelSet
from instructseq_model.label_sets import label_set as label_set_named
from instructseq_model.partial import Partial, Watch, read_partial
from instructseq_model.perception import Perception, Task
from instructseq_model.question import Question
from instructseq_model.reading import Request, read_answer
from instructseq_model.routing import Route
from instructseq_model.runnable_model import Handle, RunnableModel
from instructseq_model.stopping import ShouldStop, stop_points, stoppable, stopping_at
from instructseq_model.tiles import out_of_tiles
from instructseq_model.vocabulary import OutputKind

FRAMES_HELD = 2
INSTRUCTIONS_HELD = 256
KIND_OF_TASK = {
    Task.SEMANTIC: OutputKind.MAP,
    Task.SEGMENTATION: OutputKind.MAP,
    Task.DETECTION: OutputKind.BOXES,
    Task.CAPTION: OutputKind.TEXT,
}
REFERRING = (Task.SEGMENTATION, Task.DETECTION)
TASK_OF_KIND = {OutputKind.BOXES: Task.DETECTION, OutputKind.TEXT: Task.CAPTION}

Progress = Callable[[str, float], None]
"""Called with the stage's name and its share done in [0, 1]; an exception it raises ends the perception."""


class _Prompt(NamedTuple):
    """A question encoded: `view` is P x D, `prefix` of one instruction."""

    placement: Placement
    view: Tensor
    prefix: Handle
    route: Route


class Perceiver:
    """Perceives images as instructed; not to be called from two threads at once.

    Args:
        model: in evaluation mode, on its device.
        window: map tokens that a pass of the decoder checks; None finds the fastest. Speed alone depends on it.
    """

    def __init__(self, model: RunnableModel, *, window: int | None = None) -> None:
        self.model = model
        self.maps = MapDecoder(window=window)
        self._stop_points = stop_points(model)
        self._frames: OrderedDict[bytes, tuple[Placement, Handle]] = OrderedDict()
        self._instructions: OrderedDict[str, tuple[InstructionStates, Route]] = OrderedDict()

    @classmethod
    def load(
        cls,
        folder: Path | str,
        *,
        device: str = "cpu",
        threads: int | None = None,
        backend: str | None = None,
        precision: str = "auto",
        window: int | None = None,
    ) -> Perceiver:
        """Load a checkpoint, or a folder that `instructseq export` wrote.

        Args:
            folder: of either.
            device: "cpu" or "cuda" (or "cuda:1" ...).
            threads: of the CPU; None leaves the library's choice.
            backend: one of `backends.table.BACKENDS`; None takes what the folder was written for.
            precision: of a checkpoint's weights, one of `precision.PRECISIONS`; "auto" changes no trained weight, and
                leaves an export as it was written.
            window: map tokens that a pass of the decoder checks; None finds the fastest.

        Raises:
            CheckpointError: the folder is neither, or damaged.
            ConfigError: the device does not exist here, the backend cannot read the folder, or the precision is not to
                be had there.
        """
        model = load_backend(Path(folder), backend=backend, device=device, threads=threads, precision=precision)
        prepare_meanings(model)
        return cls(model, window=window)

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
        stream: Hashable = None,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Perception:
        """Do what the instruction says; arguments and errors as for `Question` and `batch`."""
        question = Question(
            image=image,
            instruction=instruction,
            samples=samples,
            temperature=temperature,
            seed=seed,
            label_set=label_set,
            task=task,
            stream=stream,
        )
        return self.batch([question], progress=progress, should_stop=should_stop)[0]

    def forget(self) -> None:
        """Let go of all that is remembered of images and instructions; the next answers are the same, and slower."""
        self._frames.clear()
        self._instructions.clear()
        self.maps.streams.clear()

    def batch(
        self,
        questions: Sequence[Question],
        *,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
        watch: Watch | None = None,
    ) -> list[Perception]:
        """Answer several questions, of several cameras or on one frame; those of one kind are decoded together.

        The answers are those that each question gets alone. Their timings are those of the batch.

        Args:
            questions: any number.
            progress: told how far it is.
            should_stop: asked between all passes of the model, and all layers of each, whether to end without answers.
            watch: shown the answers under way after each pass of the decoder.

        Raises:
            StoppedError: `should_stop` said so.
            DeviceLostError: the device does not answer any more.
            InstructionError: an instruction asks for a label set that the checkpoint lacks.
            ConfigError: a temperature or label set out of range.
        """
        began = time.perf_counter()
        progress = stoppable(progress, should_stop)
        if progress is not None:
            progress("encode", 0.0)
        with (
            torch.inference_mode(),
            device_losses(self.model.device),
            stopping_at(self._stop_points, should_stop),
        ):
            prompts = self._prompts(questions, progress)
            requests = [self._request(*pair) for pair in zip(questions, prompts, strict=True)]
            encoded = time.perf_counter() - began
            batches: dict[Hashable, list[int]] = {}
            for number, request in enumerate(requests):
                batches.setdefault(request.batch, []).append(number)
            answers: dict[int, tuple[Perception, dict[str, float]]] = {}
            for numbers in batches.values():
                steps = None if progress is None else _steps(progress, len(answers), len(numbers), len(questions))
                answers |= self._answers(numbers, prompts, requests, encoded, steps, watch)
        for _, timings in answers.values():
            timings["total"] = time.perf_counter() - began
        return [answers[number][0] for number in range(len(questions))]

    def _request(self, question: Question, prompt: _Prompt) -> Request:
        mass = kind_probabilities(self.model.sequence, prompt.prefix.begin)
        probabilities = {kind: float(value) for kind, value in mass.items()}
        asked = question.asked
        kind = KIND_OF_TASK[asked] if asked else max(probabilities, key=lambda one: probabilities[one])
        temperature = question.temperature
        if temperature is None:
            temperature = 0.9 if question.samples > 1 else 0.0
        task = asked or TASK_OF_KIND.get(kind, prompt.route.map_task)
        request = Request(
            instruction=question.instruction,
            kind=kind,
            task=task,
            label_set=self._label_set(question.label_set, prompt.route) if task is Task.SEMANTIC else None,
            placement=prompt.placement,
            samples=question.samples,
            temperature=temperature,
            seed=question.seed or 0,
            kind_probabilities={one.value: value for one, value in probabilities.items()},
        )
        if task in REFERRING:
            absence = absence_probability(self.model.sequence, prompt.prefix.begin)
            pointed = prompt.prefix.pointed
            request = replace(
                request,
                absence=float(absence),
                pointed=None if pointed is None else pointed[0].float().cpu().numpy(),
            )
        classes = prompt.prefix.classes
        # The grounding tells the classes of the first label set.
        if request.label_set is not None and classes is not None and self._is_first(request.label_set):
            laid_out = out_of_tiles(classes[:1], round(classes.shape[1] ** 0.5))[0]
            request = replace(request, classes=laid_out.float().cpu().numpy())
        if question.stream is None:
            return request
        return replace(request, stream=Stream((question.stream, question.instruction, request.batch), prompt.view))

    def _answers(
        self,
        numbers: Sequence[int],
        prompts: Sequence[_Prompt],
        requests: Sequence[Request],
        encoded: float,
        steps: Steps | None,
        watch: Watch | None,
    ) -> dict[int, tuple[Perception, dict[str, float]]]:
        """Decode the named requests together and read each: its perception, and its timings to be completed."""
        began = time.perf_counter()
        prefix = self.model.stack_prefixes([prompts[number].prefix for number in numbers])
        asked = {number: requests[number] for number in numbers}
        observe = None if watch is None else self._observer(watch, asked, encoded=encoded, began=began)
        made = self._decode(prefix, list(asked.values()), steps, observe)
        decoded = time.perf_counter() - began
        answers = {}
        for number, tokens in zip(numbers, made, strict=True):
            timings = {"encode": encoded, "decode": decoded}
            answers[number] = read_answer(self.model, tokens, requests[number], timings), timings
        return answers

    def _decode(
        self, prefix: Handle, requests: Sequence[Request], steps: Steps | None, observe: Observe | None
    ) -> Sequence[Beam | Generated]:
        """What requests of one batch are answered with, in tokens."""
        if requests[0].kind is OutputKind.TEXT:
            return decode_texts(self.model, prefix, steps, observe)
        return decode_tokens(self.model, prefix, requests, self.maps, steps, observe)

    def _observer(
        self, watch: Watch, asked: Mapping[int, Request], *, encoded: float, began: float
    ) -> Callable[[Look], None]:
        """Turns looks at the sequences of these requests, by their numbers, into answers under way."""

        def read(look: Look) -> dict[int, Partial]:
            underway = look()
            decoded = time.perf_counter() - began
            seconds = {"encode": encoded, "decode": decoded, "total": encoded + decoded}
            share = len(underway.tokens) // len(asked)  # rows a request
            found = {
                number: read_partial(self.model, underway, at * share, request, dict(seconds))
                for at, (number, request) in enumerate(asked.items())
            }
            return {number: one for number, one in found.items() if one is not None}

        return lambda look: watch(lambda: read(look))

    def _is_first(self, label_set: LabelSet) -> bool:
        return label_set.name == self.model.config.label_sets[0]

    def _label_set(self, named: str | None, route: Route) -> LabelSet:
        known = self.model.config.label_sets
        name = named or route.label_set
        if name not in known:
            reason = "named" if named else "what the instruction asks for"
            raise InstructionError(
                f"label set {name!r:.100} ({reason}) is none this checkpoint was trained on; it knows "
                f"{', '.join(known)}: say so in the instruction or name it"
            )
        return label_set_named(name)

    def _prompts(self, questions: Sequence[Question], progress: Progress | None) -> list[_Prompt]:
        """Images and instructions encoded, each as often as it is new."""
        prompts: list[_Prompt] = []
        for question, (placement, image) in zip(questions, self._images(questions), strict=True):
            if progress is not None:
                progress("encode", 0.0)
            encoded, route = self._instruction(question.instruction)
            prefix = self.model.decoding_prefix(image, encoded)
            prompts.append(_Prompt(placement, image.states[0], prefix, route))
        return prompts

    def _images(self, questions: Sequence[Question]) -> list[tuple[Placement, Handle]]:
        images = {_image_key(question.image): question.image for question in questions}
        new = [key for key in images if key not in self._frames]
        if new:
            self._frames |= zip(new, self._read_images([images[key] for key in new]), strict=True)
        for key in images:
            self._frames.move_to_end(key)
        found = [self._frames[_image_key(question.image)] for question in questions]
        _bound(self._frames, FRAMES_HELD)
        return found

    def _instruction(self, instruction: str) -> tuple[InstructionStates, Route]:
        if instruction not in self._instructions:
            encoded = self.model.instruction.encode([instruction])
            route = self.model.router.route(encoded.states.float(), encoded.lengths)[0]
            self._instructions[instruction] = (encoded, route)
        self._instructions.move_to_end(instruction)
        _bound(self._instructions, INSTRUCTIONS_HELD)
        return self._instructions[instruction]

    def _read_images(self, images: Sequence[NDArray[np.uint8]]) -> list[tuple[Placement, Handle]]:
        config = self.model.config
        fitted = [fit_image(image, fit=config.fit, side=config.image_size) for image in images]
        pixels = torch.from_numpy(np.stack([square for _, square in fitted])).to(self.model.device)  # I x S x S x 3
        read = self.model.read_image(pixels.permute(0, 3, 1, 2).float() / 255)
        return [(placement, read.row(number)) for number, (placement, _) in enumerate(fitted)]


def _image_key(image: NDArray[np.uint8]) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16, salt=str(image.shape).encode()[:16]).digest()


def _steps(progress: Progress, before: int, here: int, all_of_them: int) -> Steps:
    """Steps of `here` questions told as a share of all, with `before` of them answered."""
    return lambda done, most: progress("decode", (before + here * done / most) / all_of_them)


def _bound(held: OrderedDict[Any, Any], most: int) -> None:
    while len(held) > most:
        held.popitem(last=False)
