"""A simulated camera, the node and RViz: `ros2 launch instructseq sim.launch.py`.

Other instructions while it runs: `instructseq say "where is the red cup?"`, or `instructseq listen`.
"""

from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from instructseq_ros.launch_parts import source_node_and_rviz
from launch import LaunchDescription

ARGUMENTS = (
    ("place", "table", "Where the scene is: table or room."),
    ("seed", "0", "Same seed, same scene."),
    ("rate", "5", "Frames a second, if the machine can."),
)


def generate_launch_description() -> LaunchDescription:
    options = [text for name, *_ in ARGUMENTS for text in (f"--{name}", LaunchConfiguration(name))]
    camera = Node(package="instructseq", executable="instructseq", arguments=["sim", *options], output="screen")
    images = {"image": "/camera/image", "image_transport": "compressed"}
    return source_node_and_rviz(camera, arguments=ARGUMENTS, images=images, rviz="sim.rviz")
