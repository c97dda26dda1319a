from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from instructseq_bench.gpt2_peer import copy_layers
from instructseq_model.errors import ConfigError
from instructseq_model.grounding import GroundingConfig
from instructseq_model.sequence_model import SequenceConfig, SequenceModel
from instructseq_model.transformer import TransformerConfig, causal_mask
from instructseq_model.vocabulary import BEGIN, OutputKind, Vocabulary

LENGTH_OF = {OutputKind.MAP: 9, OutputKind.BOXES: 9, OutputKind.TEXT: 6}


def outputs(model: SequenceModel, kind: OutputKind, rows: int) -> Tensor:
    """Random tokens of a kind, rows x longest."""
    ids = model.config.vocabulary.range_of(kind)
    generator = torch.Generator().manual_seed(3)
    return torch.randint(ids.start, ids.stop, (rows, LENGTH_OF[kind]), generator=generator)


def shifted(tokens: Tensor) -> Tensor:
    """Inputs that predict `tokens`: BEGIN, then all but the last."""
    return torch.cat([torch.full_like(tokens[:, :1], BEGIN), tokens[:, :-1]], 1)


@pytest.mark.parametrize("kind", list(OutputKind))
@torch.no_grad()
def test_cached_steps_equal_the_teacher_forced_pass(scene: Any, kind: OutputKind) -> None:
    model, tokens = scene.model, outputs(scene.model, kind, 3)
    whole = model.logits(scene.image(), scene.instructions(), shifted(tokens), kind)
    prefix = scene.prefix()
    cache = model.static_cache(rows=3, length=tokens.shape[1], dtype=torch.float32)
    states = [prefix.begin]
    for step in range(1, tokens.shape[1]):
        x = model.embed(tokens[:, step - 1 : step], kind, step, prefix.conditioning)
        starts = torch.full((3,), step - 1)
        new = model.transformer.step(x, prefix=prefix.past, prefix_mask=prefix.mask, cache=cache, starts=starts)
        states.append(model.grounded(new, kind, step, prefix.conditioning)[:, 0])
    torch.testing.assert_close(model.head(torch.stack(states, 1)), whole, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_instructions_of_different_lengths_together_equal_each_alone(scene: Any) -> None:
    kind = OutputKind.BOXES
    tokens = shifted(outputs(scene.model, kind, 3))
    together = scene.model.logits(scene.image(), scene.instructions(), tokens, kind)
    for row in range(3):
        alone = scene.model.logits(scene.image(), scene.instructions(row), tokens[row : row + 1], kind)
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_two_images_with_two_instructions_each_equal_four_single_runs(scene: Any) -> None:
    model, kind = scene.model, OutputKind.MAP
    features = torch.cat([scene.features, scene.features.flip(1)])
    rows = [0, 1, 2, 0]
    tokens = shifted(outputs(model, kind, 4))
    image = model.encode_image(features)
    read = model.encode_instruction(image, scene.states[rows], scene.lengths[rows])
    together = model.logits(image, read, tokens, kind)
    for row in range(4):
        one = model.encode_image(features[row // 2 : row // 2 + 1])
        length = int(scene.lengths[rows[row]])
        alone = model.encode_instruction(one, scene.states[[rows[row]], :length], scene.lengths[[rows[row]]])
        expected = model.logits(one, alone, tokens[row : row + 1], kind)
        torch.testing.assert_close(together[row : row + 1], expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_prefix_and_outputs_equal_one_dense_pass_with_an_explicit_mask(scene: Any) -> None:
    model, kind = scene.model, OutputKind.MAP
    tokens = shifted(outputs(model, kind, 1))
    image, read = scene.image(), scene.instructions(0)
    of_image = model.image_projection(scene.features) + model.image_positions + model.segments[0]
    of_text = model.instruction_projection(scene.states[:1]) + model.instruction_positions[:5] + model.segments[1]
    conditioning = scene.prefix(0).conditioning
    of_output = model.embed(tokens, kind, 0, conditioning)
    x = torch.cat([of_image, of_text, of_output], 1)
    mask = causal_mask(x.shape[1], x.shape[1], x.device)
    if model.config.transformer.prefix_attention == "block":
        mask[:9, :9] = True
        mask[9:14, :14] = True
    states, _ = model.transformer(x, mask=mask)
    torch.testing.assert_close(image.states, states[:, :9], atol=1e-4, rtol=1e-4)
    whole = model.logits(image, read, tokens, kind)
    expected = model.head(model.grounded(states[:, 14:], kind, 0, conditioning))
    torch.testing.assert_close(whole, expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_image_is_the_same_whatever_the_instruction(make_scene: Callable[..., Any]) -> None:
    scene = make_scene()
    image = scene.image()
    before = [layer.keys.clone() for layer in image.past]
    first = scene.model.encode_instruction(image, scene.states[:1], scene.lengths[:1])
    other = scene.model.encode_instruction(image, scene.states[2:, :3], scene.lengths[2:])
    assert all(torch.equal(layer.keys, held) for layer, held in zip(image.past, before, strict=True))
    assert not torch.allclose(first.past[1].keys[:, :, :3], other.past[1].keys)


@torch.no_grad()
def test_causal_form_gives_the_logits_of_hugging_faces_gpt2(make_scene: Callable[..., Any]) -> None:
    transformers = pytest.importorskip("transformers")
    scene = make_scene(attention="causal", grounding=False)
    model, kind = scene.model, OutputKind.TEXT
    width, vocabulary = model.config.transformer.width, model.config.vocabulary.size
    gpt = transformers.GPT2Model(
        transformers.GPT2Config(
            n_layer=2,
            n_embd=width,
            n_head=2,
            vocab_size=vocabulary,
            n_positions=64,
            activation_function="gelu",  # the tanh form is an approximation of it, five times slower on a CPU
            attn_implementation="eager",
        )
    ).eval()
    gpt.wpe.weight.zero_()  # positions are part of the embeddings here
    copy_layers(model, gpt)
    tokens = shifted(outputs(model, kind, 1))
    of_image = model.image_projection(scene.features) + model.image_positions + model.segments[0]
    of_text = model.instruction_projection(scene.states[:1]) + model.instruction_positions[:5] + model.segments[1]
    x = torch.cat([of_image, of_text, model.embed(tokens, kind, 0, None)], 1)
    hidden = gpt(inputs_embeds=x).last_hidden_state
    torch.testing.assert_close(scene.image().states, hidden[:, :9], atol=1e-4, rtol=0)
    ours = model.logits(scene.image(), scene.instructions(0), tokens, kind)
    expected = hidden[:, 14:] @ model.head.weight.T + model.head.bias
    assert expected.abs().max() > 1
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=0)


@torch.no_grad()
def test_head_of_a_range_is_a_slice_of_the_whole_head(make_scene: Callable[..., Any]) -> None:
    model = make_scene().model
    states = torch.randn(2, 3, 16)
    ids = model.config.vocabulary.position_range
    torch.testing.assert_close(model.head_of(states, ids), model.head(states)[..., ids.start : ids.stop])


def test_training_reaches_every_weight_that_a_map_uses(make_scene: Callable[..., Any]) -> None:
    scene = make_scene()
    kind = OutputKind.MAP
    logits = scene.model.logits(scene.image(), scene.instructions(), shifted(outputs(scene.model, kind, 3)), kind)
    logits.square().mean().backward()
    unused = {name for name, parameter in scene.model.named_parameters() if parameter.grad is None}
    assert unused == {"box_positions", "text_positions"}


def test_output_lengths() -> None:
    config = config_with(None, map_grid=4)
    assert {kind: config.output_length(kind) for kind in OutputKind} == {
        OutputKind.TEXT: 12,
        OutputKind.BOXES: 13,
        OutputKind.MAP: 16,
    }


def test_grounding_on_another_grid_is_refused() -> None:
    with pytest.raises(ConfigError, match="map_grid = vision_grid"):
        config_with(GroundingConfig(), map_grid=4)


def config_with(grounding: GroundingConfig | None, *, map_grid: int) -> SequenceConfig:
    return SequenceConfig(
        transformer=TransformerConfig(layers=1, width=8, heads=1),
        vocabulary=Vocabulary(text_size=3, visual_size=3),
        vision_width=4,
        vision_grid=3,
        instruction_width=4,
        max_instruction_tokens=4,
        map_grid=map_grid,
        max_text_tokens=12,
        max_boxes=3,
        grounding=grounding,
    )
