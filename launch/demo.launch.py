"""Plays a bag to the node and shows its answers in RViz: `ros2 launch instructseq demo.launch.py bag:=demo/table`.

Other instructions while it runs: `instructseq say "where is the red mug?"`.
"""

from launch.actions import DeclareLaunchArgument, ExecuteProcess, IncludeLaunchDescription
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

ARGUMENTS = (
    ("bag", "demo/table", "Bag to play over and over."),
    ("image", "/camera/image", "Topic of its images."),
    ("image_transport", "compressed", "Their type: raw or compressed."),
    ("instruction", "Segment everything you can see.", "Standing instruction to begin with."),
    ("checkpoint", "", "Directory of the model; empty takes the one that comes with the package."),
    ("device", "cpu", "Where the model runs: cpu, cuda or cuda:N."),
    ("rviz", "true", "Whether to open RViz."),
)


def generate_launch_description() -> LaunchDescription:
    share = FindPackageShare("instructseq")
    passed_on = ("image", "image_transport", "instruction", "checkpoint", "device")
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(PathJoinSubstitution([share, "launch", "instructseq.launch.py"])),
        launch_arguments={name: LaunchConfiguration(name) for name in passed_on}.items(),
    )
    player = ExecuteProcess(cmd=["ros2", "bag", "play", LaunchConfiguration("bag"), "--loop"], output="screen")
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", PathJoinSubstitution([share, "config", "instructseq.rviz"])],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
    arguments = [
        DeclareLaunchArgument(name, default_value=value, description=words) for name, value, words in ARGUMENTS
    ]
    return LaunchDescription([*arguments, node, player, rviz])
