"""`stacgen doctor`."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from stacgen import __version__
from stacgen import doctor as doctors
from stacgen.cli.app import app
from stacgen.cli.options import API, PARTLY, TOKEN, StoreOptions, settings

_WIDTH = 80
"""Columns that are used, of wider terminals, too."""


@app.command(
    short_help="Look at this installation, and at what it reaches.",
    epilog="Example: [bold]stacgen doctor catalogs[/bold]",
)
def doctor(
    root: Annotated[
        str | None,
        typer.Argument(help="Folder or bucket to try out; nothing is left behind."),
    ] = None,
    *,
    api: Annotated[
        str,
        typer.Option(
            envvar="STACGEN_API",
            metavar="NAME|URL",
            help="dunia, destine, or the URL of an API like them; empty to ask none.",
        ),
    ] = API,
    store_option: StoreOptions = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="A JSON line a finding, to stdout.")
    ] = False,
) -> None:
    """Look at this installation and at what it reaches; exit code 1 where something is wrong."""
    token = os.environ.get(TOKEN, "").strip()
    seen: list[doctors.Finding] = []

    def kept() -> Iterator[doctors.Finding]:
        for each in doctors.examine(
            __version__,
            root=root,
            api=api,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            store_options=settings(store_option or []),
        ):
            seen.append(each)
            yield each

    if as_json:
        for each in kept():
            typer.echo(json.dumps(doctors.as_record(each)))
    else:
        width = min(shutil.get_terminal_size().columns, _WIDTH)
        for line in doctors.lines(kept(), width=width, colored=_is_colored()):
            typer.echo(line)
    typer.echo(doctors.verdict(seen), err=True)
    if any(each.mark is doctors.Mark.FAIL for each in seen):
        raise typer.Exit(PARTLY)


def _is_colored() -> bool:
    """Whether stdout is a terminal, and nobody said no (https://no-color.org)."""
    return (
        sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )
