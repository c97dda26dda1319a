"""Memory and temperature of the process and its device, as far as the machine tells. Nothing here imports ROS."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MEGABYTE = 2**20

THERMAL_ZONES = Path("/sys/class/thermal")
"""Of Linux; on Jetsons the zones of GPU and CPU are among them."""

_ZONES_OF = {"cuda": ("gpu",), "cpu": ("x86_pkg_temp", "cpu", "soc", "coretemp")}


@dataclass(frozen=True, kw_only=True)
class DeviceHealth:
    """What is known of a device.

    Attributes:
        memory: resident memory of this process, in megabytes; None where it is not known.
        device_memory: megabytes that PyTorch holds on the card; None for a CPU.
        temperature: degrees Celsius of the device; None where it is not known.
    """

    memory: float | None = None
    device_memory: float | None = None
    temperature: float | None = None


def device_health(device: str, *, zones: Path = THERMAL_ZONES) -> DeviceHealth:
    """Look at the process and a device.

    Args:
        device: cpu, cuda or cuda:N.
        zones: folder of Linux's thermal zones.
    """
    kind = device.partition(":")[0]
    temperature = _card_temperature(device) if kind == "cuda" else None
    if temperature is None:
        temperature = _hottest(_zone_temperatures(zones), _ZONES_OF.get(kind, ()))
    return DeviceHealth(
        memory=_resident(),
        device_memory=_card_memory(device) if kind == "cuda" else None,
        temperature=temperature,
    )


def _resident() -> float | None:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE


def _card_memory(device: str) -> float | None:
    import torch

    try:
        return float(torch.cuda.memory_reserved(device)) / MEGABYTE
    except Exception:  # no such card, or none that answers
        return None


def _card_temperature(device: str) -> float | None:
    """By NVML where its Python package is installed; Jetsons have none, but thermal zones."""
    import torch

    try:
        return float(torch.cuda.temperature(torch.device(device)))
    except Exception:  # as many ways to fail as drivers
        return None


def _zone_temperatures(folder: Path) -> Mapping[str, float]:
    """Degrees Celsius by the zone's type."""
    found: dict[str, float] = {}
    for zone in sorted(folder.glob("thermal_zone*")):
        try:
            name = (zone / "type").read_text(encoding="utf-8").strip().lower()
            degrees = int((zone / "temp").read_text(encoding="ascii")) / 1000
        except (OSError, ValueError):  # zones of parts that are switched off refuse to be read
            continue
        found[name] = max(degrees, found.get(name, degrees))
    return found


def _hottest(found: Mapping[str, float], names: Sequence[str]) -> float | None:
    """The hottest of the zones whose type contains the first of the names that any contains."""
    for name in names:
        values = [value for kind, value in found.items() if name in kind]
        if values:
            return max(values)
    return None
