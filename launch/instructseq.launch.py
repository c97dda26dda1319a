"""Starts the node `instructseq`: `ros2 launch instructseq instructseq.launch.py image:=/camera/color/image_raw`."""

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from launch import LaunchContext, LaunchDescription

# Arguments that become parameters; one that is not given leaves the value of the parameter file.
PARAMETERS = (
    ("image_transport", "raw (sensor_msgs/Image) or compressed (sensor_msgs/CompressedImage)."),
    ("instruction", "Standing instruction to begin with; others come on the topic `instruction`."),
    ("checkpoint", "Directory of the model; without it the one that comes with the package."),
    ("device", "Where the model runs: cpu, cuda or cuda:N."),
)


def generate_launch_description() -> LaunchDescription:
    parameters = PathJoinSubstitution([FindPackageShare("instructseq"), "config", "instructseq.yaml"])
    return LaunchDescription(
        [
            DeclareLaunchArgument("image", default_value="image", description="Topic of the camera's images."),
            DeclareLaunchArgument("params_file", default_value=parameters, description="YAML file of parameters."),
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node."),
            DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal."),
            *(DeclareLaunchArgument(name, default_value="", description=words) for name, words in PARAMETERS),
            OpaqueFunction(function=start_node),
        ]
    )


def start_node(context: LaunchContext) -> list[Node]:
    given = context.launch_configurations
    parameters = {name: given[name] for name, _ in PARAMETERS if given[name]}
    return [
        Node(
            package="instructseq",
            executable="instructseq",
            arguments=["node", "--ros-args", "--log-level", given["log_level"]],
            name="instructseq",
            namespace=given["namespace"],
            parameters=[given["params_file"], *([parameters] if parameters else [])],
            remappings=[("image", given["image"])],
            output="screen",
        )
    ]
