"""`instructseq demo`: the whole slice over DDS, with a report to look at."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from instructseq_model.checkpoint_folders import DEFAULT
from instructseq_model.errors import ConfigError

PLAN = Path(__file__).resolve().parents[2] / "demo" / "plan.yaml"
"""The plan that the repository brings."""


def _require_libraries(*modules: str) -> None:
    """Check that the demo's own libraries are installed.

    Raises:
        ConfigError: one is not; the message says how to install it.
    """
    for module in modules:
        if find_spec(module) is None:
            raise ConfigError(f"the demo needs the package {module}: run scripts/setup.sh, or `pip install {module}`")


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the report; made if missing.")] = Path("out/demo"),
    checkpoint: Annotated[
        str, typer.Option(help="Folder of a checkpoint, or the name of one that is shipped.")
    ] = DEFAULT,
    plan: Annotated[Path, typer.Option(help="Inputs and instructions.", show_default="demo/plan.yaml")] = PLAN,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    picture: Annotated[
        Path | None, typer.Option(help="Also write one picture of an answer of each kind.", show_default=False)
    ] = None,
    patience: Annotated[float, typer.Option(min=1.0, max=600.0, help="Seconds to wait for an answer.")] = 30.0,
) -> None:
    """Show what works: the node over DDS, a moving camera, a real photograph, four kinds of instruction.

    * instructseq demo

    * instructseq demo --checkpoint out/model --out out/mine

    * instructseq demo --picture docs/images/answers.jpg

    Written to --out: **report.html** (open it in a browser), **summary.json**, the bag **answers**, **node.log**.
    Exit code 1 if an instruction got no answer. Needs a shell with ROS 2: `. scripts/env.sh`.
    """
    from instructseq_cli.ros import require_ros

    require_ros("rclpy", "vision_msgs.msg", "instructseq.msg")
    _require_libraries("rosbags", "jinja2")
    from instructseq_cli.demo.picture import write_picture
    from instructseq_cli.demo.plan import read_plan
    from instructseq_cli.demo.report import write_report
    from instructseq_cli.demo.session import run_session
    from instructseq_cli.demo.summary import summarise

    console = Console(highlight=False, soft_wrap=True)
    acts = read_plan(plan)
    out.mkdir(parents=True, exist_ok=True)
    course = run_session(
        acts,
        checkpoint=checkpoint,
        device=device,
        out=out,
        patience=patience,
        progress=lambda line: console.print(line),
    )
    summary = summarise(acts, course)
    (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    write_report(out / "report.html", acts, course, summary, Path(checkpoint).name)
    if picture is not None:
        write_picture(picture, acts, course)
    console.print_json(data={name: value for name, value in summary.items() if name != "inputs"})
    console.print(f"{out / 'report.html'}", style="bold", markup=False)
    if summary["unanswered"]:
        console.print(f"no answer to: {'; '.join(summary['unanswered'])}", style="bold red", markup=False)
        raise typer.Exit(1)
