import pytest

from instructseq_model.errors import ConfigError
from instructseq_training.scenes.config import SceneConfig


def test_shipped_configurations_are_valid(request):
    files = sorted((request.config.rootpath / "config" / "scenes").glob("*.yaml"))
    assert {file.stem for file in files} >= {"default", "tiny"}
    assert SceneConfig.from_yaml(request.config.rootpath / "config/scenes/default.yaml") == SceneConfig()
    for file in files:
        SceneConfig.from_yaml(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("widht: 3", "widht"),
        ("- 3", "list"),
        ("width: [", "cannot read"),
        ("width: 0", "width"),
        ("width: wide", "width"),
        ("room_share: 1.5", "room_share"),
        ("least_objects: 13", "least_objects"),
        ("miniatures: 99", "miniatures"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, text, message):
    file = tmp_path / "scenes.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        SceneConfig.from_yaml(file)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot read"):
        SceneConfig.from_yaml(tmp_path / "none.yaml")
