# ruff: noqa: INP001 - a script, not a package
"""Write `docs/reference/cli.md` from the commands: `python docs/generate_cli.py`.

The text is laid out here and not by Typer, whose help looks different from version to version.
"""

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from enum import EnumMeta
from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer

from stacgen import cli

PAGE = Path(__file__).parent / "reference" / "cli.md"
"""The page that is written."""

WIDTH = 80
_COLUMN = 28
"""Where the explanations begin."""

_KINDS = {str: "TEXT", int: "INTEGER", float: "NUMBER", bool: "", Path: "FILE"}
_PREFACE = """\
# Command line

<!-- Made by docs/generate_cli.py from stacgen/cli; do not edit. -->

`python -m stacgen` is the same as `stacgen`. Every command answers to `--help`.
"""
_CODES = """
## Exit codes

| Code | Meaning |
| ---: | --- |
| 0 | Done. |
| 1 | Some frames failed, or a stream or Dask's scheduler was lost; the others are in the catalog. |
| 2 | Usage: an option is wrong, or no frame answers to the selection. |
| 3 | Upstream: the API or a playlist cannot be had, or cannot be used. |
| 4 | Output: the catalog cannot be written, or is not one of stacgen's. |
| 5 | Another `stacgen update` has the catalog; nothing was done. |
| 130 | Interrupted with Ctrl-C; what was finished is in the catalog. |
| 143 | Terminated with SIGTERM, likewise. |
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8")


def render() -> str:
    """The whole page."""
    group: Any = typer.main.get_command(cli.app)
    sections = [_section("stacgen", group, cli.common)]
    for each in cli.app.registered_commands:
        if each.callback is not None:
            name = each.name or each.callback.__name__
            sections.append(_section(f"stacgen {name}", group.commands[name], each.callback))
    return _PREFACE + "".join(sections) + _CODES


def _section(name: str, command: Any, function: Callable[..., Any]) -> str:  # noqa: ANN401
    """A command: `command` as Typer made it, whose classes have no common base, and its source."""
    entries = [_parameter(each, function) for each in command.params if each.name != "help"]
    words = [names for panel, names, _ in entries if panel == "Arguments"]
    words = words or ["COMMAND [ARGS]..."] * hasattr(command, "commands")
    lines = [f"Usage: {' '.join([name, '[OPTIONS]', *words])}", ""]
    panels = dict.fromkeys(panel for panel, _, _ in entries)
    for panel in sorted(panels, key=lambda panel: panel not in ("Arguments", "Options")):
        lines.append(f"{panel}:")
        for _, names, help_text in (each for each in entries if each[0] == panel):
            lines += _lines(names, help_text)
        if panel == "Options":
            lines += _lines("--help, -h", "Show a help text and exit.")
        lines.append("")
    if hasattr(command, "commands"):
        lines.append("Commands:")
        for each, sub in command.commands.items():
            lines += _lines(each, sub.help)
    else:
        lines.append(re.sub(r"\[/?\w+\]", "", command.epilog or ""))
    text = "\n".join(lines).strip()
    return f"\n## {name}\n\n{command.help}\n\n```text\n{text}\n```\n"


def _parameter(parameter: Any, function: Callable[..., Any]) -> tuple[str, str, str]:  # noqa: ANN401
    """Panel, names with placeholder, and explanation."""
    kind = get_type_hints(function)[parameter.name]
    default = inspect.signature(function).parameters[parameter.name].default
    if not parameter.opts[0].startswith("-"):
        return "Arguments", parameter.metavar or parameter.name.upper(), parameter.help
    panel = parameter.rich_help_panel
    names = ", ".join(parameter.opts)
    return (
        panel if isinstance(panel, str) else "Options",
        f"{names} {parameter.metavar or _placeholder(kind)}".strip(),
        " ".join(_explained(parameter, kind, default)),
    )


def _placeholder(kind: Any) -> str:  # noqa: ANN401 - an annotation
    kinds = [each for each in get_args(kind) if each is not type(None)]
    while kinds:
        kind = kinds[0]
        kinds = list(get_args(kind))
    return "CHOICE" if isinstance(kind, EnumMeta) else _KINDS[kind]


def _explained(parameter: Any, kind: Any, default: object) -> Iterator[str]:  # noqa: ANN401
    if parameter.help:
        yield parameter.help
    if isinstance(kind, EnumMeta):
        yield f"One of {', '.join(map(str, kind.__members__.values()))}."
    if parameter.envvar:
        yield f"[env var:\u00a0{parameter.envvar}]"
    if default is not None and default is not False:
        yield f"[default:\u00a0{getattr(default, 'value', default)}]"


def _lines(names: str, help_text: str) -> list[str]:
    """An option and its explanation, side by side, or below where the names are long."""
    indent = " " * _COLUMN
    wrapped = [
        line.replace("\u00a0", " ")
        for line in textwrap.wrap(
            help_text, WIDTH - _COLUMN, break_on_hyphens=False, break_long_words=False
        )
    ]
    head = f"  {names}"
    if len(head) > _COLUMN - 2 or not wrapped:
        return [head, *(indent + line for line in wrapped)]
    return [f"{head:<{_COLUMN}}{wrapped[0]}", *(indent + line for line in wrapped[1:])]


if __name__ == "__main__":
    main()
