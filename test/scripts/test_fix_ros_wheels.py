"""The CMake files of the ROS 2 wheels come to name this machine's headers."""

import importlib.util
import os
import sysconfig
from pathlib import Path
from types import ModuleType

import numpy
import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "fix_ros_wheels.py"
EXPORTED = (
    'set_target_properties(a INTERFACE_INCLUDE_DIRECTORIES "${prefix}/include/a;'
    "/opt/python/cp312-cp312/include/python3.12;"
    '/opt/python/cp312-cp312/lib/python3.12/site-packages/numpy/_core/include")\n'
)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fix_ros_wheels", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_folders_of_the_building_machine_are_replaced(script: ModuleType) -> None:
    assert script.with_local_folders(EXPORTED) == (
        'set_target_properties(a INTERFACE_INCLUDE_DIRECTORIES "${prefix}/include/a;'
        f'{sysconfig.get_path("include")};{numpy.get_include()}")\n'
    )


def test_a_second_run_changes_nothing(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "share" / "a" / "cmake").mkdir(parents=True)
    (tmp_path / "share" / "a" / "cmake" / "aExport.cmake").write_text(EXPORTED)

    assert (script.fix(tmp_path), script.fix(tmp_path)) == (1, 0)


def test_a_file_that_is_hard_linked_elsewhere_stays_as_it_was(script: ModuleType, tmp_path: Path) -> None:
    cached = tmp_path / "cached.cmake"
    cached.write_text(EXPORTED)
    (tmp_path / "share").mkdir()
    os.link(cached, tmp_path / "share" / "linked.cmake")

    script.fix(tmp_path)

    assert cached.read_text() == EXPORTED
