from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from instructseq_model.decoding import GREEDY, decoding_prefix, generate
from instructseq_model.errors import ConfigError
from instructseq_model.grounding import Grounding, GroundingConfig, Pointing, corners, peak_region
from instructseq_model.grounding_refiner import GroundingRefiner
from instructseq_model.vocabulary import OutputKind


def grounding(**settings: int) -> Grounding:
    torch.manual_seed(0)
    config = GroundingConfig(**{"subcells": 2, "key_width": 4} | settings)
    return Grounding(config, width=8, vision_width=6, instruction_width=5, grid=3).eval()


REFINED = {"channels": 3, "refiner_layers": 1, "refiner_width": 32, "classes": 5}


@pytest.mark.parametrize(
    "settings",
    [
        {"subcells": 0},
        {"key_width": 0},
        {"channels": 0},
        {"refiner_layers": -1},
        {"refiner_width": 40},
        {"classes": -1},
        {"hidden": -1},
    ],
)
def test_impossible_shapes_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        GroundingConfig(**settings)


def test_heat_map_lays_subcells_out_as_an_image() -> None:
    logits = torch.zeros(1, 9, 4)
    logits[0, 5, 2] = 1  # cell in row 1, column 2; subcell in row 1, column 0
    heat = grounding().heat_map(logits)[0]
    assert heat.shape == (6, 6)
    assert heat.nonzero().tolist() == [[3, 4]]


@torch.no_grad()
@pytest.mark.parametrize("hidden", [0, 7])
def test_keys_and_queries_are_compared_by_their_directions(hidden: int) -> None:
    model = grounding(hidden=hidden)
    states, features, instruction = torch.randn(2, 9, 8), torch.randn(2, 9, 6), torch.randn(4, 21)
    keys = model.keys(states, features)
    assert keys.shape == (2, 9, 4, 4)
    query = model.query(instruction)
    expected = F.cosine_similarity(keys.repeat_interleave(2, 0), query[:, None, None], dim=-1)
    got = (model.similarity(keys, instruction)[:, 0] - model.bias) / model.log_scale.exp()
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("hidden", [0, 7])
def test_the_transformers_states_count_for_nothing_at_first(hidden: int) -> None:
    model, features = grounding(hidden=hidden), torch.randn(1, 9, 6)
    one, other = (model.keys(torch.randn(1, 9, 8), features) for _ in range(2))
    torch.testing.assert_close(one, other)
    assert not torch.allclose(one, model.keys(torch.randn(1, 9, 8), torch.randn(1, 9, 6)))


