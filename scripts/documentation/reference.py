"""Writes docs/reference from what the program itself says: the parameter table, the messages, the command line.

python scripts/documentation/reference.py            # after a change of one of them
python scripts/documentation/reference.py --check    # 1 if a page is not what would be written
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer.main

from instructseq_cli.main import app
from instructseq_ros.parameters import PARAMETERS, Change, ParameterSpec

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "reference"
MADE = "<!-- Made by scripts/documentation/reference.py; change {source} and run it again. -->\n"


def parameters_page() -> str:
    """The node's parameters, as tables, by when they can be changed."""
    parts = [
        MADE.format(source="instructseq_ros/parameters.py"),
        "# Parameters of the node\n",
        "`ros2 param describe /instructseq NAME` says the same of a running node. A value outside its range is refused "
        "with the reason. All defaults are in `config/instructseq.yaml`.\n",
    ]
    for change in Change:
        specs = [spec for spec in PARAMETERS if spec.change is change]
        if not specs:
            continue
        parts.append(f"## Can be changed {change.value}\n")
        parts.append("| Parameter | Type | Default | Allowed | Meaning |\n| --- | --- | --- | --- | --- |")
        parts.extend(_parameter_row(spec) for spec in specs)
        parts[-1] += "\n"
    return "\n".join(parts)


def _parameter_row(spec: ParameterSpec) -> str:
    cells = (
        f"`{spec.name}`",
        type(spec.default).__name__,
        f"`{_literal(spec.default)}`",
        _allowed(spec),
        spec.description,
    )
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return '""' if value == "" else str(value).replace(f"{ROOT}/", "")


def _allowed(spec: ParameterSpec) -> str:
    if spec.minimum is not None and spec.maximum is not None:
        return f"{spec.minimum:.10g} to {spec.maximum:.10g}"
    if spec.choices:
        return ", ".join(f"`{_literal(choice)}`" for choice in spec.choices)
    return spec.pattern_words


def messages_page() -> str:
    """Messages, services and actions: every field with the comment above it."""
    parts = [
        MADE.format(source="the files in msg, srv and action"),
        "# Messages and actions\n",
        "`ros2 interface show instructseq/msg/Perception` shows the same. Images, detections and labels are stock "
        "messages (`sensor_msgs`, `vision_msgs`), so stock tools show them.\n",
    ]
    for kind in ("msg", "srv", "action"):
        for file in sorted((ROOT / kind).glob(f"*.{kind}")):
            parts.append(_interface(file))
    return "\n".join(parts)


def _interface(file: Path) -> str:
    sections = re.split(r"^---\n", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    titles = {1: ("",), 2: ("Request", "Response"), 3: ("Goal", "Result", "Feedback")}[len(sections)]
    parts = [f"## instructseq/{file.parent.name}/{file.stem}\n"]
    for number, (title, section) in enumerate(zip(titles, sections, strict=True)):
        intro, rows = _fields(section, has_intro=number == 0)
        if intro:
            parts.append(f"{intro}\n")
        if title:
            parts.append(f"### {title}\n")
        if rows:
            parts.append("| Field | Type | Meaning |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _fields(section: str, *, has_intro: bool) -> tuple[str, list[str]]:
    """The comment that belongs to no field, and one row for each field or constant.

    A comment belongs to the fields right below it; a blank line ends it.
    """
    intro, rows, comment, last = "", [], [], ""
    for line in section.splitlines():
        text = line.strip()
        if text.startswith("#"):
            comment.append(text.lstrip("# "))
        elif not text:
            if has_intro and not rows and not intro:
                intro = " ".join(comment)
            comment = []
        else:
            held, _, behind = text.partition("#")
            kind, name = held.split(maxsplit=1)
            words = " ".join([*comment, behind.strip()]).strip()
            words, last = ("as above" if words and words == last else words), words
            rows.append(f"| `{_cell(name.strip())}` | `{kind}` | {_cell(words)} |")
    return intro, rows


def commands_page() -> str:
    """Every command with its arguments and options, as `--help` says them."""
    parts = [
        MADE.format(source="the commands in instructseq_cli"),
        "# The command line\n",
        "`instructseq COMMAND --help` says the same. Exit code 0: done; 2: something to mend, said in one red line. "
        "`instructseq --debug COMMAND` shows where an error came from.\n",
    ]
    program = typer.main.get_command(app)
    for name, command in sorted(_subcommands(program).items()):
        parts += _command(command, f"instructseq {name}")
    return "\n".join(parts)


def _subcommands(command: Any) -> dict[str, Any]:
    """Of a group of commands; click's classes are typer's own in some versions, so that names are all there is."""
    held: dict[str, Any] = getattr(command, "commands", {})
    return held


def _command(command: Any, path: str) -> list[str]:
    words = _plain(command.help or "")
    parts = [f"## {path}\n", f"{words}\n"]
    for name, inner in sorted(_subcommands(command).items()):
        parts += _command(inner, f"{path} {name}")
    rows = [row for parameter in command.params if (row := _parameter(parameter))]
    if rows:
        parts.append("| Argument | Default | Meaning |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n")
    return parts


def _parameter(parameter: Any) -> str:
    if parameter.hidden or parameter.name == "help":
        return ""
    if parameter.param_type_name == "option":
        names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    else:
        names = f"`{(parameter.metavar or parameter.name or '').upper()}`"
    default = parameter.default
    if parameter.required:
        shown = "required"
    elif isinstance(default, bool | int | float | str | Path) and default != "":
        shown = f"`{_literal(default)}`"
    else:
        shown = ""
    return f"| {names} | {_cell(shown)} | {_cell(_plain(getattr(parameter, 'help', None) or ''))} |"


def _plain(text: str) -> str:
    """Help texts are Markdown with one line a sentence or more; paragraphs stay."""
    return "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", text.replace("\b", "")) if part.strip())


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("~/", "\\~/")


PAGES: dict[str, Callable[[], str]] = {
    "parameters.md": parameters_page,
    "messages.md": messages_page,
    "commands.md": commands_page,
}


def main(arguments: list[str]) -> int:
    """Write the pages, or compare them with what is there."""
    FOLDER.mkdir(exist_ok=True)
    outdated = [name for name, make in PAGES.items() if _held(FOLDER / name) != make()]
    if "--check" in arguments:
        for name in outdated:
            print(f"docs/reference/{name} is outdated: run python scripts/documentation/reference.py")
        return bool(outdated)
    for name in outdated:
        (FOLDER / name).write_text(PAGES[name](), encoding="utf-8")
        print(f"wrote docs/reference/{name}")
    return 0


def _held(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
