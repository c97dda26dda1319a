"""What a machine says of itself, read from folders like Linux's."""

from __future__ import annotations

from pathlib import Path

from instructseq_ros.device_health import device_health


def zone(folder: Path, number: int, kind: str, degrees: str) -> None:
    own = folder / f"thermal_zone{number}"
    own.mkdir()
    (own / "type").write_text(f"{kind}\n")
    (own / "temp").write_text(f"{degrees}\n")


def test_temperature_is_that_of_the_hottest_zone_of_the_device(tmp_path: Path) -> None:
    for number, (kind, degrees) in enumerate(
        [("CPU-therm", "51000"), ("GPU-therm", "63500"), ("x86_pkg_temp", "70000"), ("pkg-off", "none")]
    ):
        zone(tmp_path, number, kind, degrees)
    assert device_health("cpu", zones=tmp_path).temperature == 70.0
    assert device_health("cuda:7", zones=tmp_path).temperature == 63.5


def test_nothing_known_is_said_so(tmp_path: Path) -> None:
    zone(tmp_path, 0, "acpitz", "20000")
    assert device_health("cpu", zones=tmp_path).temperature is None
    assert device_health("cpu", zones=tmp_path).device_memory is None


def test_memory_is_that_of_this_process(tmp_path: Path) -> None:
    before = device_health("cpu", zones=tmp_path).memory
    held = bytearray(b"x") * (64 * 2**20)
    after = device_health("cpu", zones=tmp_path).memory
    assert before is not None
    assert after is not None
    assert 40 < after - before < 90
    del held
