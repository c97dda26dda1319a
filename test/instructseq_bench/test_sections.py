"""Every section on a tiny model: what is measured is there, consistent and exact."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from instructseq_bench.backends import BACKENDS, backend_folders
from instructseq_bench.growth import measure_growth
from instructseq_bench.maps import measure_maps
from instructseq_bench.paper import measure_paper
from instructseq_bench.rows import Row
from instructseq_bench.sections import SECTIONS, chosen_sections, section
from instructseq_bench.setting import Setting
from instructseq_bench.startup import measure_startup
from instructseq_bench.tasks import measure_tasks
from instructseq_model.backends.table import BACKENDS as MODEL_BACKENDS
from instructseq_model.errors import ConfigError

MakeSetting = Callable[..., Setting]


def by_name(rows: object) -> dict[str, Row]:
    found = list(rows)  # type: ignore[call-overload]
    names = [row.name for row in found]
    assert len(set(names)) == len(names)
    assert all(row.ours is not None and row.ours >= 0 for row in found)
    assert all(row.spread.ours is None or row.spread.ours.repetitions >= 3 for row in found)
    return dict(zip(names, found, strict=True))


def test_paper_size_has_rates_beside_hugging_face_and_the_bandwidth(make_setting: MakeSetting) -> None:
    rows = by_name(measure_paper(make_setting()))
    assert {"paper/bandwidth", "paper/cost of N=10", "paper/map N=1", "paper/map N=10"} <= set(rows)
    for samples in (1, 10):
        row = rows[f"paper/token by token N={samples}"]
        assert row.unit == "steps/s"
        assert row.peer is not None
        assert row.share_of_limit == pytest.approx(row.ours / row.limit)


def test_maps_of_every_draft_are_exact(make_setting: MakeSetting) -> None:
    rows = by_name(measure_maps(make_setting()))
    assert len(rows) == 2 * 4 * 2  # tasks, three drafts and the frame before, passes and time
    for name, row in rows.items():
        assert row.exact, name
        if "passes" in name:
            assert row.peer == 255
            assert 4 <= row.ours <= 255 + 4  # a window holds 64; the one shot takes passes of its own
        if "/previous" in name:
            assert "maps/stream/" in name


def test_every_task_is_answered_and_parallel_maps_are_those_of_token_by_token(make_setting: MakeSetting) -> None:
    rows = by_name(measure_tasks(make_setting()))
    assert len(rows) == 2 * 3 + 1
    for task in ("semantic", "segmentation"):
        assert rows[f"tasks/torch/{task} N=2"].exact
        assert "peer: token by token" in rows[f"tasks/torch/{task} N=2"].notes
    assert rows["tasks/torch/detection N=1"].peer is None
    assert "decode" in rows["tasks/torch/caption N=1"].notes


def test_an_unknown_backend_is_refused(make_setting: MakeSetting, tmp_path: object) -> None:
    with pytest.raises(ConfigError, match="there is no backend 'abacus'"):
        list(measure_tasks(make_setting(others={"abacus": tmp_path})))


def test_every_backend_can_be_measured_and_a_further_one_reads_what_it_was_named_with(
    make_setting: MakeSetting, tmp_path: Path
) -> None:
    setting = make_setting(others={"onnxruntime": tmp_path, "torch-compiled": tmp_path / "checkpoint"})
    assert set(BACKENDS) == set(MODEL_BACKENDS)
    assert backend_folders(setting) == {
        "torch": setting.checkpoint,
        "onnxruntime": tmp_path,
        "torch-compiled": tmp_path / "checkpoint",
    }


def test_a_fresh_process_says_when_it_is_ready_and_what_it_takes(make_setting: MakeSetting) -> None:
    rows = by_name(measure_startup(make_setting()))
    assert rows["startup/torch/ready"].ours < rows["startup/torch/first map"].ours
    memory = [rows[f"startup/torch/memory {stage}"].ours for stage in ("loaded", "N=1", "N=2")]
    assert 50 < memory[0] <= memory[1] <= memory[2]


def test_growth_is_held_against_proportion(make_setting: MakeSetting) -> None:
    rows = by_name(measure_growth(make_setting()))
    assert set(rows) == {
        *("growth/samples N=1", "growth/samples N=2"),
        *("growth/image 64x48", "growth/image 128x96"),
        *("growth/instructions 1", "growth/instructions 2"),
        *("growth/cameras 1", "growth/cameras 2"),
    }
    assert rows["growth/samples N=1"].ratio == pytest.approx(1)
    assert rows["growth/cameras 2"].peer == pytest.approx(2 * rows["growth/cameras 1"].ours)
    assert rows["growth/image 128x96"].peer == pytest.approx(4 * rows["growth/image 64x48"].ours)


def test_sections_come_in_their_own_order() -> None:
    assert chosen_sections(["maps", "paper"]) == ["paper", "maps"]
    assert chosen_sections(None) == list(SECTIONS)


def test_an_unknown_section_is_refused() -> None:
    with pytest.raises(ConfigError, match="there is no section 'weather'"):
        chosen_sections(["weather"])


@pytest.mark.parametrize("name", [name for name in SECTIONS if name != "node"])
def test_every_section_has_its_function(name: str) -> None:
    assert callable(section(name))
