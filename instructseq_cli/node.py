"""`instructseq node` and `instructseq say`: the robot's side and the person's side of ROS 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer
from rich.console import Console

from instructseq_cli.ros import InstructionPublisher, require_ros
from instructseq_model.checkpoint_folders import find_checkpoint

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Settings of a command that hands unknown arguments on to ROS 2."""


def node(
    context: typer.Context,
    checkpoint: Annotated[
        str | None,
        typer.Option(help="Folder of a checkpoint, or the name of a shipped one. [default: household]"),
    ] = None,
    image: Annotated[
        str | None, typer.Option(help="Topic of the camera's images, without /compressed. [default: image]")
    ] = None,
    transport: Annotated[
        str | None, typer.Option(help="raw (Image) or compressed (CompressedImage). [default: raw]")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or cuda:N. [default: cpu]")] = None,
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

    folder = str(find_checkpoint(checkpoint).resolve()) if checkpoint else None
    parameters = {"checkpoint": folder, "image_transport": transport, "device": device}
    raise typer.Exit(main(ros_arguments(parameters, image=image, extra=context.args)))


def ros_arguments(parameters: Mapping[str, str | None], *, image: str | None, extra: list[str]) -> list[str]:
    """The node's command line: only what was given, so that parameter files and launch files keep their say.

    Args:
        parameters: values by name; None for what was not given.
        image: topic of the images, or None.
        extra: the user's own ROS arguments; they come last, so that they win.
    """
    arguments = ["--ros-args"]
    for name, value in parameters.items():
        if value is not None:
            arguments += ["-p", f"{name}:={value}"]
    if image is not None:
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