@torch.no_grad()
@pytest.mark.parametrize("settings", [{}, REFINED])
def test_instructions_are_compared_with_their_own_image(settings: dict[str, int]) -> None:
    model = grounding(**settings)
    if model.refiner is not None:
        torch.nn.init.normal_(model.refiner.correction.weight)
    states, features, instruction = torch.randn(2, 9, 8), torch.randn(2, 9, 6), torch.randn(4, 21)
    together = model(model.read_image(states, features), states, instruction)
    assert together.heat.shape == (4, 9, 4)
    for row in range(4):
        own = slice(row // 2, row // 2 + 1)
        alone = model(model.read_image(states[own], features[own]), states[own], instruction[row : row + 1])
        torch.testing.assert_close(together.heat[row : row + 1], alone.heat)


@torch.no_grad()
def test_refiner_starts_without_a_correction_and_then_looks_beyond_a_place() -> None:
    model = grounding(**REFINED)
    assert model.refiner is not None
    states, features, instruction = torch.randn(1, 9, 8), torch.randn(1, 9, 6), torch.randn(1, 21)
    image = model.read_image(states, features)
    torch.testing.assert_close(model(image, states, instruction).heat, model.similarity(image.keys, instruction)[:, 0])
    torch.nn.init.normal_(model.refiner.correction.weight)
    before = model(image, states, instruction).heat
    elsewhere = image._replace(keys=image.keys.clone())
    elsewhere.keys[:, 8] = -elsewhere.keys[:, 8]
    after = model(elsewhere, states, instruction).heat
    assert (before[:, :8] - after[:, :8]).abs().amin() > 1e-6  # every other place saw the change


def test_refiners_blocks_are_neighbouring_cells_and_back_again() -> None:
    refiner = GroundingRefiner(
        layers=1, width=32, channels=1, parts=1, block=2, image_width=4, instruction_width=4, grid=4
    )
    cells = torch.arange(16.0).view(1, 16, 1)
    blocks = refiner._in_blocks(cells)
    assert blocks[0, :, :, 0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    assert torch.equal(refiner._in_cells(blocks.flatten(2)), cells)


def test_block_that_does_not_divide_the_grid_is_refused() -> None:
    with pytest.raises(ConfigError, match="refiner_block"):
        grounding(refiner_layers=1, refiner_width=32, refiner_block=2)


@torch.no_grad()
def test_classes_reach_the_map_of_those_who_ask_for_them_alone() -> None:
    model = grounding(**REFINED)
    assert model.class_heat is not None
    states, features = torch.randn(1, 9, 8), torch.randn(1, 9, 6)
    image = model.read_image(states, features)
    heat = torch.randn(1, 9, 4).repeat(2, 1, 1)
    painted = model.condition(Pointing(heat, torch.tensor([0.0, 1.0])), image, states, paint=True).cells
    assert painted is not None
    assert image.classes is not None
    expected = model.class_heat.paint(image.classes.softmax(-1).reshape(1, 9, 20))
    torch.testing.assert_close(painted[1] - painted[0], expected[0])


@torch.no_grad()
@pytest.mark.parametrize("settings", [{}, REFINED])
def test_conditioning_of_a_box_alone_is_that_beside_a_map(settings: dict[str, int]) -> None:
    model = grounding(**settings)
    states, features = torch.randn(2, 9, 8), torch.randn(2, 9, 6)
    image = model.read_image(states, features)
    pointing = Pointing(torch.randn(4, 9, 4), torch.rand(4) if settings else None)
    painted = model.condition(pointing, image, states, paint=True)
    boxed = model.condition(pointing, image, states, paint=False)
    assert boxed.cells is None
    assert painted.cells is not None
    assert painted.cells.shape == (4, 9, 8)
    torch.testing.assert_close(boxed.box, painted.box)
    if not settings:
        torch.testing.assert_close(painted.begin, painted.cells[:, 0] + painted.box[:, 0])
    assert torch.equal(painted.rows(slice(1, 2)).begin, painted.begin[1:2])


def test_half_precision_model_with_grounding_decodes(make_scene: Callable[..., Any]) -> None:
    scene = make_scene()
    scene.model.bfloat16()
    image = scene.model.encode_image(scene.features.bfloat16())
    read = scene.model.encode_instruction(image, scene.states.bfloat16(), scene.lengths)
    with torch.no_grad():
        prefix = decoding_prefix(scene.model, image, read)
    for kind in OutputKind:
        assert len(generate(scene.model, prefix, kind, sampling=GREEDY).tokens) == 3


def test_corners_lie_around_the_region_of_the_peak_and_leave_out_weaker_spots() -> None:
    heat = torch.full((2, 8, 8), -20.0)
    heat[0, 2:5, 3:7] = 3
    heat[0, 3, 4] = 5
    heat[0, 7, 0] = 4  # does not hang together with the peak
    heat[1, 6, 1], heat[1, 6, 2], heat[1, 5, 2] = -2, -2.5, -4  # nothing above 0: what comes near the peak
    region = peak_region(heat)
    assert region[0].nonzero().tolist() == [[row, column] for row in (2, 3, 4) for column in (3, 4, 5, 6)]
    assert region[1].nonzero().tolist() == [[6, 1], [6, 2]]
    assert (8 * corners(region)).tolist() == [[3, 2, 7, 5], [1, 6, 3, 7]]
