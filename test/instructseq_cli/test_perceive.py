"""`instructseq perceive`: which files appear for which kind of answer, what they hold, what the terminal says."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from instructseq_cli import perceive as perceive_command
from instructseq_cli.main import app
from instructseq_model.palette import LabelSet
from instructseq_model.perception import Box, Perception, Task
from instructseq_model.vocabulary import OutputKind

WIDTH, HEIGHT = 64, 48
BOX = Box(x1=10, y1=5, x2=30, y2=25, score=0.75)


def mask_answer(**fields) -> Perception:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[5:25, 10:30] = 1
    given = {
        "kind": OutputKind.MAP,
        "task": Task.SEGMENTATION,
        "instruction": "mark the mug",
        "size_wh": (WIDTH, HEIGHT),
        "mask": mask,
        "boxes": (BOX,),
        "confidence": np.full((HEIGHT, WIDTH), 0.5, np.float32),
        "score": 0.9,
        "timings": {"total": 0.25},
    }
    return Perception(**{**given, **fields})


@pytest.fixture
def answer_with(monkeypatch):
    """Let the command answer with a given perception; returns what the model was asked."""

    def install(perception: Perception) -> list[dict]:
        asked: list[dict] = []

        def perceiver(image, instruction, **options):
            asked.append({"shape": image.shape, "instruction": instruction, **options})
            return perception

        monkeypatch.setattr(perceive_command, "load_perceiver", lambda *_, **__: perceiver)
        return asked

    return install


def run(picture_file, out, *options: str):
    command = ["perceive", str(picture_file), "mark the mug", "--out", str(out), *options]
    return CliRunner(env={"COLUMNS": "120", "NO_COLOR": "1"}).invoke(app, command, catch_exceptions=False)


def test_a_mask_is_written_as_ids_with_its_description(picture_file, tmp_path, answer_with):
    answer = mask_answer()
    answer_with(answer)
    shown = run(picture_file, tmp_path / "out")
    assert shown.exit_code == 0
    assert "mask: 13.0% of the image; box x 10-30, y 5-25 (score 0.75)" in shown.stdout
    with Image.open(tmp_path / "out" / "mask.png") as file:
        np.testing.assert_array_equal(np.asarray(file), answer.mask)
    description = json.loads((tmp_path / "out" / "perception.json").read_text())
    assert description["task"] == "segmentation"
    assert description["mask_pixels"] == 400
    assert description["boxes"] == [{"x1": 10.0, "y1": 5.0, "x2": 30.0, "y2": 25.0, "score": 0.75}]
    assert description["mean_confidence"] == 0.5
    written = {file.name for file in (tmp_path / "out").iterdir()}
    assert written == {"mask.png", "confidence.png", "overlay.png", "perception.json"}


def test_a_caption_is_printed_and_an_earlier_mask_removed(picture_file, tmp_path, answer_with):
    answer_with(mask_answer())
    run(picture_file, tmp_path / "out")
    fields = {"mask": None, "confidence": None, "boxes": (), "caption": "a red mug on a table"}
    answer_with(mask_answer(kind=OutputKind.TEXT, task=Task.CAPTION, **fields))
    shown = run(picture_file, tmp_path / "out")
    assert shown.stdout.startswith("a red mug on a table\n")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"overlay.png", "perception.json"}


def test_the_classes_of_a_semantic_map_are_named(picture_file, tmp_path, answer_with):
    labels = LabelSet("tiny", ("floor", "cup"))
    ids = np.full((HEIGHT, WIDTH), 2, np.uint8)
    ids[:, :16] = 1
    answer_with(mask_answer(task=Task.SEMANTIC, mask=ids, label_set=labels, boxes=()))
    shown = run(picture_file, tmp_path / "out")
    assert "classes: cup 25%" in shown.stdout
    description = json.loads((tmp_path / "out" / "perception.json").read_text())
    assert description["classes"] == [
        {"id": 1, "name": "cup", "pixels": 768},
        {"id": 2, "name": "unlabelled", "pixels": 2304},
    ]
    assert description["unlabelled"] == 2


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"mask": np.zeros((HEIGHT, WIDTH), np.uint8), "boxes": ()}, "empty mask: nothing in the image fits"),
        ({"mask": None, "boxes": (), "kind": OutputKind.BOXES, "task": Task.DETECTION}, "no box: nothing in the image"),
    ],
)
def test_nothing_found_is_said_in_words(picture_file, tmp_path, answer_with, fields, says):
    answer_with(mask_answer(**fields))
    assert says in run(picture_file, tmp_path / "out").stdout


def test_options_reach_the_model(picture_file, tmp_path, answer_with):
    asked = answer_with(mask_answer(agreement=np.ones((HEIGHT, WIDTH), np.float32), samples=4))
    options = ("--samples", "4", "--temperature", "0.8", "--seed", "7", "--task", "detection", "--label-set", "ade20k")
    assert run(picture_file, tmp_path / "out", *options).exit_code == 0
    assert asked == [
        {
            "shape": (HEIGHT, WIDTH, 3),
            "instruction": "mark the mug",
            "samples": 4,
            "temperature": 0.8,
            "seed": 7,
            "task": Task.DETECTION,
            "label_set": "ade20k",
        }
    ]
    assert (tmp_path / "out" / "agreement.png").exists()
