from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.layers import LayerNorm
from timm.layers.pos_embed import resample_abs_pos_embed, resample_abs_pos_embed_nhwc
from timm.models.vision_transformer import VisionTransformer
from timm.models.vision_transformer_sam import VisionTransformerSAM
from torch.nn import functional as F

from instructseq_model.errors import CheckpointError, ConfigError, ImageError
from instructseq_model.pretrained import PretrainedSource, pretrained_source, weights_file
from instructseq_model.vision import VISION_SPECS, VisionEncoder, build_vision_encoder
from instructseq_model.vision_transformer import VisionTransformerConfig, resampled_grid, resampled_positions

SIDE = 64  # 4 x 4 patches of 16


TINY = {
    "mae_large": VisionTransformerConfig(patch=16, width=32, depth=8, heads=2),
    "mae_base": VisionTransformerConfig(patch=16, width=32, depth=8, heads=2),
    "clip_base": VisionTransformerConfig(
        patch=16, width=32, depth=8, heads=2, epsilon=1e-5, activation="quick_gelu", pre_norm=True
    ),
    "dinov2_small": VisionTransformerConfig(patch=14, width=32, depth=8, heads=2, layer_scale=True),
}


def timm_network(name: str, *, img_size: int) -> Any:
    """A small network of timm of the same family as the named one."""
    if name == "sam_base":
        return VisionTransformerSAM(
            img_size=img_size,
            patch_size=16,
            embed_dim=32,
            depth=2,
            num_heads=2,
            window_size=2,
            global_attn_indexes=(1,),
            use_rel_pos=True,
            neck_chans=16,
            num_classes=0,
        )
    options: dict[str, Any] = {"patch_size": 16, "embed_dim": 32, "num_heads": 2}
    if name == "clip_base":
        options |= {"pre_norm": True, "norm_layer": partial(LayerNorm, eps=1e-5), "act_layer": "quick_gelu"}
    if name == "dinov2_small":
        options |= {"patch_size": 14, "init_values": 1e-5}
    return VisionTransformer(img_size=img_size, depth=8, num_classes=0, **options)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    sam = lambda *_, img_size, **__: timm_network("sam_base", img_size=img_size)  # noqa: E731
    monkeypatch.setattr(timm, "create_model", sam)
    for name, spec in VISION_SPECS.items():
        own = replace(spec, width=16 if name == "sam_base" else 32, network=TINY.get(name, spec.network))
        monkeypatch.setitem(VISION_SPECS, name, own)


