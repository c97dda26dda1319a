"""Plays a bag to the node and shows its answers in RViz: `ros2 launch instructseq demo.launch.py bag:=demo/table`.

Other instructions while it runs: `instructseq say "where is the red mug?"`.
"""

from launch.actions import ExecuteProcess
from launch.substitutions import LaunchConfiguration

from instructseq_ros.launch_parts import source_node_and_rviz
from launch import LaunchDescription

ARGUMENTS = (
    ("bag", "demo/table", "Bag to play over and over."),
    ("image", "/camera/image", "Topic of its images."),
    ("image_transport", "compressed", "Their type: raw or compressed."),
)


def generate_launch_description() -> LaunchDescription:
    player = ExecuteProcess(cmd=["ros2", "bag", "play", LaunchConfiguration("bag"), "--loop"], output="screen")
    images = {name: LaunchConfiguration(name) for name in ("image", "image_transport")}
    return source_node_and_rviz(player, arguments=ARGUMENTS, images=images, rviz="instructseq.rviz")
