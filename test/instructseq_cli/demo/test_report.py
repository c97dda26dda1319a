"""The report: self-contained, escaped, complete; the README's picture; the exit code of the command."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import instructseq_cli.ros
from instructseq_cli.demo import plan, session
from instructseq_cli.demo.picture import TILE_WH, write_picture
from instructseq_cli.demo.report import write_report
from instructseq_cli.demo.summary import summarise
from instructseq_cli.main import app
from instructseq_model.perception import Task


@pytest.fixture
def html(tmp_path, acts, course) -> str:
    confident = [
        answer
        if answer.ask.task == Task.CAPTION
        else replace(answer, perception=replace(answer.perception, confidence=np.full((48, 64), 0.5, np.float32)))
        for answer in course.answers
    ]
    told = replace(course, answers=tuple(confident))
    write_report(tmp_path / "report.html", acts, told, summarise(acts, told), "household")
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_report_needs_no_network(html):
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', html)
    # source and overlay for four instructions, confidence for three, and strips of three frames
    assert len(sources) == 4 * 2 + 3 + 4 * 3
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert "http" not in html


def test_instructions_are_escaped(html):
    assert "where is &lt;the mug&gt; &amp; co?" in html


def test_times_and_scores_are_shown(html):
    assert "decode 200 ms" in html
    assert "waiting and transport 1200 ms" in html  # of 1500 ms, 100 + 200 are the node's
    assert "IoU with the true mask 1.00" in html


def test_an_unanswered_instruction_is_shown_as_such(tmp_path, acts, course):
    silent = replace(course, answers=())
    write_report(tmp_path / "report.html", acts, silent, summarise(acts, silent), "household")
    assert (tmp_path / "report.html").read_text().count("No answer came") == 4


def test_the_picture_has_a_tile_for_each_instruction(tmp_path, acts, course):
    write_picture(tmp_path / "docs" / "answers.png", acts, course)
    with Image.open(tmp_path / "docs" / "answers.png") as picture:
        assert picture.width == pytest.approx(4 * TILE_WH[0], abs=40)
        assert picture.height == TILE_WH[1]


@pytest.mark.parametrize(("answered", "code"), [(True, 0), (False, 1)])
def test_the_exit_code_says_whether_every_instruction_was_answered(tmp_path, acts, course, monkeypatch, answered, code):
    told = course if answered else replace(course, answers=course.answers[:-3])
    monkeypatch.setattr(instructseq_cli.ros, "require_ros", lambda *modules: None)
    monkeypatch.setattr(plan, "read_plan", lambda path: acts)
    monkeypatch.setattr(session, "run_session", lambda *_, **__: told)
    shown = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "demo")], catch_exceptions=False)
    assert shown.exit_code == code
    assert (tmp_path / "demo" / "report.html").is_file()
    summary = json.loads((tmp_path / "demo" / "summary.json").read_text())
    assert summary["unanswered"] == ([] if answered else ["describe it"])