def randomised(network: Any) -> Any:
    """Every parameter away from zero: timm starts biases and relative positions there, which would hide mistakes."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return network.eval()


def saved(network: Any, folder: Path) -> PretrainedSource:
    save_file(network.state_dict(), folder / "model.safetensors")
    return PretrainedSource(path=folder / "model.safetensors")


def normalised(pixels: torch.Tensor, name: str) -> torch.Tensor:
    spec = VISION_SPECS[name]
    return (pixels - torch.tensor(spec.mean).view(3, 1, 1)) / torch.tensor(spec.std).view(3, 1, 1)


@pytest.mark.parametrize("name", ["mae_large", "mae_base", "clip_base"])
@torch.no_grad()
def test_weights_of_timm_give_the_patches_of_timm(tiny: None, tmp_path: Path, name: str) -> None:
    network = randomised(timm_network(name, img_size=SIDE))
    encoder = build_vision_encoder(name, image_size=SIDE, pretrained=saved(network, tmp_path)).eval()
    pixels = torch.rand(2, 3, SIDE, SIDE)
    expected = network.forward_features(normalised(pixels, name))[:, 1:]
    torch.testing.assert_close(encoder(pixels), expected)


@torch.no_grad()
def test_layer_scale_and_inner_blocks_are_those_of_timm(tiny: None, tmp_path: Path) -> None:
    network = randomised(timm_network("dinov2_small", img_size=56))
    encoder = build_vision_encoder("dinov2_small", image_size=56, pretrained=saved(network, tmp_path)).eval()
    pixels = torch.rand(2, 3, 56, 56)
    last, (inner,) = network.forward_intermediates(normalised(pixels, "dinov2_small"), indices=[5], output_fmt="NLC")
    expected = torch.cat([F.layer_norm(inner, (32,), eps=1e-6), last[:, 1:]], -1)
    torch.testing.assert_close(encoder(pixels), expected)


@pytest.mark.parametrize("name", [name for name in VISION_SPECS if name != "sam_base"])
def test_published_shapes_are_those_of_timm(name: str) -> None:
    spec = VISION_SPECS[name]
    with torch.device("meta"):
        theirs = timm.create_model(spec.timm_name, num_classes=0, img_size=224)
        ours = spec.network.build(224)
    shapes = [{key: value.shape for key, value in network.state_dict().items()} for network in (ours, theirs)]
    assert shapes[0] == shapes[1]
    norms = [{part.eps for part in network.modules() if hasattr(part, "eps")} for network in (ours, theirs)]
    assert norms[0] == norms[1]


@pytest.mark.parametrize(("old", "new", "antialias"), [(4, 8, True), (8, 4, True), (8, 4, False)])
def test_position_embeddings_are_resampled_as_timm_does(old: int, new: int, antialias: bool) -> None:
    rows = torch.randn(1, 1 + old * old, 12)
    expected = resample_abs_pos_embed(rows, [new, new], num_prefix_tokens=1, antialias=antialias)
    torch.testing.assert_close(resampled_positions(rows, tokens=1 + new * new, antialias=antialias), expected)
    grid = torch.randn(1, old, old, 12)
    expected = resample_abs_pos_embed_nhwc(grid, [new, new], antialias=antialias)
    torch.testing.assert_close(resampled_grid(grid, side=new, antialias=antialias), expected)


@torch.no_grad()
def test_position_embeddings_are_resampled_to_the_input_size(tiny: None, tmp_path: Path) -> None:
    network = randomised(timm_network("mae_base", img_size=SIDE))
    encoder = build_vision_encoder("mae_base", image_size=2 * SIDE, pretrained=saved(network, tmp_path)).eval()
    assert encoder.grid == 8
    network.set_input_size(img_size=2 * SIDE)  # timm's own resampling
    pixels = torch.rand(1, 3, 2 * SIDE, 2 * SIDE)
    expected = network.forward_features(normalised(pixels, "mae_base"))[:, 1:]
    torch.testing.assert_close(encoder(pixels), expected)


@pytest.mark.parametrize("trained_at", [SIDE, 2 * SIDE])
@torch.no_grad()
def test_sam_gives_its_neck_and_relative_positions_are_resampled(tiny: None, tmp_path: Path, trained_at: int) -> None:
    network = randomised(timm_network("sam_base", img_size=trained_at))
    encoder = build_vision_encoder("sam_base", image_size=SIDE, pretrained=saved(network, tmp_path)).eval()
    pixels = torch.rand(1, 3, SIDE, SIDE)
    expected = network.forward_features(normalised(pixels, "sam_base"))  # B x D x h x w, resampled as it runs
    torch.testing.assert_close(encoder(pixels).transpose(1, 2).reshape(expected.shape), expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_patches_are_in_row_major_order(tiny: None) -> None:
    encoder = build_vision_encoder("mae_base", image_size=SIDE, pretrained=None).eval()
    encoder.network.pos_embed.zero_()
    for block in encoder.network.blocks:  # without attention a patch's feature depends on that patch only
        block.attn.proj.weight.zero_()
    pixels = torch.zeros(1, 3, SIDE, SIDE)
    pixels[:, :, 16:32, 48:64] = 1  # second row, fourth column
    difference = (encoder(pixels) - encoder(torch.zeros_like(pixels))).abs().amax(-1)[0]
    assert difference.nonzero().flatten().tolist() == [1 * 4 + 3]


@pytest.mark.parametrize(
    ("name", "side", "grid", "width"),
    [
        ("mae_large", 512, 32, 1024),
        ("mae_base", 512, 32, 768),
        ("sam_base", 512, 32, 256),
        ("clip_base", 512, 32, 768),
        ("dinov2_small", 224, 16, 768),
    ],
)
def test_published_sizes(name: str, side: int, grid: int, width: int) -> None:
    with torch.device("meta"):  # shapes without numbers
        encoder = build_vision_encoder(name, image_size=side, pretrained=None).eval()
        features = encoder(torch.rand(2, 3, side, side))
    assert (encoder.grid, encoder.width) == (grid, width)
    assert features.shape == (2, grid**2, width)


@pytest.mark.parametrize("name", list(VISION_SPECS))
def test_normalisation_is_the_one_the_weights_were_trained_with(name: str) -> None:
    spec = VISION_SPECS[name]
    published = timm.get_pretrained_cfg(spec.timm_name)
    assert published is not None
    assert (spec.mean, spec.std) == (published.mean, published.std)


@torch.no_grad()
def test_inner_blocks_come_first_and_are_layer_normed(tiny: None) -> None:
    encoder = build_vision_encoder("dinov2_small", image_size=56, pretrained=None).eval()
    features = encoder(torch.rand(1, 3, 56, 56))
    assert features.shape == (1, 16, 64)
    states: list[torch.Tensor] = []
    encoder.network.blocks[5].register_forward_hook(lambda *arguments: states.append(arguments[2]))
    features = encoder(torch.rand(1, 3, 56, 56))
    torch.testing.assert_close(features[..., :32], F.layer_norm(states[0][:, 1:], (32,), eps=1e-6))
    assert features[..., :32].mean(-1).abs().max() < 1e-5


@pytest.mark.parametrize("name", ["mae_base", "sam_base", "dinov2_small"])
@torch.no_grad()
def test_bfloat16_and_autocast_stay_close_to_float32(tiny: None, name: str) -> None:
    side = 56 if name == "dinov2_small" else SIDE
    encoder = build_vision_encoder(name, image_size=side, pretrained=None).eval()
    pixels = torch.rand(2, 3, side, side)
    exact = encoder(pixels)
    with torch.autocast("cpu", torch.bfloat16):
        automatic = encoder(pixels).float()
    pure = encoder.to(torch.bfloat16)(pixels)
    assert pure.dtype == torch.bfloat16
    for found in (automatic, pure.float()):
        assert (found - exact).norm() < 0.03 * exact.norm()


def test_gradients_reach_the_first_layer_unless_frozen(tiny: None) -> None:
    encoder = build_vision_encoder("mae_base", image_size=SIDE, pretrained=None)
    encoder(torch.rand(1, 3, SIDE, SIDE)).sum().backward()
    assert encoder.network.patch_embed.proj.weight.grad is not None


def test_a_state_dict_holds_only_what_was_learned(tiny: None) -> None:
    encoder = build_vision_encoder("mae_base", image_size=SIDE, pretrained=None)
    assert all(key.startswith("network.") for key in encoder.state_dict())


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 3, 64, 48), (1, 1, 64, 64)])
def test_pixels_of_another_shape_are_refused(tiny: None, shape: tuple[int, ...]) -> None:
    encoder = build_vision_encoder("mae_base", image_size=SIDE, pretrained=None)
    with pytest.raises(ImageError, match="B x 3 x 64 x 64"):
        encoder(torch.rand(shape))


def test_unknown_names_and_sizes_are_refused() -> None:
    with pytest.raises(ConfigError, match="mae_large"):
        build_vision_encoder("resnet50", image_size=224, pretrained=None)
    with pytest.raises(ConfigError, match="patch size 14"):
        build_vision_encoder("dinov2_small", image_size=256, pretrained=None)


def test_weights_of_another_network_are_refused(tiny: None, tmp_path: Path) -> None:
    network = timm_network("clip_base", img_size=SIDE)
    with pytest.raises(CheckpointError, match="lacks 1 tensors"):  # CLIP's patches have no bias
        build_vision_encoder("mae_base", image_size=SIDE, pretrained=saved(network, tmp_path))


def test_weights_of_another_width_are_refused(tiny: None, tmp_path: Path) -> None:
    network = VisionTransformer(img_size=SIDE, depth=8, num_classes=0, patch_size=16, embed_dim=48, num_heads=2)
    with pytest.raises(CheckpointError, match="very network"):
        build_vision_encoder("mae_base", image_size=SIDE, pretrained=saved(network, tmp_path))


@torch.no_grad()
def test_default_encoder_equals_the_graph_it_was_read_from() -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is the independent check")
    onnx = pytest.importorskip("onnx")
    source = pretrained_source("dinov2_small", offline=True)
    try:
        file = weights_file(source)
    except CheckpointError as error:
        pytest.skip(str(error))
    graph = onnx.load(str(file))
    producers = {output: node for node in graph.graph.node for output in node.output}
    names = []
    for layer in ("backbone.encoder.layer.6.norm1.bias", "backbone.layernorm.bias"):
        node = next(node for node in graph.graph.node if layer in node.input)
        names.append(node.output[0])
    before = producers[names[0]]
    while before.op_type != "Sub":  # back through the norm to what goes into it
        before = producers[before.input[0]]
    names[0] = before.input[0]
    graph.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])

    encoder: VisionEncoder = build_vision_encoder("dinov2_small", image_size=224, pretrained=source).eval()
    pixels = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    inner, last = session.run(names, {"input_image": normalised(pixels, "dinov2_small").numpy()})
    expected = torch.cat([F.layer_norm(torch.tensor(inner), (384,), eps=1e-6), torch.tensor(last)], -1)[:, 1:]
    torch.testing.assert_close(encoder(pixels), expected, atol=1e-4, rtol=0)
