import gc
from typing import Any

import pytest
import torch

from instructseq_model.decoding import Sampling, beam_searches, generate, generate_maps
from instructseq_model.decoding.compiled_steps import ROOMS_HELD, CompiledDecoder, check_compiler, compiled_pass
from instructseq_model.decoding.torch_steps import TorchDecoder, window_logits
from instructseq_model.errors import ConfigError
from instructseq_model.vocabulary import OutputKind

CPU = torch.device("cpu")
SAMPLING = Sampling(temperature=0.9)


def windows(model: Any, rows: int, width: int, seed: int) -> torch.Tensor:
    ids = model.config.vocabulary.range_of(OutputKind.MAP)
    return torch.randint(ids.start, ids.stop, (rows, width), generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_rows_that_leave_repeat_and_change_places_go_on_as_in_eager_steps(scene: Any) -> None:
    arguments: dict[str, Any] = {"samples": 2, "length": 8}
    eager = TorchDecoder(scene.model).begin(scene.prefix(), OutputKind.MAP, **arguments)
    fixed = CompiledDecoder(scene.model, window_logits).begin(scene.prefix(), OutputKind.MAP, **arguments)
    torch.testing.assert_close(fixed.first(), eager.first())
    choices = ([0, 1, 2, 3, 4, 5], [0, 0, 3, 2, 4, 4], [2, 3, 4, 5], [1, 3], [0, 0, 0, 1, 1, 1], [5, 3, 4], [1])
    for start, chosen in enumerate(choices):
        rows = torch.tensor(chosen)
        for steps in (eager, fixed):
            steps.select(rows)
        assert fixed.rows == eager.rows == len(rows)
        torch.testing.assert_close(fixed.first(), eager.first())
        shown, starts = windows(scene.model, len(rows), 2, start), torch.full((len(rows),), start)
        torch.testing.assert_close(fixed.forward(shown, starts), eager.forward(shown, starts), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_decodings_that_take_turns_do_not_share_a_room(make_scene: Any) -> None:
    scene = make_scene()
    decoder = CompiledDecoder(scene.model, window_logits)
    tokens, starts = windows(scene.model, 1, 3, 0), torch.zeros(1, dtype=torch.long)
    alone = [
        TorchDecoder(scene.model).begin(scene.prefix(row), OutputKind.MAP, samples=1, length=8).forward(tokens, starts)
        for row in range(2)
    ]
    both = [decoder.begin(scene.prefix(row), OutputKind.MAP, samples=1, length=8) for row in range(2)]
    for expected, steps in zip(alone, both, strict=True):
        torch.testing.assert_close(steps.forward(tokens, starts), expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_rooms_are_used_again_and_bounded(make_scene: Any) -> None:
    scene = make_scene()
    decoder = CompiledDecoder(scene.model, window_logits)
    expected = generate_maps(scene.model, scene.prefix(1), sampling=SAMPLING, samples=2, seed=1).tokens
    generate_maps(decoder, scene.prefix(0), sampling=SAMPLING, samples=2)
    gc.collect()
    rooms = [room for held in decoder._rooms.values() for room in held]
    assert torch.equal(generate_maps(decoder, scene.prefix(1), sampling=SAMPLING, samples=2, seed=1).tokens, expected)
    assert [room for held in decoder._rooms.values() for room in held] == rooms
    for samples in range(1, ROOMS_HELD + 4):
        generate_maps(decoder, scene.prefix(0), sampling=SAMPLING, samples=samples)
    assert sum(map(len, decoder._rooms.values())) == ROOMS_HELD


def check_same_answers(scene: Any, decoder: CompiledDecoder) -> None:
    prefix = scene.prefix()
    maps: dict[str, Any] = {"sampling": SAMPLING, "samples": 3, "seed": 4, "window": 4}
    assert torch.equal(generate_maps(decoder, prefix, **maps).tokens, generate_maps(scene.model, prefix, **maps).tokens)
    boxes: dict[str, Any] = {"sampling": SAMPLING, "samples": 2, "seed": 4}
    expected = generate(scene.model, prefix, OutputKind.BOXES, **boxes)
    assert torch.equal(generate(decoder, prefix, OutputKind.BOXES, **boxes).tokens, expected.tokens)
    found, expected = (beam_searches(one, prefix, size=3) for one in (decoder, scene.model))
    for own, others in zip(found, expected, strict=True):
        assert [beam.tokens for beam in own] == [beam.tokens for beam in others]


def test_maps_boxes_and_captions_are_those_of_eager_decoding(scene: Any) -> None:
    check_same_answers(scene, CompiledDecoder(scene.model, window_logits))


@pytest.mark.nightly
@pytest.mark.timeout(1200)  # compiles four graphs
def test_compiled_maps_boxes_and_captions_are_those_of_eager_decoding(make_scene: Any) -> None:
    scene = make_scene()
    check_same_answers(scene, CompiledDecoder(scene.model, compiled_pass(CPU)))


def test_without_a_compiler_the_backend_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ConfigError, match=r"no-such-compiler.*apt install"):
        check_compiler(CPU)
