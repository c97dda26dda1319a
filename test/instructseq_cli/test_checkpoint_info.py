"""`instructseq info`: sizes, hashes, parameters and the card, without loading the weights."""

import hashlib
import json

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

from instructseq_cli.checkpoint_info import count_parameters, read_checkpoint_info
from instructseq_cli.main import app
from instructseq_model.errors import CheckpointError


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    weights = {"vqvae.codebook": np.zeros((8, 4), np.float32), "vqvae.bias": np.zeros(3, np.float32)}
    save_file({**weights, "decoder.head": np.zeros((5, 2), np.float16)}, folder / "model.safetensors")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A small model\n\nIt knows nothing.\n")
    return folder


def test_parameters_are_counted_by_part(checkpoint):
    assert count_parameters(checkpoint / "model.safetensors") == {"vqvae": 35, "decoder": 10}


def test_files_have_their_sizes_and_hashes(checkpoint):
    found = read_checkpoint_info(checkpoint)
    content = (checkpoint / "model.safetensors").read_bytes()
    weights = next(file for file in found.files if file.name == "model.safetensors")
    assert weights.size_bytes == len(content)
    assert weights.sha256 == hashlib.sha256(content).hexdigest()
    assert found.size_bytes == sum(file.stat().st_size for file in checkpoint.iterdir())


def test_json_is_one_object_with_everything(checkpoint):
    shown = CliRunner().invoke(app, ["info", str(checkpoint), "--json"])
    found = json.loads(shown.stdout)
    assert found["parameters"] == {"vqvae": 35, "decoder": 10}
    assert found["card"].startswith("---\nlicense")


def test_the_card_is_shown_without_its_front_matter(checkpoint):
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["info", str(checkpoint)])
    assert shown.exit_code == 0
    assert "A small model" in shown.stdout
    assert "license: apache" not in shown.stdout
    assert "model.safetensors" in shown.stdout


def test_a_file_that_differs_from_the_manifest_is_called_changed(checkpoint):
    content = (checkpoint / "model.safetensors").read_bytes()
    recorded = {"model.safetensors": hashlib.sha256(content).hexdigest(), "README.md": "0" * 64}
    (checkpoint / "manifest.json").write_text(json.dumps({"sha256": recorded}))
    found = {file.name: file.intact for file in read_checkpoint_info(checkpoint).files}
    assert found == {"README.md": False, "manifest.json": None, "model.safetensors": True}
    assert "CHANGED" in CliRunner(env={"COLUMNS": "200"}).invoke(app, ["info", str(checkpoint)]).stdout


def test_a_damaged_manifest_is_refused(checkpoint):
    (checkpoint / "manifest.json").write_text("[]")
    with pytest.raises(CheckpointError, match=r"manifest\.json is damaged"):
        read_checkpoint_info(checkpoint)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="holds no file"):
        read_checkpoint_info(tmp_path)


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64, (5).to_bytes(8, "little") + b"[1,2]"])
def test_damaged_weights_are_refused(checkpoint, content):
    (checkpoint / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="no intact safetensors"):
        read_checkpoint_info(checkpoint)
