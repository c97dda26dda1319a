"""The parameter table as ROS parameters: descriptors, and a callback that refuses bad values as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, ParameterType, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from instructseq_ros.parameter_spec import Change, ParameterSpec, Value
from instructseq_ros.parameters import PARAMETERS, Settings, problem_of, settings_of

_TYPES = {
    bool: ParameterType.PARAMETER_BOOL,
    int: ParameterType.PARAMETER_INTEGER,
    float: ParameterType.PARAMETER_DOUBLE,
    str: ParameterType.PARAMETER_STRING,
    list: ParameterType.PARAMETER_STRING_ARRAY,
}


def descriptor_of(spec: ParameterSpec) -> ParameterDescriptor:
    """What tools such as `ros2 param describe` and rqt show of a parameter."""
    descriptor = ParameterDescriptor(
        name=spec.name,
        type=_TYPES[type(spec.default)],
        description=spec.description,
        additional_constraints=spec.constraints,
        read_only=spec.change is Change.NEVER,
    )
    if spec.minimum is not None and spec.maximum is not None:
        if isinstance(spec.default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=spec.minimum, to_value=spec.maximum)]
        else:
            bounds = IntegerRange(from_value=int(spec.minimum), to_value=int(spec.maximum), step=1)
            descriptor.integer_range = [bounds]
    return descriptor


class ParameterServer:
    """Declares every parameter of the table on a node and guards them.

    Args:
        node: the node that gets the parameters.
        is_configured: whether the node has loaded its model.
        on_accepted: told the new values, by name, when a change is accepted.

    Raises:
        rclpy.exceptions.ParameterException: a value given at start is of the wrong type or refused.
    """

    def __init__(
        self,
        node: Node,
        *,
        is_configured: Callable[[], bool],
        on_accepted: Callable[[dict[str, Value]], None] = lambda values: None,
    ) -> None:
        self._node = node
        self._is_configured = is_configured
        self._on_accepted = on_accepted
        node.add_on_set_parameters_callback(self._check)
        for spec in PARAMETERS:
            node.declare_parameter(spec.name, spec.default, descriptor_of(spec))

    def settings(self) -> Settings:
        """All values now."""
        return settings_of({spec.name: self._node.get_parameter(spec.name).value for spec in PARAMETERS})

    def _check(self, parameters: list[Parameter[Any]]) -> SetParametersResult:
        values = {parameter.name: parameter.value for parameter in parameters}
        reason = problem_of(values, configured=self._is_configured())
        if reason is None:
            # No other callback can refuse after this one, and Humble has none that comes after the change.
            self._on_accepted(values)
        return SetParametersResult(successful=reason is None, reason=reason or "")
