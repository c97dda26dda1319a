"""`instructseq sim`: a simulated camera over a household scene, to try instructions against."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from instructseq_cli.ros import require_ros
from instructseq_cli.training import _require_training

EXECUTOR_THREADS = 4


def sim(
    context: typer.Context,
    place: Annotated[str, typer.Option(help="table or room.")] = "table",
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same scene.")] = 0,
    width: Annotated[int, typer.Option(min=64, max=1920, help="Of the picture, pixels.")] = 640,
    height: Annotated[int, typer.Option(min=48, max=1080, help="Of the picture, pixels.")] = 480,
    rate: Annotated[float, typer.Option(min=0.1, max=60.0, help="Frames a second, if the machine can.")] = 5.0,
    move_every: Annotated[float, typer.Option(min=0.0, help="Seconds between moves; 0: only by the service.")] = 8.0,
    swing: Annotated[float, typer.Option(min=0.0, max=90.0, help="The camera swings so many degrees aside.")] = 15.0,
    clock: Annotated[bool, typer.Option("--clock", help="Publish /clock and stamp with it (use_sim_time).")] = False,
    window: Annotated[bool, typer.Option("--window", help="Open MuJoCo's viewer, too; needs a display.")] = False,
    assets: Annotated[
        Path | None,
        typer.Option(help="Folder of object models. Default: installed, cached, or simple shapes.", show_default=False),
    ] = None,
) -> None:
    """A live household scene as a camera: /camera/image, /camera/camera_info, and the truth on /truth/...

    * instructseq sim            (then: instructseq node --image /camera/image --transport compressed)

    * instructseq sim --place room --seed 3 --window

    * instructseq sim --clock --ros-args -r __ns:=/arm

    Services: /instructseq_sim/move carries one object elsewhere, /instructseq_sim/shuffle draws a new scene,
    /instructseq_sim/pause stops and starts time. Stop it with Ctrl-C. Needs a shell with ROS 2: `. scripts/env.sh`.
    """
    require_ros("rclpy", "std_srvs.srv", "vision_msgs.msg")
    _require_training("instructseq_training.scenes.render")
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    from instructseq_ros.spinning import spin_until_stopped
    from instructseq_sim.live_scene import SimConfig
    from instructseq_sim.node import CameraConfig, SimNode, Window
    from instructseq_sim.window import ViewerWindow

    scene = SimConfig(
        width=width, height=height, seed=seed, place=place, move_every=move_every, swing=swing, assets=assets
    )
    camera = CameraConfig(rate=rate, publish_clock=clock, window=ViewerWindow if window else lambda _: Window())
    rclpy.init(args=context.args, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = SimNode(scene, camera)
        node.start()
        node.ready.wait()
        if node.failure is not None:
            node.destroy_node()
            raise node.failure
        typer.echo("publishing /camera/image and /truth/...; Ctrl-C ends")
        spin_until_stopped(node, threads=EXECUTOR_THREADS, stop=node.stop)
    finally:
        rclpy.try_shutdown()
