"""The report needs no network, shows the worst first, and escapes what people wrote."""

import os
import re
from dataclasses import replace

import pytest

from instructseq_replay.comparison import compare
from instructseq_replay.instructions import Instructions
from instructseq_replay.report.page import worst_apart, write_report
from instructseq_replay.truth.table import AllTruth, truth_source

from .. import threshold

pytestmark = pytest.mark.skipif(not os.environ.get("AMENT_PREFIX_PATH"), reason="no ROS 2 environment in this shell")

ASKED = Instructions.model_validate(
    {
        "cameras": ["/camera/image"],
        "instructions": [
            {"id": "half", "say": "mark half of <the mug> & co", "meant": "segmentation"},
            {"id": "box", "say": "where is it?", "meant": "segmentation"},
            {"id": "say", "say": "describe it", "meant": "caption"},
        ],
    }
)


@pytest.fixture
def run(make_bag, tmp_path):
    truth = AllTruth([truth_source("scene:/truth")])
    return threshold.replay([make_bag(frames=40, truth=True)], tmp_path / "out", ASKED, truth)


@pytest.fixture
def html(run):
    plan, folder, outcome = run
    outcome = replace(outcome, differences=tuple(compare(outcome.answers, outcome.answers)))
    write_report(plan, folder, outcome, model="household", other="older")
    return folder.report.read_text(encoding="utf-8")


def test_nothing_comes_from_a_network(html):
    for source in re.findall(r'(?:src|href)="([^"]*)"', html):
        assert source.startswith(("data:image/jpeg;base64,", "#"))
    assert not re.search(r"<(?:script|link|iframe)", html)
    assert not re.search(r"@import|url\((?!#)", html)


def test_every_link_has_its_place(html):
    places = set(re.findall(r'id="([^"]+)"', html))
    links = set(re.findall(r'href="#([^"]+)"', html))
    assert {"half", "box", "say", "half-1", "box-1"} <= places
    assert {link for link in links if not link.startswith(("m", "D"))} <= places  # the charts have marks of their own


def test_words_are_escaped(html):
    assert "mark half of &lt;the mug&gt; &amp; co" in html


def test_scores_damage_and_comparison_are_told(html):
    assert "answered as detection, meant was segmentation" in html
    assert "Compared with older" in html
    assert "too few frames to tell" in html
    assert "Not everything could be read" not in html


def test_the_worst_come_first_and_lie_apart(run):
    answers = [answer for answer in run[2].answers if answer.instruction == "half"]
    worse = replace(answers[12], quality=0.1)
    worst = replace(answers[13], quality=0.05)
    chosen = worst_apart([*answers[:12], worse, worst, *answers[14:]], 3)
    assert chosen[0] == worst
    assert worse not in chosen
    assert len(chosen) == 3


def test_the_same_run_gives_the_same_page(run, tmp_path):
    plan, folder, outcome = run
    pages = []
    for _ in range(2):
        write_report(plan, folder, outcome, model="household")
        pages.append(folder.report.read_bytes())
    assert pages[0] == pages[1]
