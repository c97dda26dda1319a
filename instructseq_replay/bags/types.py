"""Message types for reading and writing bags without ROS's own tools."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from instructseq_replay.bags.errors import BagError

INTERFACE_PACKAGES = ("vision_msgs", "instructseq")
"""Packages whose message definitions are read from the ROS environment; all others are known to the bag library."""


def message_types(*packages: str) -> Typestore:
    """The message types of ROS 2's common interfaces and of the packages named.

    Args:
        packages: packages of interfaces in the ROS environment of this shell, each after the ones it uses.

    Raises:
        BagError: a package is not in the environment.
    """
    store = get_typestore(Stores.ROS2_HUMBLE)
    found: dict[str, Any] = {}
    for package in packages:
        for path in _definitions(package):
            found.update(get_types_from_msg(path.read_text(encoding="utf-8"), f"{package}/msg/{path.stem}"))
    store.register(found)
    return store


def _definitions(package: str) -> list[Path]:
    """The .msg files of a package, from the first installation prefix that has them."""
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        files = sorted((Path(prefix) / "share" / package / "msg").glob("*.msg"))
        if files:
            return files
    raise BagError(f"the ROS package {package} is not in this shell's environment: run `. scripts/env.sh` first")


def blank(store: Typestore, type_name: str, **fields: Any) -> Any:
    """A message whose fields are zero, empty or false unless named, as ROS's own constructors make it.

    Args:
        store: knows the type.
        type_name: such as "std_msgs/msg/Header".
        fields: values of some fields.

    Raises:
        BagError: the type has no field of that name.
    """
    definition = dict(store.fielddefs[type_name][1])
    unknown = sorted(set(fields) - set(definition))
    if unknown:
        raise BagError(f"{type_name} has no field {unknown[0]}: build the workspace again (scripts/setup.sh)")
    zeros = {name: _zero(store, kind) for name, kind in definition.items() if name not in fields}
    return store.types[type_name](**zeros, **fields)


def _zero(store: Typestore, kind: Any) -> Any:
    """The zero of a field: (Nodetype.BASE, (name, bound)), (Nodetype.NAME, name), or an array or sequence of these."""
    node, content = kind
    if node == Nodetype.BASE:
        return "" if content[0] in ("string", "wstring") else np.dtype(content[0]).type(0).item()
    if node == Nodetype.NAME:
        return blank(store, content)
    inner, count = content
    length = count if node == Nodetype.ARRAY else 0
    if inner[0] == Nodetype.BASE and inner[1][0] not in ("string", "wstring", "bool"):
        return np.zeros(length, inner[1][0])
    return [_zero(store, inner) for _ in range(length)]
