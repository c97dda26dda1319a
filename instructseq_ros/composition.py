"""The node beside others in one process: in a given executor, with the camera's driver for example.

rclpy hands messages between the nodes of a process through the middleware, by its shared memory where it has one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rclpy.executors import Executor
from rclpy.parameter import Parameter

from instructseq_ros.inference import PerceiverLike, load_perceiver
from instructseq_ros.node import NODE_NAME, InstructSeqNode
from instructseq_ros.parameters import Settings


def add_to(
    executor: Executor,
    *,
    name: str = NODE_NAME,
    namespace: str = "",
    parameters: dict[str, Any] | None = None,
    remappings: Sequence[tuple[str, str]] = (),
    load: Callable[[Settings], PerceiverLike] = load_perceiver,
    context: Any = None,
) -> InstructSeqNode:
    """Make the node and let an executor serve it, of any number of threads: the model runs in a thread of its own.

    Call the node's `stop()` before the executor's `shutdown()`, and `destroy_node()` after it.

    Args:
        executor: with other nodes, or without.
        name: of the node.
        namespace: of the node.
        parameters: values by name.
        remappings: pairs of a topic's name and what takes its place.
        load: makes the model that the settings name.
        context: of rclpy; None takes the default one.

    Raises:
        rclpy.exceptions.ParameterException: a parameter is refused.
    """
    arguments = ["--ros-args"]
    for topic, other in remappings:
        arguments += ["-r", f"{topic}:={other}"]
    node = InstructSeqNode(
        load=load,
        node_name=name,
        namespace=namespace or None,
        context=context,
        cli_args=arguments if remappings else None,
        parameter_overrides=[Parameter(key, value=value) for key, value in (parameters or {}).items()],
    )
    executor.add_node(node)
    return node
