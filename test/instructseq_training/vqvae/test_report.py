"""The report's numbers on maps made by hand, and the report of any folder."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from instructseq_cli.main import app
from instructseq_model.errors import CheckpointError
from instructseq_model.vqvae import VQVAE, VQVAEConfig, save_vqvae
from instructseq_training.vqvae.data import DataConfig
from instructseq_training.vqvae.evaluation import compare
from instructseq_training.vqvae.maps import MapBatch, Palettes
from instructseq_training.vqvae.report import report

from .test_maps import write_shard

PALETTES = Palettes(
    semantic=np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8),
    referring=np.array([[0, 0, 0], [0, 0, 255]], np.uint8),
)
MODEL = VQVAEConfig(
    resolution=32,
    channels=8,
    multipliers=(1, 2),
    blocks=1,
    attention_resolutions=(),
    mid_attention=False,
    codes=16,
    normalization="pixel",
    patch=4,
)


def halves(left: int, right: int) -> torch.Tensor:
    """4 x 4, each half in one row of the palette."""
    return torch.tensor([[left, left, right, right]] * 4)


def test_numbers_match_a_hand_count() -> None:
    """One class map, two masks and an empty one; cells of 2 x 2."""
    truth = torch.stack([halves(1, 2), halves(1, 0), halves(1, 1), halves(0, 0)])
    found = truth.clone()
    found[0, 0, 2:] = 1  # 2 of the 8 pixels of class 2 come back as class 1
    found[1, 0, :2] = 0  # 2 of 8 pixels are lost
    found[2, :, 2:] = 0  # half of 16 pixels is lost
    codes = torch.tensor([[[3, 4], [3, 4]], [[5, 6], [5, 6]], [[5, 5], [5, 7]], [[6, 6], [6, 6]]])
    maps = MapBatch(ids=truth, kinds=torch.tensor([0, 1, 1, 1]))
    got = compare(found, codes, maps, PALETTES, side=2, codes_in_all=20)
    assert got.semantic_miou == pytest.approx((8 / 10 + 6 / 8) / 2)
    assert got.pixel_accuracy == pytest.approx(14 / 16)
    assert got.referring_miou == pytest.approx((6 / 8 + 8 / 16) / 2)
    assert got.referring_oiou == pytest.approx((6 + 8) / (8 + 16))
    assert got.empty_kept == 1.0
    assert (got.used, got.used_share) == (5, 5 / 20)
    shares = np.array([2, 2, 5, 6, 1]) / 16  # of the codes 3, 4, 5, 6, 7
    assert got.perplexity == pytest.approx(math.exp(-(shares * np.log(shares)).sum()))
    # Flat neighbours of one colour: the two pairs of the third map (5 5 equal, 5 7 not) and those of the empty one.
    assert got.flat_consistency == pytest.approx(3 / 4)
    # Red 3, green 4, blue five 5 and one 7, black six 6: three colours with one code, blue with two.
    blue = math.exp(-(5 / 6 * math.log(5 / 6) + 1 / 6 * math.log(1 / 6)))
    assert got.flat_codes == pytest.approx((1 + 1 + 1 + blue) / 4)


def test_what_the_maps_do_not_tell_is_left_open() -> None:
    ids = torch.stack([halves(1, 2), halves(1, 0)])
    maps = MapBatch(ids=ids, kinds=torch.tensor([0, 1]))
    got = compare(ids, torch.zeros(2, 2, 2, dtype=torch.long), maps, PALETTES, side=2, codes_in_all=4).rounded()
    assert got["empty_kept"] is None
    assert got["flat_consistency"] is None
    assert got["referring_oiou"] == 1.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("vqvae")
    torch.manual_seed(0)
    save_vqvae(VQVAE(MODEL), out)
    return out


@pytest.mark.parametrize("label_set", ["household", "coco_stuff", "ade20k"])
def test_any_folder_is_measured_in_any_colours(label_set: str, folder: Path, tmp_path: Path) -> None:
    config = DataConfig(label_set=label_set, evaluation_maps=6)
    measured = report(folder, data=None, config=config, out=tmp_path)
    assert json.loads((tmp_path / "report.json").read_text()) == measured
    assert (tmp_path / "recon.png").is_file()
    assert 0 <= measured["semantic_miou"] <= 1
    assert report(folder, data=None, config=config, out=tmp_path) == measured


def test_command_measures_on_scenes(folder: Path, tmp_path: Path) -> None:
    frame = np.repeat(np.array([[0, 1], [2, 3]]), 30, 0).repeat(40, 1)
    write_shard(tmp_path / "heldout-00000.tar", {"a": {"classes": frame, "instances": frame}})
    command = ["train", "vqvae-report", str(folder), "--scenes", str(tmp_path), "--split", "heldout", "--maps", "4"]
    shown = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "out")])
    assert shown.exit_code == 0, shown.output
    measured = json.loads(shown.stdout)
    assert measured["data"] == str(tmp_path)
    assert measured["maps"] == 4
    foreign = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "out"), "--label-set", "coco_stuff"])
    assert json.loads(foreign.stdout)["label_set"] == "coco_stuff"


def test_a_folder_without_a_vqvae_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="instructseq train vqvae"):
        report(tmp_path, data=None, config=DataConfig(), out=tmp_path)
