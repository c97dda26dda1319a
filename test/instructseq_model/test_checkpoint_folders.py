"""Finding a checkpoint by folder or by name."""

import pytest

from instructseq_model import checkpoint_folders
from instructseq_model.checkpoint_folders import find_checkpoint
from instructseq_model.errors import CheckpointError


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A ROS installation that brings one checkpoint, and a source tree that brings none."""
    shipped = tmp_path / "install" / "share" / "instructseq" / "checkpoints" / "garage"
    shipped.mkdir(parents=True)
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path / 'nowhere'}:{tmp_path / 'install'}")
    monkeypatch.setattr(checkpoint_folders, "__file__", str(tmp_path / "source" / "instructseq_model" / "x.py"))
    return shipped


def test_a_folder_is_taken_as_it_is(tmp_path):
    assert find_checkpoint(str(tmp_path)) == tmp_path


def test_a_name_is_found_in_an_installed_workspace(workspace):
    assert find_checkpoint("garage") == workspace


def test_the_message_lists_the_names_there_are(workspace):
    with pytest.raises(CheckpointError, match=r"'attic'.*one of garage"):
        find_checkpoint("attic")


def test_without_any_shipped_checkpoint_the_message_says_so(workspace):
    workspace.rmdir()
    with pytest.raises(CheckpointError, match="brings none of its own"):
        find_checkpoint("household")
