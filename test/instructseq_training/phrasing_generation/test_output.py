from pathlib import Path

import pytest

from instructseq_model.errors import ConfigError
from instructseq_training.instructions import INSTRUCTIONS_DIR, load_instruction_set
from instructseq_training.phrasing_generation.kinds import KINDS
from instructseq_training.phrasing_generation.output import MARK, check_folder, write_phrasings


def test_written_files_load_and_are_marked(tmp_path: Path) -> None:
    texts = ['Ground "{object}" in {color}: yes?', "paint {object} # {color}", "naïve – {object} \\ 🙂"]
    file = write_phrasings(tmp_path, KINDS["segmentation"], texts, model="some\nmodel")
    write_phrasings(tmp_path, KINDS["semantic_ade20k"], ["ade20k"], model="some model")
    loaded = load_instruction_set(tmp_path)
    assert [p.text for p in loaded] == [*texts, "ade20k"]
    assert {(p.task.value, p.label_set) for p in loaded} == {("segmentation", None), ("semantic", "ade20k")}
    assert file.read_text(encoding="utf-8").startswith(MARK)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["segmentation.yaml", "semantic_ade20k.yaml"]


def test_reviewed_files_are_not_overwritten(tmp_path: Path) -> None:
    kinds = [KINDS["caption"]]
    file = write_phrasings(tmp_path, KINDS["caption"], ["what is it"], model="m")
    check_folder(tmp_path, kinds)
    file.write_text("".join(file.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(ConfigError, match="is reviewed"):
        check_folder(tmp_path, kinds)
    check_folder(tmp_path, [KINDS["detection"]])


@pytest.mark.parametrize("folder", [INSTRUCTIONS_DIR, INSTRUCTIONS_DIR / "train", INSTRUCTIONS_DIR / "new"])
def test_the_instruction_set_itself_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="reviewed"):
        check_folder(folder, list(KINDS.values()))
