from collections.abc import Callable
from typing import Any

import pytest
import torch

from instructseq_model.decoding import GREEDY, decoding_prefix, generate
from instructseq_model.errors import ConfigError
from instructseq_model.grounding import Grounding, GroundingConfig, corners, peak_region
from instructseq_model.vocabulary import OutputKind


def grounding() -> Grounding:
    torch.manual_seed(0)
    return Grounding(
        GroundingConfig(subcells=2, key_width=4), width=8, vision_width=6, instruction_width=5, grid=3
    ).eval()


@pytest.mark.parametrize("settings", [{"subcells": 0}, {"key_width": 0}])
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
def test_keys_are_unit_vectors() -> None:
    keys = grounding().keys(torch.randn(2, 9, 8), torch.randn(2, 9, 6))
    assert keys.shape == (2, 9, 4, 4)
    torch.testing.assert_close(keys.norm(dim=-1), torch.ones(2, 9, 4))


@torch.no_grad()
def test_instructions_are_compared_with_their_own_image() -> None:
    model = grounding()
    keys, instruction = model.keys(torch.randn(2, 9, 8), torch.randn(2, 9, 6)), torch.randn(4, 21)
    together = model(keys, instruction)
    assert together.shape == (4, 9, 4)
    for row in range(4):
        alone = model(keys[row // 2 : row // 2 + 1], instruction[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone)


@torch.no_grad()
def test_conditioning_of_a_box_alone_is_that_beside_a_map() -> None:
    model = grounding()
    logits, states = torch.randn(4, 9, 4), torch.randn(2, 9, 8)
    painted = model.condition(logits, states, paint=True)
    boxed = model.condition(logits, states, paint=False)
    assert boxed.cells is None
    assert painted.cells is not None
    assert painted.cells.shape == (4, 9, 8)
    torch.testing.assert_close(boxed.box, painted.box)
    torch.testing.assert_close(painted.begin, painted.cells[:, 0] + painted.box[:, 0])
    assert torch.equal(painted.repeated(2).box[5], painted.box[2])
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
