"""`stacgen doctor`."""

import os
import sys
from typing import Annotated

import typer

from stacgen import __version__
from stacgen.api.doctor import examine, tell
from stacgen.cli.app import app
from stacgen.cli.options import API, PARTLY, TOKEN, StoreOptions, settings


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
        bool, typer.Option("--json", help="One JSON line per finding, to stdout.")
    ] = False,
) -> None:
    """Look at this installation and at what it reaches; exit code 1 where something is wrong."""
    token = os.environ.get(TOKEN, "").strip()
    found = examine(
        __version__,
        root=root,
        api=api,
        headers={"Authorization": f"Bearer {token}"} if token else {},
        store_options=settings(store_option),
    )
    if tell(found, as_json=as_json, colored=_is_colored()):
        raise typer.Exit(PARTLY)


def _is_colored() -> bool:
    """True if stdout is a terminal, and nobody said no (https://no-color.org)."""
    return (
        sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )
