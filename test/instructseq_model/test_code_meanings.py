"""What codes mean is found once and kept."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from instructseq_model.code_meanings import load_code_meanings, save_code_meanings
from instructseq_model.errors import CheckpointError
from instructseq_model.label_sets import label_set
from instructseq_model.maps import PaintedCodes
from instructseq_model.vqvae import VQVAE, VQVAEConfig

SETS = ("household", "ade20k")


def painter(seed: int) -> VQVAE:
    torch.manual_seed(seed)
    return VQVAE(VQVAEConfig(resolution=32, channels=4, multipliers=(1, 2), blocks=1, codes=8, patch=4)).eval()


def test_what_is_kept_is_what_the_codes_paint_and_nothing_is_painted_again(tmp_path: Path) -> None:
    save_code_meanings(PaintedCodes(painter(1)), SETS, tmp_path / "kept")
    kept = load_code_meanings(tmp_path / "kept", codes=8, label_sets=SETS, advice="")
    fresh, known = PaintedCodes(painter(1)), PaintedCodes(painter(2), kept)
    assert torch.equal(known.marked_codes, fresh.marked_codes)
    for name in SETS:
        assert torch.equal(known.code_classes(label_set(name)), fresh.code_classes(label_set(name)))
    assert "patches" not in known.__dict__


def test_a_label_set_that_is_not_kept_is_painted(tmp_path: Path) -> None:
    save_code_meanings(PaintedCodes(painter(1)), SETS[:1], tmp_path / "kept")
    known = PaintedCodes(painter(1), load_code_meanings(tmp_path / "kept", codes=8, label_sets=SETS[:1], advice=""))
    other = label_set("coco_stuff")
    assert torch.equal(known.code_classes(other), PaintedCodes(painter(1)).code_classes(other))


GOOD = {"marked": torch.zeros(8, dtype=torch.bool), "classes.household": torch.zeros(8, dtype=torch.int64)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"marked": torch.zeros(7, dtype=torch.bool)}, "each of 8 codes"),
        ({"marked": torch.zeros(8)}, "each of 8 codes"),
        ({"classes.household": torch.full((8,), -1)}, "outside 0 to"),
        ({"classes.household": torch.full((8,), 9999)}, "outside 0 to"),
        ({"classes.household": None}, r"lacks classes\.household"),
    ],
)
def test_meanings_of_other_codes_are_refused(change: dict[str, torch.Tensor | None], said: str, tmp_path: Path) -> None:
    file = tmp_path / "kept"
    save_file({name: value for name, value in (GOOD | change).items() if value is not None}, file)
    with pytest.raises(CheckpointError, match=f"{said}.*write it anew"):
        load_code_meanings(file, codes=8, label_sets=("household",), advice="write it anew")


def test_what_is_no_file_of_tensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"\x80\x04pickle")
    with pytest.raises(CheckpointError, match=r"damaged.*write it anew"):
        load_code_meanings(tmp_path / "kept", codes=8, label_sets=("household",), advice="write it anew")
