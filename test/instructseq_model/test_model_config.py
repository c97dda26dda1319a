from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from instructseq_model.errors import ConfigError
from instructseq_model.model_config import ModelConfig, load_model_config

CONFIGS = Path(__file__).parents[2] / "config"
NAMES = ("household", "large", "base-mae", "base-sam", "base-clip")


@pytest.mark.parametrize("name", NAMES)
def test_shipped_configurations_load_and_survive_a_round_trip(name: str, tmp_path: Path) -> None:
    config = load_model_config(CONFIGS / f"{name}.yaml")
    assert config.name == name
    (tmp_path / "again.yaml").write_text(yaml.safe_dump(config.to_mapping()))
    assert load_model_config(tmp_path / "again.yaml") == config


def test_large_has_the_papers_sizes() -> None:
    config = load_model_config(CONFIGS / "large.yaml")
    sequence = config.sequence
    assert sequence.vocabulary.size == 67_649 + 4
    assert sequence.vision_grid**2 == sequence.map_grid**2 == 1024
    assert (config.image_size, config.vqvae.resolution) == (512, 256)
    shape = sequence.transformer
    assert (shape.layers, shape.width, shape.heads) == (12, 1024, 16)
    assert (sequence.vision_width, sequence.instruction_width) == (1024, 1024)
    assert sequence.grounding is None


@pytest.mark.parametrize(
    ("name", "encoders", "widths"),
    [
        ("base-mae", ("mae_base", "roberta_base"), (768, 768)),
        ("base-sam", ("sam_base", "roberta_base"), (256, 768)),
        ("base-clip", ("clip_base", "clip_text"), (768, 512)),
    ],
)
def test_base_differs_from_large_in_encoders_and_width(
    name: str, encoders: tuple[str, str], widths: tuple[int, int]
) -> None:
    config, large = (load_model_config(CONFIGS / f"{one}.yaml") for one in (name, "large"))
    assert (config.vision_encoder, config.instruction_encoder) == encoders
    assert (config.sequence.vision_width, config.sequence.instruction_width) == widths
    assert (config.transformer.layers, config.transformer.width, config.transformer.heads) == (12, 768, 12)
    changed = {"name", "vision_encoder", "instruction_encoder", "transformer"}
    same = {field: getattr(large, field) for field in changed}
    assert replace(config, **same) == large


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"vision_encoder": "resnet"}, "dinov2_small"),
        ({"instruction_encoder": "bert"}, "minilm"),
        ({"fit": "crop"}, "stretch, letterbox"),
        ({"label_sets": []}, "at least one"),
        ({"label_sets": ["coco"]}, "coco_stuff"),
        ({"surprise": 1}, "surprise"),
        ({"transformer": {"layers": 1}}, "width"),
        ({"transformer": {"layers": 1, "width": 10, "heads": 3}}, "divide"),
        ({"vqvae": {"codez": 3}}, "codez"),
        ({"vqvae": [1]}, "unknown keys"),
        ({"vqvae": []}, "household.yaml"),
        ({"grounding": {"subcells": 0}}, "subcells"),
        ({"image_size": 225}, "multiple of 14"),
        ({"max_boxes": 0}, "max_boxes"),
        ({"max_text_tokens": "many"}, "max_text_tokens"),
    ],
)
def test_what_makes_no_model_is_refused_with_the_reason(change: dict[str, Any], said: str) -> None:
    values = yaml.safe_load((CONFIGS / "household.yaml").read_text())
    with pytest.raises(ConfigError, match=said):
        ModelConfig.from_mapping(values | change, origin="test")


def test_files_that_are_no_configuration_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.yaml"
    with pytest.raises(ConfigError, match="there is no model configuration"):
        load_model_config(file)
    for content, said in [
        (b"[1, 2]", "mapping"),
        (b"a: [", "no YAML"),
        (b"\xff\xfe\xff", "no YAML"),
        (b"a: 1", "compare"),
    ]:
        file.write_bytes(content)
        with pytest.raises(ConfigError, match=said):
            load_model_config(file)
