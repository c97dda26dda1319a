"""Whole runs over real bags: the same from every storage, byte for byte again, and after SIGKILL."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from rosbags.rosbag2 import Reader

from instructseq_model.errors import ConfigError
from instructseq_replay.bags.bag import open_bag
from instructseq_replay.bags.errors import BagError
from instructseq_replay.bags.types import INTERFACE_PACKAGES, message_types
from instructseq_replay.instructions import Instructions
from instructseq_replay.run import make_plan
from instructseq_replay.run_folder import RunFolder
from instructseq_replay.truth.table import AllTruth, truth_source

from . import threshold

pytestmark = pytest.mark.skipif(not os.environ.get("AMENT_PREFIX_PATH"), reason="no ROS 2 environment in this shell")

STEP_NS = 100_000_000
ASKED = Instructions.model_validate(
    {
        "cameras": ["/camera/image", "/camera/image/compressed"],
        "instructions": [
            {"id": "mark", "say": "mark it in green", "meant": "segmentation"},
            {"id": "half", "say": "mark half of it", "meant": "segmentation"},
            {"id": "box", "say": "where is it?", "meant": "detection"},
            {"id": "say", "say": "describe it", "meant": "caption"},
        ],
    }
)
SCENE = AllTruth([truth_source("scene:/truth")])


def files_of(folder: RunFolder) -> dict[str, bytes]:
    """All results that must not depend on the clock."""
    found = [folder.answers, folder.summary, *sorted(path for path in folder.results.rglob("*") if path.is_file())]
    return {str(path.relative_to(folder.path)): path.read_bytes() for path in found}


def lines(folder: RunFolder) -> list[dict]:
    return [json.loads(line) for line in folder.answers.read_text().splitlines()]


@pytest.mark.parametrize("storage", ["sqlite3", "sqlite3-file", "sqlite3-message", "mcap-zstd", "mcap-file"])
@pytest.mark.parametrize("raw", [True, False])
def test_every_storage_gives_the_same_results(make_bag, tmp_path, storage, raw):
    plain = make_bag("a/bag", raw=raw, truth=True)
    other = make_bag("b/bag", storage=storage, raw=raw, truth=True)
    results = [
        files_of(threshold.replay([bag], tmp_path / f"out-{number}", ASKED, SCENE)[1])
        for number, bag in enumerate((plain, other))
    ]
    assert results[0] == results[1]


def test_scores_are_those_counted_by_hand(make_bag, tmp_path):
    _, folder, outcome = threshold.replay([make_bag(frames=30, truth=True)], tmp_path / "out", ASKED, SCENE)
    scores = {name: found["scores"] for name, found in outcome.summary["instructions"].items()}
    assert scores["mark"]["mean_iou"] == {"value": 1.0, "interval": None}  # 3 s are too few stretches
    assert scores["half"]["overall_iou"]["value"] == 0.5
    assert scores["box"]["exact"]["value"] == 1.0
    assert scores["say"]["names_mentioned"]["value"] == 1.0
    assert outcome.complete
    assert outcome.summary["frames"] == 30
    assert [line["quality"] for line in lines(folder) if line["instruction"] == "half"] == [0.5] * 30


def test_the_same_run_gives_the_same_bytes(make_bag, tmp_path):
    bag = make_bag(frames=6, truth=True)
    first, second = (files_of(threshold.replay([bag], tmp_path / name, ASKED, SCENE)[1]) for name in "ab")
    assert first == second


def test_a_finished_run_does_nothing_again(make_bag, tmp_path):
    plan, folder, _ = threshold.replay([make_bag()], tmp_path / "out", ASKED)
    assert threshold.evaluate(plan, folder) == [(1, 1)] * 4


def test_the_bag_of_results_plays_beside_the_source(make_bag, tmp_path):
    bag = make_bag()
    _, folder, _ = threshold.replay([bag], tmp_path / "out", ASKED)
    types = message_types(*INTERFACE_PACKAGES)
    source = [
        (message.log_ns, types.deserialize_cdr(message.data, message.type_name).header)
        for message in open_bag(bag).messages(["/camera/image"])
    ]
    found: dict[str, list] = {}
    with Reader(folder.results / "bag") as reader:
        for connection, stamp, data in reader.messages():
            found.setdefault(connection.topic, []).append((stamp, types.deserialize_cdr(data, connection.msgtype)))
    assert set(found) == {
        "/instructseq/mark/perception", "/instructseq/mark/mask", "/instructseq/mark/confidence",
        "/instructseq/half/perception", "/instructseq/half/mask", "/instructseq/half/confidence",
        "/instructseq/box/perception", "/instructseq/box/detections",
        "/instructseq/say/perception", "/instructseq/say/caption",
    }  # fmt: skip
    assert [(stamp, mask.header) for stamp, mask in found["/instructseq/mark/mask"]] == source
    mask = found["/instructseq/mark/mask"][2][1]
    assert mask.encoding == "mono8"
    assert np.count_nonzero(mask.data == 255) == 12 * 12
    assert found["/instructseq/say/caption"][0][1].data == "a square"
    box = found["/instructseq/box/detections"][1][1].detections[0]
    assert (box.bbox.size_x, box.bbox.size_y, box.results[0].hypothesis.class_id) == (12.0, 12.0, "where is it?")
    assert box.id == "box"
    for name in ("mark", "half", "box", "say"):
        assert {answer.standing_id for _, answer in found[f"/instructseq/{name}/perception"]} == {name}


def test_after_sigkill_no_finished_frame_is_done_again(make_bag, tmp_path):
    bag = make_bag(frames=12)
    ask = tmp_path / "ask.yaml"
    ask.write_text("instructions: [{id: mark, say: mark it in green}]")
    killed = RunFolder(tmp_path / "killed")
    command = [sys.executable, threshold.__file__, str(bag), str(ask), str(killed.path), "0.3"]
    process = subprocess.Popen(command)
    end = time.monotonic() + 120
    while len(killed.index()[0]) < 3 and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(killed.index()[0])
    assert 3 <= done < 12
    journal = next(killed.journals.iterdir())
    journal.write_bytes(journal.read_bytes() + b"ISJ1\x99\x00\x00\x00half a record")
    asked = Instructions.model_validate({"instructions": [{"id": "mark", "say": "mark it in green"}]})
    plan = make_plan([bag], asked, None)
    told = threshold.evaluate(plan, killed)
    assert told == [(1, 1)] * done + [(1, 0)] * (12 - done)
    _, whole, _ = threshold.replay([bag], tmp_path / "whole", asked)
    threshold.finish(plan, killed, way="offline", against=None, step=lambda line: None)
    assert files_of(killed) == files_of(whole)


def test_another_run_in_the_folder_is_refused(make_bag, tmp_path):
    bag = make_bag()
    threshold.replay([bag], tmp_path / "out", ASKED)
    other = Instructions.model_validate({"instructions": [{"id": "mark", "say": "mark something else"}]})
    with pytest.raises(ConfigError, match="holds a run with other instructions"):
        threshold.replay([bag], tmp_path / "out", other)


def test_targets_can_change_without_a_new_run(make_bag, tmp_path):
    bag = make_bag(truth=True)
    threshold.replay([bag], tmp_path / "out", ASKED, SCENE)
    content = ASKED.model_dump(mode="json")
    content["instructions"][0]["targets"] = ["mug"]
    plan, folder, outcome = threshold.replay([bag], tmp_path / "out", Instructions.model_validate(content), SCENE)
    assert threshold.evaluate(plan, folder) == [(1, 1)] * 4
    assert outcome.summary["instructions"]["mark"]["scores"]["mean_iou"]["value"] == 0.0


def test_a_truncated_bag_and_a_broken_frame_are_listed_beside_the_rest(make_bag, recorder, tmp_path):
    cut = make_bag("cut", frames=200)
    file = next(cut.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with recorder(tmp_path / "broken") as writer:
        writer.compressed(0)
        writer.compressed(1, data=np.frombuffer(b"no picture", np.uint8))
        writer.compressed(2)
    _, folder, outcome = threshold.replay([cut, tmp_path / "broken"], tmp_path / "out", ASKED)
    assert not outcome.complete
    assert 60 < outcome.summary["bags"]["cut"] < 200
    assert outcome.summary["bags"]["broken"] == 3
    assert outcome.summary["unreadable_frames"] == 1
    assert [entry["file"] for entry in outcome.summary["damage"]] == [file.name]
    problems = [line["problem"] for line in lines(folder) if line["bag"] == "broken" and line["instruction"] == "mark"]
    assert [bool(problem) for problem in problems] == [False, True, False]
    assert "cannot be read as JPEG or PNG" in problems[1]


def test_a_refused_instruction_spoils_no_other(make_bag, tmp_path):
    asked = Instructions.model_validate(
        {"instructions": [{"id": "no", "say": "refuse this"}, {"id": "mark", "say": "mark it"}]}
    )
    _, _, outcome = threshold.replay([make_bag()], tmp_path / "out", asked)
    assert outcome.summary["instructions"]["no"]["problems"] == {"this instruction is refused": 4}
    assert outcome.summary["instructions"]["mark"]["answers"] == 4


def test_a_period_takes_the_first_frame_of_each_stretch(make_bag, tmp_path):
    asked = Instructions.model_validate({"period": 0.5, "instructions": [{"id": "mark", "say": "mark it"}]})
    _, folder, _ = threshold.replay([make_bag(frames=12)], tmp_path / "out", asked)
    start = 1_700_000_000_000_000_000
    assert [(line["log_ns"] - start) // STEP_NS for line in lines(folder)] == [0, 5, 10]


def test_two_cameras_and_two_bags_of_one_name_are_kept_apart(recorder, tmp_path):
    for folder in ("a", "b"):
        with recorder(tmp_path / folder / "bag") as writer:
            for number in range(2):
                writer.raw(number, "/left/image")
                writer.compressed(number, "/right/image")
    bags = [tmp_path / "a" / "bag", tmp_path / "b" / "bag"]
    everything = ASKED.model_copy(update={"cameras": ()})
    _, folder, outcome = threshold.replay(bags, tmp_path / "out", everything)
    assert outcome.summary["bags"] == {"bag": 4, "bag-2": 4}
    topics = {f"{line['bag']} {line['topic']}" for line in lines(folder)}
    assert topics == {f"{bag} /{side}/image" for bag in ("bag", "bag-2") for side in ("left", "right")}
    with Reader(folder.results / "bag-2") as reader:
        assert "/instructseq/mark/left/image/mask" in reader.topics


def test_a_bag_without_images_names_its_topics(recorder, tmp_path):
    with recorder(tmp_path / "bag") as writer:
        writer.scene(0)
    asked = Instructions.model_validate({"cameras": ["/front"], "instructions": [{"id": "a", "say": "b"}]})
    with pytest.raises(BagError, match=r"no image topic called /front .*/truth/scene"):
        make_plan([tmp_path / "bag"], asked, None)


def test_a_recording_without_one_readable_frame_says_so(make_bag, tmp_path):
    bag = make_bag()
    file = next(bag.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(ConfigError, match="no frame could be read"):
        threshold.replay([bag], tmp_path / "out", ASKED)


def test_pixels_of_the_source_are_those_of_the_truth(make_bag, recorder):
    from instructseq_replay.frames import frames_of

    types = message_types(*INTERFACE_PACKAGES)
    (first, *_) = frames_of(open_bag(make_bag()), ["/camera/image"])
    header, pixels = first.decode(types)
    assert (header.stamp_ns, header.frame_id) == (1_700_000_000_000_000_000, "camera_optical_frame")
    assert pixels.shape == (48, 64, 3)
    assert Image.fromarray(pixels).getpixel((0, 0)) == (230, 230, 230)
