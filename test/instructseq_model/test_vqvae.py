from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from instructseq_model.errors import CheckpointError, ConfigError
from instructseq_model.vqvae import VQVAE, Codebook, VQVAEConfig, load_published, load_vqvae, save_vqvae
from instructseq_model.vqvae_layers import AttnBlock, Downsample, Upsample

Shapes = dict[str, tuple[int, ...]]

SMALL = VQVAEConfig(
    resolution=32,
    channels=8,
    multipliers=(1, 2, 2, 4),
    blocks=1,
    attention_resolutions=(4,),
    codes=32,
)
LOCAL = VQVAEConfig(
    resolution=32,
    channels=8,
    multipliers=(1, 2),
    blocks=1,
    attention_resolutions=(),
    mid_attention=False,
    codes=64,
    normalization="pixel",
    patch=4,
)


def conv(name: str, channels_in: int, channels_out: int, side: int) -> Shapes:
    return {f"{name}.weight": (channels_out, channels_in, side, side), f"{name}.bias": (channels_out,)}


def norm(name: str, channels: int) -> Shapes:
    return {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}


def block(name: str, before: int, after: int) -> Shapes:
    shapes = norm(f"{name}.norm1", before) | conv(f"{name}.conv1", before, after, 3)
    shapes |= norm(f"{name}.norm2", after) | conv(f"{name}.conv2", after, after, 3)
    return shapes if before == after else shapes | conv(f"{name}.nin_shortcut", before, after, 1)


def attention(name: str, channels: int) -> Shapes:
    shapes = norm(f"{name}.norm", channels)
    for part in ("q", "k", "v", "proj_out"):
        shapes |= conv(f"{name}.{part}", channels, channels, 1)
    return shapes


def middle(name: str, channels: int) -> Shapes:
    shapes = block(f"{name}.block_1", channels, channels) | attention(f"{name}.attn_1", channels)
    return shapes | block(f"{name}.block_2", channels, channels)


def published_shapes() -> Shapes:
    """Names and shapes of latent diffusion's vq-f8, written down from its layout and not from our modules."""
    encoder, decoder = "encoder", "decoder"
    shapes = conv(f"{encoder}.conv_in", 3, 128, 3)
    for level, (before, after) in enumerate(pairwise((128, 128, 256, 256, 512))):
        name = f"{encoder}.down.{level}"
        shapes |= block(f"{name}.block.0", before, after) | block(f"{name}.block.1", after, after)
        if level == 3:  # the side is 32 there
            shapes |= attention(f"{name}.attn.0", after) | attention(f"{name}.attn.1", after)
        else:
            shapes |= conv(f"{name}.downsample.conv", after, after, 3)
    shapes |= middle(f"{encoder}.mid", 512) | norm(f"{encoder}.norm_out", 512) | conv(f"{encoder}.conv_out", 512, 4, 3)
    shapes |= conv(f"{decoder}.conv_in", 4, 512, 3) | middle(f"{decoder}.mid", 512)
    for level, (before, after) in zip((3, 2, 1, 0), pairwise((512, 512, 256, 256, 128)), strict=True):
        name = f"{decoder}.up.{level}"
        for index in range(3):
            shapes |= block(f"{name}.block.{index}", before if index == 0 else after, after)
            if level == 3:
                shapes |= attention(f"{name}.attn.{index}", after)
        if level > 0:
            shapes |= conv(f"{name}.upsample.conv", after, after, 3)
    shapes |= norm(f"{decoder}.norm_out", 128) | conv(f"{decoder}.conv_out", 128, 3, 3)
    shapes |= {"quantize.embedding.weight": (16384, 4)}
    return shapes | conv("quant_conv", 4, 4, 1) | conv("post_quant_conv", 4, 4, 1)


def test_names_and_shapes_are_those_of_the_published_vq_f8() -> None:
    with torch.device("meta"):
        model = VQVAE(VQVAEConfig())
    assert {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()} == published_shapes()


@pytest.mark.parametrize("prefix", ["", "first_stage_model."])
def test_published_state_loads_bare_or_prefixed_and_without_the_loss(tmp_path: Path, prefix: str) -> None:
    torch.manual_seed(0)
    source, target = VQVAE(SMALL), VQVAE(SMALL)
    state = {prefix + name: tensor for name, tensor in source.state_dict().items()}
    state[f"{prefix}loss.discriminator.main.0.weight"] = torch.zeros(2)
    if prefix:
        state["model.diffusion_model.out.weight"] = torch.zeros(2)
    save_file(state, tmp_path / "published.safetensors")
    load_published(target, tmp_path / "published.safetensors")
    assert all(torch.equal(tensor, target.state_dict()[name]) for name, tensor in source.state_dict().items())


def test_weights_of_another_shape_are_refused_by_name(tmp_path: Path) -> None:
    state = VQVAE(SMALL).state_dict()
    del state["encoder.conv_in.bias"]
    state["quantize.embedding.weight"] = torch.zeros(5, 4)
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match=r"missing encoder\.conv_in\.bias.*\(5, 4\), not \(32, 4\)"):
        load_published(VQVAE(SMALL), tmp_path / "other.safetensors")


def test_a_pickle_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="convert"):
        load_published(VQVAE(SMALL), tmp_path / "model.ckpt")


