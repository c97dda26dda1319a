import numpy as np
import torch

from instructseq_model.label_sets import label_set
from instructseq_model.maps import PaintedCodes, class_maps, decode_maps, encode_maps, referring_masks
from instructseq_model.palette import NAMED_COLOURS, paint
from instructseq_model.vqvae import VQVAE, VQVAEConfig


def test_codes_become_pictures_of_the_vqvaes_resolution_and_back() -> None:
    torch.manual_seed(0)
    vqvae = VQVAE(VQVAEConfig(resolution=16, channels=4, multipliers=(1, 2), blocks=1, codes=8)).eval()
    codes = torch.randint(0, 8, (3, 64))
    painted = decode_maps(vqvae, codes)
    assert (painted.shape, painted.dtype) == ((3, 16, 16, 3), np.uint8)
    with torch.no_grad():
        expected = (vqvae.decode(codes.view(3, 8, 8)) + 1) * 127.5
    assert np.abs(painted - expected.permute(0, 2, 3, 1).numpy()).max() <= 0.51
    read = encode_maps(vqvae, painted)
    assert (read.shape, read.dtype) == ((3, 64), torch.long)
    assert 0 <= int(read.min()) <= int(read.max()) < 8


def test_every_named_colour_is_a_mark_and_black_is_none() -> None:
    colours = np.array([(0, 0, 0), *NAMED_COLOURS.values()], np.uint8)[None, None]  # 1 x 1 x 9 x 3
    assert referring_masks(colours)[0, 0].tolist() == [False] + [True] * len(NAMED_COLOURS)


def test_marks_survive_noise_and_dark_noise_is_no_mark() -> None:
    colours = np.array([(60, 40, 50), (200, 60, 70), (20, 90, 30)], np.uint8)[None, None]
    assert referring_masks(colours)[0, 0].tolist() == [False, True, False]


def test_marks_are_nearer_to_a_named_colour_than_to_black_in_whole_numbers() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (2, 50, 60, 3), np.uint8)
    named = np.array(list(NAMED_COLOURS.values()))  # C x 3
    distances = ((colours[..., None, :].astype(int) - named) ** 2).sum(-1)  # B x H x W x C
    expected = (distances < (colours.astype(int) ** 2).sum(-1)[..., None]).any(-1)
    assert np.array_equal(referring_masks(colours), expected)


def test_painted_classes_are_read_back() -> None:
    household = label_set("household")
    ids = np.arange(household.unlabelled + 1)[None]
    painted = paint(ids, household)
    assert np.array_equal(class_maps(painted[None], household)[0], ids)


def test_a_code_is_marked_if_what_it_paints_alone_is() -> None:
    torch.manual_seed(0)
    vqvae = VQVAE(VQVAEConfig(resolution=32, channels=4, multipliers=(1, 2), blocks=1, codes=8, patch=4)).eval()
    expected = []
    for code in range(8):
        middle = decode_maps(vqvae, torch.full((1, 9), code))[:, 8:16, 8:16]
        expected.append(bool(referring_masks(middle).mean() > 0.5))
    assert PaintedCodes(vqvae).marked_codes.tolist() == expected


def test_equal_codes_paint_alike_each_in_its_own_place() -> None:
    torch.manual_seed(0)
    vqvae = VQVAE(VQVAEConfig(resolution=32, channels=4, multipliers=(1, 2), blocks=1, codes=8, patch=4)).eval()
    with torch.no_grad():
        vqvae.codebook[torch.tensor([1, 6])] = vqvae.codebook[[3, 3]]
    patches = PaintedCodes(vqvae).patches
    for code in range(8):
        expected = decode_maps(vqvae, torch.full((1, 9), code))[0, 8:16, 8:16].astype(int)
        assert np.abs(patches[code] - expected).max() <= 1  # rounding of a batch of another size


def test_a_codes_class_is_the_one_it_paints_most_of() -> None:
    torch.manual_seed(1)
    household = label_set("household")
    vqvae = VQVAE(VQVAEConfig(resolution=32, channels=4, multipliers=(1, 2), blocks=1, codes=8, patch=4)).eval()
    expected = []
    for code in range(8):
        middle = decode_maps(vqvae, torch.full((1, 9), code))[:, 8:16, 8:16]
        ids, counts = np.unique(class_maps(middle, household), return_counts=True)
        expected.append(int(ids[counts.argmax()]))
    assert PaintedCodes(vqvae).code_classes(household).tolist() == expected
