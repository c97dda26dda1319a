from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from instructseq_model.classing import ClassEvidence
from instructseq_model.errors import (
    CheckpointError,
    ConfigError,
    DeviceLostError,
    ImageError,
    InstructionError,
)
from instructseq_model.label_sets import label_set
from instructseq_model.marking import Evidence
from instructseq_model.model import InstructSeq
from instructseq_model.perceiver import FRAMES_HELD, INSTRUCTIONS_HELD, Perceiver
from instructseq_model.perception import Task
from instructseq_model.question import Question

from .tiny_perceiver import HOUSEHOLD, TINY, check, perceiver_of, picture, same


@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
@pytest.mark.parametrize("size", [(1, 1), (33, 700), (40, 30)])
@pytest.mark.parametrize("task", list(Task))
def test_every_task_gives_what_belongs_to_it_on_any_size(
    perceiver: Perceiver, task: Task, size: tuple[int, int], fit: str
) -> None:
    perceiver.model.config = replace(TINY, fit=fit)
    found = perceiver(picture(*size), "mark the mug", task=task, label_set="household", samples=2)
    check(found, task, *size)
    if found.agreement is not None:
        assert found.agreement.shape == size[::-1]
        assert 0 < found.agreement.min() <= found.agreement.max() <= 1


@pytest.mark.parametrize("task", list(Task))
def test_default_model_perceives_at_its_full_size(household: Perceiver, task: Task) -> None:
    check(household(picture(64, 48), "find the mug", task=task.value, label_set="household"), task, 64, 48)


@pytest.fixture(scope="module")
def household() -> Perceiver:
    return perceiver_of(replace(HOUSEHOLD, max_text_tokens=6))


def test_referring_mask_is_where_the_colour_map_is_painted_and_its_box_surrounds_it(perceiver: Perceiver) -> None:
    found = perceiver(picture(), "mark the mug", task=Task.SEGMENTATION)
    assert found.mask is not None
    assert found.colour_map is not None
    assert np.array_equal(found.colour_map.any(-1), found.mask.astype(bool))
    rows, columns = np.nonzero(found.mask)
    expected = [(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)] if len(rows) else []
    assert [box.xyxy for box in found.boxes] == expected


def test_a_mask_says_where_the_grounding_points(perceiver: Perceiver) -> None:
    model = perceiver.model
    assert isinstance(model, InstructSeq)
    side = model.config.image_size
    square = picture(side, side)
    found = perceiver(square, "mark the mug", task=Task.SEGMENTATION)
    assert isinstance(found.evidence, Evidence)
    with torch.inference_mode():
        image = model.read_image(torch.from_numpy(square).permute(2, 0, 1)[None].float() / 255)
        encoded = model.instruction.encode(["mark the mug"])
        read = model.sequence.encode_instruction(image, encoded.states, encoded.lengths)
    assert read.pointing is not None
    heat = read.pointing.heat[0].numpy()  # P x S*S
    cells, subcells = round(len(heat) ** 0.5), round(heat.shape[1] ** 0.5)
    assert found.evidence.pointed.shape == (cells * subcells, cells * subcells)
    for row, column in ((0, 0), (1, 2), (3, 1)):
        tile = np.s_[row * subcells : (row + 1) * subcells, column * subcells : (column + 1) * subcells]
        expected = heat[row * cells + column].reshape(subcells, subcells)
        np.testing.assert_allclose(found.evidence.pointed[tile], expected, atol=1e-5)


def test_a_map_of_classes_says_what_the_grounding_reads(perceiver: Perceiver) -> None:
    model = perceiver.model
    assert isinstance(model, InstructSeq)
    square = picture(model.config.image_size, model.config.image_size)
    found = perceiver(square, "all classes", task=Task.SEMANTIC, label_set="household", samples=2).evidence
    assert isinstance(found, ClassEvidence)
    with torch.inference_mode():
        image = model.read_image(torch.from_numpy(square).permute(2, 0, 1)[None].float() / 255)
    logits = image.grounding.classes[0].numpy()  # P x S*S x C
    cells, subcells = round(len(logits) ** 0.5), round(logits.shape[1] ** 0.5)
    assert found.logits.shape == (cells * subcells, cells * subcells, logits.shape[-1])
    np.testing.assert_allclose(found.logits[subcells, 2 * subcells + 1], logits[cells + 2, 1], atol=1e-5)
    assert found.painted.shape == (2, 16, 16)