def test_missing_and_damaged_files_say_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        load_published(VQVAE(SMALL), tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"\x10" * 40)
    with pytest.raises(CheckpointError, match="damaged"):
        load_published(VQVAE(SMALL), tmp_path / "bad.safetensors")


def test_saved_model_gives_the_same_codes_and_pictures(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = VQVAE(LOCAL).eval()
    save_vqvae(model, tmp_path)
    again = load_vqvae(tmp_path)
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    assert again.config == LOCAL
    assert torch.equal(model.encode(images), again.encode(images))
    codes = torch.randint(0, 64, (1, 4, 4))
    assert torch.allclose(model.decode(codes), again.decode(codes), atol=1e-5)


def test_folder_without_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config\.yaml"):
        load_vqvae(tmp_path)


@pytest.mark.parametrize("config", [SMALL, LOCAL])
def test_codes_and_pictures_have_the_promised_shapes_and_ranges(config: VQVAEConfig) -> None:
    model = VQVAE(config).eval()
    codes = model.encode(torch.rand(2, 3, 32, 64) * 2 - 1)
    assert codes.shape == (2, 4, 8)
    assert codes.dtype == torch.long
    assert 0 <= int(codes.min()) <= int(codes.max()) < config.codes
    images = model.decode(codes)
    assert images.shape == (2, 3, 32, 64)
    assert float(images.detach().abs().max()) <= 1.0


def test_encoding_is_deterministic() -> None:
    model = VQVAE(SMALL).eval()
    images = torch.rand(1, 3, 32, 32)
    assert torch.equal(model.encode(images), model.encode(images))


def test_nearest_entry_is_the_one_at_least_distance() -> None:
    torch.manual_seed(2)
    book = Codebook(50, 4)
    torch.nn.init.normal_(book.embedding.weight)
    points = torch.randn(30, 4)
    assert torch.equal(book.nearest(points), torch.cdist(points, book.embedding.weight).argmin(1))


def test_pixel_normalisation_keeps_latents_local_and_group_does_not() -> None:
    images = torch.zeros(1, 3, 32, 256)
    changed = images.clone()
    changed[..., :8] = 1.0
    moved = {}
    for kind in ("pixel", "group"):
        torch.manual_seed(3)
        model = VQVAE(VQVAEConfig(**{**LOCAL.to_mapping(), "normalization": kind})).eval()
        moved[kind] = (model.latents(images) - model.latents(changed)).abs().amax((0, 1, 2))  # one value a column
    assert moved["pixel"][0] > 0
    assert moved["pixel"][-4:].max() == 0
    assert moved["group"][-4:].max() > 0


def test_flat_regions_have_one_code_away_from_the_border() -> None:
    torch.manual_seed(4)
    codes = VQVAE(LOCAL).eval().encode(torch.full((1, 3, 256, 256), 0.3))
    assert len(codes[:, 10:-10, 10:-10].unique()) == 1


def test_downsampling_pads_on_the_right_and_at_the_bottom_only() -> None:
    layer = Downsample(1)
    torch.nn.init.ones_(layer.conv.weight)
    torch.nn.init.zeros_(layer.conv.bias)
    assert layer(torch.ones(1, 1, 4, 4)).tolist() == [[[[9.0, 6.0], [6.0, 4.0]]]]


def test_upsampling_repeats_pixels_before_its_convolution() -> None:
    layer = Upsample(1)
    torch.nn.init.dirac_(layer.conv.weight)
    torch.nn.init.zeros_(layer.conv.bias)
    doubled = layer(torch.tensor([[[[1.0, 2.0]]]]))
    assert doubled.tolist() == [[[[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]]]


def test_attention_is_softmax_over_positions_scaled_by_width() -> None:
    torch.manual_seed(5)
    layer, x = AttnBlock(8, normalization="group"), torch.randn(1, 8, 3, 3)
    h = layer.norm(x)
    q, k, v = (part(h).flatten(2)[0] for part in (layer.q, layer.k, layer.v))  # 8 x 9 each
    weights = ((q.T @ k) * 8**-0.5).softmax(1)  # 9 x 9: row i attends to all j
    expected = x + layer.proj_out((v @ weights.T).view(1, 8, 3, 3))
    assert torch.allclose(layer(x), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"channels": 0}, "channels"),
        ({"multipliers": []}, "multipliers"),
        ({"resolution": 100}, "multiple of 8"),
        ({"normalization": "batch"}, "normalization"),
        ({"channels": 10}, "multiple of 4"),
        ({"colour": 1}, "unknown keys"),
    ],
)
def test_impossible_configurations_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        VQVAEConfig.from_mapping(values)


def test_configuration_survives_yaml_types() -> None:
    assert VQVAEConfig.from_mapping(LOCAL.to_mapping()) == LOCAL
    assert VQVAEConfig().reduction == 8
    assert VQVAEConfig().grid == 32


def test_pictures_and_codes_of_the_wrong_kind_are_refused() -> None:
    model = VQVAE(LOCAL)
    with pytest.raises(ValueError, match="steps of 8"):
        model.encode(torch.zeros(1, 3, 30, 32))
    with pytest.raises(ValueError, match="whole numbers"):
        model.decode(torch.zeros(1, 4, 4))
