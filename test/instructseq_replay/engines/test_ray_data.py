"""Two workers give the numbers of one process, and lose nothing when one of them is killed."""

import json
import os
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from instructseq_replay.engines.local import run_local
from instructseq_replay.engines.work import Work
from instructseq_replay.instructions import Instructions
from instructseq_replay.run import finish, make_plan
from instructseq_replay.run_folder import RunFolder

ray = pytest.importorskip("ray")
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(not os.environ.get("AMENT_PREFIX_PATH"), reason="no ROS 2 environment in this shell"),
]

ASKED = Instructions.model_validate(
    {
        "instructions": [
            {"id": "mark", "say": "mark it", "meant": "segmentation"},
            {"id": "box", "say": "where is it?", "meant": "detection"},
        ]
    }
)


def bright_answerer(seconds: float, pids: Path, together: int):
    """The threshold model, self-contained so that it can be sent to other processes.

    It waits until so many have loaded it: on a slow machine one worker had done everything before the other was there.
    """
    import numpy as np

    from instructseq_model.perception import Box, Perception, Task
    from instructseq_model.vocabulary import OutputKind

    (pids / str(os.getpid())).touch()
    end = time.monotonic() + 120
    while len(list(pids.iterdir())) < together and time.monotonic() < end:
        time.sleep(0.1)

    def answer(image, asked, seed):
        time.sleep(seconds)
        rows, columns = np.nonzero(image.min(2) > 200)
        found = []
        for one in asked:
            common = {"instruction": one.say, "size_wh": image.shape[1::-1], "score": 0.5}
            if one.id == "box":
                corners = {"x1": columns.min(), "y1": rows.min(), "x2": columns.max() + 1, "y2": rows.max() + 1}
                box = Box(**{name: float(value) for name, value in corners.items()}, score=0.5)
                found.append(Perception(kind=OutputKind.BOXES, task=Task.DETECTION, boxes=(box,), **common))
            else:
                mask = (image.min(2) > 200).astype(np.uint8)
                found.append(Perception(kind=OutputKind.MAP, task=Task.SEGMENTATION, mask=mask, **common))
        return found

    return answer


@pytest.fixture
def plan(recorder, tmp_path):
    for name in ("first", "second"):
        with recorder(tmp_path / name) as writer:
            for number in range(0, 2400, 120):  # 20 frames over 240 s
                writer.raw(number)
    return make_plan([tmp_path / "first", tmp_path / "second"], ASKED, None)


@pytest.fixture(scope="module", autouse=True)
def cluster():
    names = ("PYTHONPATH", "AMENT_PREFIX_PATH", "LD_LIBRARY_PATH")
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - the name that Ray reads
    variables = {name: os.environ[name] for name in names if name in os.environ}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": variables})
    yield
    ray.shutdown()


def work_of(plan, folder: RunFolder, tmp_path: Path, seconds: float, *, together: int = 0) -> Work:
    pids = tmp_path / "pids"
    pids.mkdir(exist_ok=True)
    return Work(
        recordings=plan.recordings,
        instructions=ASKED,
        load_model=partial(bright_answerer, seconds, pids, together),
        journals=folder.journals.resolve(),
        workers=2,
    )


def results(plan, folder: RunFolder) -> list[bytes]:
    finish(plan, folder, way="offline", against=None, step=lambda line: None)
    bags = sorted(path for path in folder.results.rglob("*") if path.is_file())
    return [path.read_bytes() for path in (folder.answers, folder.summary, *bags)]


def through_ray(work: Work) -> list[int]:
    from ray import cloudpickle

    from instructseq_replay.engines.ray_data import run_ray

    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers have no tests
    told: list[int] = []
    run_ray(work, lambda count, before: told.append(count))
    return told


def test_two_workers_give_the_numbers_of_one_process(plan, tmp_path):
    alone, many = RunFolder(tmp_path / "alone"), RunFolder(tmp_path / "many")
    run_local(work_of(plan, alone, tmp_path, 0), lambda count, before: None)
    told = through_ray(work_of(plan, many, tmp_path, 0.05, together=3))
    assert sum(told) == 40
    assert len(list((tmp_path / "pids").iterdir())) == 3  # this process and two workers
    assert results(plan, many) == results(plan, alone)


def test_a_killed_worker_loses_nothing(plan, tmp_path):
    alone, many = RunFolder(tmp_path / "alone"), RunFolder(tmp_path / "many")
    run_local(work_of(plan, alone, tmp_path, 0), lambda count, before: None)
    (tmp_path / "pids" / str(os.getpid())).unlink()
    killed: list[int] = []

    def kill_one() -> None:
        end = time.monotonic() + 200
        while time.monotonic() < end:
            found = [int(path.name) for path in (tmp_path / "pids").iterdir()]
            if found and len(many.index()[0]) >= 5:
                os.kill(found[0], signal.SIGKILL)
                killed.append(found[0])
                return
            time.sleep(0.1)

    killer = threading.Thread(target=kill_one)
    killer.start()
    through_ray(work_of(plan, many, tmp_path, 0.3))
    killer.join()
    assert killed
    assert results(plan, many) == results(plan, alone)
    assert json.loads(many.summary.read_text())["frames"] == 40
