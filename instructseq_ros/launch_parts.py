"""What launch files that show something have in common: the node, RViz, and their arguments. Needs a distribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.conditions import IfCondition
from launch.launch_description import LaunchDescription
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.some_substitutions_type import SomeSubstitutionsType
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

PASSED_ON = (
    ("instruction", "Segment everything you can see.", "Standing instruction to begin with."),
    ("checkpoint", "", "Directory of the model; empty takes the one that comes with the package."),
    ("device", "cpu", "Where the model runs: cpu, cuda or cuda:N."),
)
"""Arguments of the node's own launch file: name, default, meaning."""

SHOWN = (("rviz", "true", "Whether to open RViz."),)


def source_node_and_rviz(
    source: LaunchDescriptionEntity,
    *,
    arguments: Sequence[tuple[str, str, str]],
    images: Mapping[str, SomeSubstitutionsType],
    rviz: str,
) -> LaunchDescription:
    """A source of images, the node that looks at them, and RViz.

    Args:
        source: publishes images.
        arguments: of the source: name, default, meaning.
        images: `image` and `image_transport` of the node's launch file.
        rviz: a file of `config`.
    """
    share = FindPackageShare("instructseq")
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(PathJoinSubstitution([share, "launch", "instructseq.launch.py"])),
        launch_arguments={**images, **{name: LaunchConfiguration(name) for name, *_ in PASSED_ON}}.items(),
    )
    viewer = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", PathJoinSubstitution([share, "config", rviz])],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
    declared = [
        DeclareLaunchArgument(name, default_value=value, description=words)
        for name, value, words in (*arguments, *PASSED_ON, *SHOWN)
    ]
    return LaunchDescription([*declared, node, source, viewer])
