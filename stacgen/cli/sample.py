"""`stacgen sample`."""

import threading
from typing import Annotated

import typer

from stacgen.cli.app import app
from stacgen.errors import UsageError


@app.command(epilog="Then: [bold]stacgen build 29PKR B09 --year 2025 --api URL[/bold]")
def sample(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 for any that is free.")] = 8765,
) -> None:
    """Serve a synthetic landscape as DUNIA and DestinE Streamer would, until Ctrl-C."""
    from stacgen.api import sample as server  # noqa: PLC0415 - numpy takes a while

    try:
        with server.serve(host=host, port=port) as base:
            typer.echo(f"Serving {base} (Ctrl-C ends it)", err=True)
            threading.Event().wait()
    except OSError as error:
        raise UsageError(f"Nothing can listen on {host}:{port}: {error.strerror}.") from error
