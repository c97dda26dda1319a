"""Batches of public datasets: the right pictures and answers, decided by seed and step only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from instructseq_model.geometry import resize_image, stretch
from instructseq_model.maps import encode_maps
from instructseq_model.perception import Task
from instructseq_model.vocabulary import END, PAD, OutputKind
from instructseq_training.datasets.samples import TrainingSample
from instructseq_training.sample_batches import NO_CLASS, FrozenFeatures, SampleBatcher

from . import tiny_samples

MANY = replace(tiny_samples.BATCH, frames=48)


@pytest.fixture(scope="module")
def pixels(root: Path) -> SampleBatcher:
    """Batches for an encoder that is trained."""
    return tiny_samples.batcher(root, encoder=tiny_samples.vision(), trained=True)


def samples_of(batcher: SampleBatcher, step: int, size: int) -> list[TrainingSample]:
    return [batcher.data[number] for number in range(step * size, (step + 1) * size)]


def test_a_batch_holds_the_samples_of_its_step(pixels: SampleBatcher) -> None:
    (batch,) = pixels.parts(3, tiny_samples.BATCH, [range(8)])
    samples = samples_of(pixels, 3, 8)
    assert batch.examples == [sample.example for sample in samples]
    for picture, sample in zip(batch.images, samples, strict=True):
        height, width = sample.image.shape[:2]
        expected = resize_image(sample.image, stretch((width, height), tiny_samples.IMAGE_SIZE))
        assert np.array_equal(picture.permute(1, 2, 0).numpy(), expected)


def test_answers_of_every_kind_are_those_of_the_samples(pixels: SampleBatcher) -> None:
    (batch,) = pixels.parts(0, MANY, [range(48)])
    samples = samples_of(pixels, 0, 48)
    vocabulary = pixels.sequence.vocabulary
    assert set(batch.outputs) == set(OutputKind)
    assert sorted(row for held in batch.outputs.values() for row in held.rows.tolist()) == list(range(48))
    for kind, held in batch.outputs.items():
        for row, tokens in zip(held.rows.tolist(), held.tokens.tolist(), strict=True):
            sample, kept = samples[row], [token for token in tokens if token != PAD]
            if kind is OutputKind.MAP:
                codes = encode_maps(pixels.encoders.vqvae, sample.painted()[None])[0]
                assert kept == (codes + vocabulary.visual_range.start).tolist()
            elif kind is OutputKind.BOXES:
                assert kept[-1] == END
                found = [vocabulary.tokens_to_box(kept[4 * n : 4 * n + 4]) for n in range(len(sample.example.boxes))]
                assert np.allclose(found, sample.example.boxes, atol=0.02)
            else:
                words = [token - vocabulary.text_range.start for token in kept[:-1]]
                assert sample.example.caption.startswith(pixels.encoders.tokenizer.decode(words).strip())


def test_parts_of_a_step_hold_what_the_whole_step_holds(pixels: SampleBatcher) -> None:
    (whole,) = pixels.parts(2, MANY, [range(48)])
    parts = pixels.parts(2, MANY, [range(5), range(5, 48)])
    assert [example for part in parts for example in part.examples] == whole.examples
    for name in ("images", "heat", "refers", "classes", "map_numbers"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(whole, name)), name
    assert whole.map_numbers.tolist() == whole.outputs[OutputKind.MAP].rows.tolist()
    assert max(whole.map_numbers.tolist()) < pixels.most_maps(MANY)


def test_heat_and_classes_are_those_of_the_samples_at_the_groundings_grid(pixels: SampleBatcher) -> None:
    (batch,) = pixels.parts(1, MANY, [range(48)])
    for row, sample in enumerate(samples_of(pixels, 1, 48)):
        task = sample.example.task
        assert bool(batch.refers[row]) == (task in (Task.SEGMENTATION, Task.DETECTION))
        if sample.mask is not None:  # 32 pixels in 4 cells of 2 subcells
            blocks = [[sample.mask[y : y + 4, x : x + 4].mean() for x in range(0, 32, 4)] for y in range(0, 32, 4)]
            assert np.allclose(batch.heat[row].numpy(), blocks)
        if task is Task.SEMANTIC and sample.label_set == "coco_stuff":
            assert sample.classes is not None
            assert np.array_equal(batch.classes[row].numpy(), sample.classes[2::4, 2::4])
        else:  # ADE20K's classes are not those of the grounding
            assert bool((batch.classes[row] == NO_CLASS).all())


def test_a_frozen_encoder_gives_features_of_the_same_pictures(root: Path, pixels: SampleBatcher) -> None:
    encoder = tiny_samples.vision()
    frozen = tiny_samples.batcher(root, encoder=encoder, trained=False)
    (features,) = frozen.parts(0, tiny_samples.BATCH, [range(8)])
    (pictures,) = pixels.parts(0, tiny_samples.BATCH, [range(8)])
    with torch.no_grad():
        expected = encoder.eval()(pictures.images.float() / 255)
    assert torch.allclose(features.images, expected, atol=1e-5)
    assert isinstance(frozen.read_images, FrozenFeatures)
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
