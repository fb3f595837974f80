"""The command line: options to arguments, results to stdout, everything for people to stderr.

It only wires, a module a command. What a command does is a call of the library, loaded when the
command runs, so that `--help` is quick.
"""

import sys
from collections.abc import Sequence

import typer

from stacgen.cli import (
    build,
    doctor,
    frames,
    index,
    plot,
    preview,
    publish,
    repair,
    rgb,
    sample,
    search,
    serve,
    tiles,
    update,
    validate,
)
from stacgen.cli.app import app, common
from stacgen.cli.options import PARTLY
from stacgen.errors import StacgenError

__all__ = [
    "PARTLY",
    "app",
    "build",
    "common",
    "doctor",
    "frames",
    "index",
    "main",
    "plot",
    "preview",
    "publish",
    "repair",
    "rgb",
    "sample",
    "search",
    "serve",
    "tiles",
    "update",
    "validate",
]


def main(arguments: Sequence[str] | None = None, *, name: str | None = None) -> None:
    """Run a command; whatever stacgen cannot do becomes a sentence and an exit code.

    Args:
        arguments: Those of the command; None for those of the process.
        name: What it is called in help texts; None for what it was called by.
    """
    try:
        try:
            app(args=arguments, prog_name=name)
        except SystemExit:
            sys.stdout.flush()  # here, where what fails is an error, and not as Python ends
            raise
    except StacgenError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
