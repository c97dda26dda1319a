"""Every key of package.xml is one that rosdep knows, for all supported distributions.

rosdep's rules lie on a server, so that they are vendored here; the workflow in .github asks the real ones.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

ROOT = Path(__file__).parents[1]
KNOWN = yaml.safe_load((ROOT / "test" / "rosdep_keys.yaml").read_text(encoding="utf-8"))


def keys() -> list[str]:
    manifest = ElementTree.parse(ROOT / "package.xml").getroot()
    return sorted({element.text or "" for element in manifest if element.tag.endswith("depend")})


@pytest.mark.parametrize("key", keys())
def test_the_key_is_known(key: str) -> None:
    assert key in KNOWN["ros"] or key in KNOWN["system"], "look it up in ros/rosdistro, then add it to rosdep_keys.yaml"


@pytest.mark.parametrize("package", sorted(set(KNOWN["system"].values())))
def test_the_package_behind_the_key_exists(package: str) -> None:
    if shutil.which("apt-cache") is None:
        pytest.skip("this system has no apt")
    shown = subprocess.run(["apt-cache", "show", package], capture_output=True, text=True, check=False)
    if not subprocess.run(["apt-cache", "show", "python3-minimal"], capture_output=True, check=False).stdout:
        pytest.skip("apt has no package lists: apt-get update")
    assert f"Package: {package}\n" in shown.stdout


def test_every_message_package_that_the_node_imports_is_a_key() -> None:
    sources = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "instructseq_ros").rglob("*.py"))
    imported = set(re.findall(r"^from (\w+)\.(?:msg|srv|action) import", sources, re.MULTILINE)) - {"instructseq"}
    assert imported <= set(keys())
