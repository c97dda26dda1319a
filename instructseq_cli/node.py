"""`instructseq node` and `instructseq say`: the robot's side and the person's side of ROS 2."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from instructseq_cli.checkpoints import DEFAULT, find_checkpoint
from instructseq_cli.ros import InstructionPublisher, require_ros

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Settings of a command that hands unknown arguments on to ROS 2."""


def node(
    context: typer.Context,
    checkpoint: Annotated[
        str, typer.Option(help="Folder of a checkpoint, or the name of one that is shipped.")
    ] = DEFAULT,
    image: Annotated[str, typer.Option(help="Topic of the camera's images, without /compressed.")] = "image",
    transport: Annotated[str, typer.Option(help="raw (Image) or compressed (CompressedImage).")] = "raw",
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
) -> None:
    """Run the ROS 2 node: images and instructions in, masks, boxes, captions and confidence out.

    * instructseq node --image /camera/color/image_raw

    * instructseq node --image /camera/image --transport compressed --device cuda

    * instructseq node --ros-args --params-file config/instructseq.yaml -r __ns:=/arm

    Everything after **--ros-args** goes to ROS 2 as it is. Stop it with Ctrl-C. Needs a shell with ROS 2:
    `. scripts/env.sh`.
    """
    require_ros("rclpy", "vision_msgs.msg", "instructseq.msg")
    from instructseq_ros.node import main

    status = main(ros_arguments(str(find_checkpoint(checkpoint).resolve()), image, transport, device, context.args))
    raise typer.Exit(status)


def ros_arguments(checkpoint: str, image: str, transport: str, device: str, extra: list[str]) -> list[str]:
    """The node's command line; the user's own ROS arguments come last, so that they win."""
    arguments = ["--ros-args"]
    for name, value in (("checkpoint", checkpoint), ("image_transport", transport), ("device", device)):
        arguments += ["-p", f"{name}:={value}"]
    if image != "image":
        arguments += ["-r", f"image:={image}"]
    return [*arguments, *extra]


def say(
    text: Annotated[
        list[str] | None, typer.Argument(help="The instruction; without it, a prompt keeps asking.", show_default=False)
    ] = None,
    topic: Annotated[str, typer.Option(help="Topic that the node listens on.")] = "/instruction",
    stop: Annotated[
        bool, typer.Option("--stop", help="Send the empty instruction, which stops the standing one.")
    ] = False,
    wait: Annotated[float, typer.Option(min=0.0, max=600.0, help="Seconds to wait for a listener.")] = 10.0,
) -> None:
    """Tell the node what to look for. The instruction stands until another one comes.

    * instructseq say "mark the mug left of the laptop in green"

    * instructseq say             (a prompt; an empty line stops the standing instruction, Ctrl-D ends)

    * instructseq say --stop
    """
    with InstructionPublisher(topic=topic, wait_seconds=wait) as publisher:
        publisher.wait_for_listener()
        if stop:
            publisher.say("")
        elif text:
            publisher.say(" ".join(text))
        else:
            _ask(publisher)


def _ask(publisher: InstructionPublisher) -> None:
    """Keep asking until the end of the input."""
    console = Console(highlight=False)
    console.print("One instruction a line; an empty line stops the standing one, Ctrl-D ends.", style="dim")
    while True:
        try:
            line = console.input("instruction> ")
        except (EOFError, KeyboardInterrupt):
            console.print()
            return
        publisher.say(line.strip())
        console.print("sent" if line.strip() else "stopped", style="dim")
