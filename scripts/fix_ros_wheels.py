"""Make the CMake files of the ROS 2 wheels in this virtual environment name this machine's Python headers.

The interface wheels export the include folders of the machine that built them (`/opt/python/cp311-cp311/...`). They are
replaced by those of the running Python and its NumPy. Running it again changes nothing.
"""

import re
import sys
import sysconfig
from pathlib import Path

import numpy

BUILD_MACHINE = re.compile(
    r"/opt/python/cp3\d+-cp3\d+/(include/python3\.\d+|lib/python3\.\d+/site-packages/numpy/[^\s;\"]*)"
)


def with_local_folders(text: str) -> str:
    """The same CMake code with the folders of the building machine replaced by those of this one."""
    return BUILD_MACHINE.sub(
        lambda found: sysconfig.get_path("include") if found[1].startswith("include") else numpy.get_include(), text
    )


def fix(prefix: Path) -> int:
    """Rewrite every CMake file under `prefix`/share that needs it; gives back how many did.

    A file is replaced, never written in place: an installer may have hard-linked it from a cache that other
    environments share.
    """
    changed = 0
    for path in (prefix / "share").rglob("*.cmake"):
        text = path.read_text(encoding="utf-8")
        fixed = with_local_folders(text)
        if fixed != text:
            fresh = path.with_suffix(".cmake.fixed")
            fresh.write_text(fixed, encoding="utf-8")
            fresh.replace(path)
            changed += 1
    return changed


if __name__ == "__main__":
    print(f"{fix(Path(sys.prefix))} CMake files of the ROS 2 wheels now name this machine's folders")