def test_semantic_colours_are_those_of_the_classes(perceiver: Perceiver) -> None:
    found = perceiver(picture(), "all classes", task=Task.SEMANTIC, label_set="household")
    assert found.label_set == label_set("household")
    assert found.colour_map is not None
    assert np.array_equal(found.colour_map, label_set("household").all_colours[found.mask])


def test_left_to_itself_the_model_takes_the_most_probable_kind(perceiver: Perceiver) -> None:
    found = perceiver(picture(), "do something", label_set="household")
    assert found.kind.value == max(found.kind_probabilities, key=lambda kind: found.kind_probabilities[kind])
    check(found, found.task, 40, 30)


def test_equal_arguments_give_equal_results_and_another_seed_another(perceiver: Perceiver) -> None:
    def confidence(seed: int | None) -> Any:
        found = Perceiver(perceiver.model)(picture(), "the mug", task="segmentation", samples=3, seed=seed)
        return found.confidence

    assert np.array_equal(confidence(4), confidence(4))
    assert np.array_equal(confidence(None), confidence(0))
    assert not np.array_equal(confidence(4), confidence(5))


@pytest.mark.parametrize("instruction", ["", "  \n", "x" * 10_001, "mug \udcff", 3])
def test_what_is_no_instruction_is_refused(perceiver: Perceiver, instruction: Any) -> None:
    with pytest.raises(InstructionError, match=";"):
        perceiver(picture(), instruction)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4), np.uint8),
        np.zeros((1, 20000, 3), np.uint8),
        None,
    ],
)
def test_what_is_no_image_is_refused(perceiver: Perceiver, image: Any) -> None:
    with pytest.raises(ImageError):
        perceiver(image, "find the mug")


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"samples": 33}, {"task": "dance"}, {"temperature": -1.0}])
def test_arguments_out_of_range_are_refused_by_name(perceiver: Perceiver, wrong: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"task": "detection"} | wrong
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        perceiver(picture(), "find the mug", **arguments)


@pytest.mark.parametrize("name", ["coco_stuff", "nonsense"])
def test_label_set_that_the_model_does_not_know_is_refused(perceiver: Perceiver, name: str) -> None:
    with pytest.raises(InstructionError, match="it knows household"):
        perceiver(picture(), "everything", task="semantic", label_set=name)


@pytest.mark.parametrize("device", ["toaster", "meta", "cuda:99"])
def test_device_that_does_not_exist_is_refused_before_anything_is_read(device: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="device"):
        Perceiver.load(tmp_path, device=device)


def test_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint"):
        Perceiver.load(tmp_path / "none")


def test_caption_without_a_tokenizer_is_refused(perceiver: Perceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perceiver.model, "tokenizer", None)
    with pytest.raises(CheckpointError, match="tokenizer"):
        perceiver(picture(), "describe", task="caption")


class Calls:
    """Counts how often a module runs."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.count = 0
        self.hook = module.register_forward_pre_hook(self._called)

    def _called(self, *_: Any) -> None:
        self.count += 1


def test_frame_is_encoded_once_for_all_instructions_and_instruction_once_for_all_frames(perceiver: Perceiver) -> None:
    seen, read = Calls(perceiver.model.vision), Calls(perceiver.model.instruction.model)
    for seed in (0, 1):
        for instruction in ("find the mug", "find the lamp", "find the mug"):
            perceiver(picture(seed=seed), instruction, task="detection")
    seen.hook.remove()
    read.hook.remove()
    assert (seen.count, read.count) == (2, 2)


def test_cached_answers_equal_fresh_ones(perceiver: Perceiver) -> None:
    perceiver(picture(), "find the lamp", task="detection")
    perceiver(picture(), "find the mug", task="caption")
    cached = perceiver(picture(), "find the mug", task="detection")
    fresh = Perceiver(perceiver.model)(picture(), "find the mug", task="detection")
    assert cached.boxes == fresh.boxes


def test_images_of_equal_bytes_and_other_shape_are_told_apart(perceiver: Perceiver) -> None:
    image = picture(40, 30)
    for one in (image, image.reshape(40, 30, 3)):
        check(perceiver(one, "mug", task="segmentation"), Task.SEGMENTATION, one.shape[1], one.shape[0])


def test_caches_are_bounded(perceiver: Perceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("instructseq_model.perceiver.INSTRUCTIONS_HELD", 3)
    for seed in range(5):
        perceiver(picture(seed=seed), f"find mug {seed}", task="detection")
    assert INSTRUCTIONS_HELD > 3
    assert len(perceiver._frames) == FRAMES_HELD
    assert list(perceiver._instructions) == ["find mug 2", "find mug 3", "find mug 4"]


def test_a_batch_gives_what_each_question_gets_alone(perceiver: Perceiver) -> None:
    questions = [
        Question(image=picture(*size, seed=seed), instruction=words, task=task, label_set="household", samples=samples)
        for seed, size, words, task, samples in [
            (0, (40, 30), "mark the mug", Task.SEGMENTATION, 2),
            (0, (40, 30), "mark the spoon left of the large blue bowl", Task.SEGMENTATION, 2),
            (1, (20, 50), "everything", Task.SEMANTIC, 1),
            (2, (30, 30), "mark the mug", Task.SEGMENTATION, 2),
            (2, (30, 30), "where is the knife", Task.DETECTION, 3),
            (0, (40, 30), "the bowl", Task.DETECTION, 3),
            (1, (20, 50), "describe it", Task.CAPTION, 1),
            (0, (40, 30), "describe this picture", Task.CAPTION, 1),
        ]
    ]
    told: list[float] = []
    found = perceiver.batch(questions, progress=lambda stage, share: told.append(share))
    assert told == sorted(told)
    assert told[-1] == 1
    assert len(perceiver._frames) == FRAMES_HELD
    for answer, question in zip(found, questions, strict=True):
        same(answer, Perceiver(perceiver.model).batch([question])[0])
        assert set(answer.timings) == {"encode", "decode", "aggregate", "total"}
    assert perceiver.batch([]) == []


@pytest.mark.parametrize("samples", [1, 2])
def test_answers_on_a_stream_are_those_without_one(perceiver: Perceiver, samples: int) -> None:
    image = picture(seed=1)
    moved = np.roll(image, 1, axis=1)
    for frame in (image, moved, picture(seed=9), picture(seed=9)):
        for words in ("mark the mug", "mark the bowl"):
            found = perceiver(frame, words, task=Task.SEGMENTATION, samples=samples, stream="front")
            same(found, Perceiver(perceiver.model)(frame, words, task=Task.SEGMENTATION, samples=samples))
    assert len(perceiver.maps.streams) == 2


def test_the_window_changes_speed_alone(perceiver: Perceiver) -> None:
    expected = perceiver(picture(), "mark the mug", task=Task.SEGMENTATION)
    for window in (1, 5, 100):
        fixed = Perceiver(perceiver.model, window=window)
        same(fixed(picture(), "mark the mug", task=Task.SEGMENTATION), expected)
    with pytest.raises(ConfigError, match="window"):
        Perceiver(perceiver.model, window=0)


def test_a_device_that_is_lost_inside_the_model_is_told_from_other_failures(
    perceiver: Perceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(pixels: torch.Tensor) -> Any:
        raise RuntimeError("CUDA error: unspecified launch failure")

    with monkeypatch.context() as patch:
        patch.setattr(perceiver.model, "read_image", fail)
        with pytest.raises(DeviceLostError, match="the device cpu was lost"):
            perceiver(picture(), "mug")
    assert perceiver(picture(), "mug", task="caption").caption is not None


def test_forgetting_changes_no_answer(perceiver: Perceiver) -> None:
    expected = perceiver(picture(), "mark the mug", task=Task.SEGMENTATION, stream="front")
    perceiver.forget()
    assert (len(perceiver._frames), len(perceiver._instructions), len(perceiver.maps.streams)) == (0, 0, 0)
    same(perceiver(picture(), "mark the mug", task=Task.SEGMENTATION, stream="front"), expected)
