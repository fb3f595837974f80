"""`stacgen serve`."""

import threading
from typing import Annotated

import typer

from stacgen.cli.app import app
from stacgen.cli.options import StoreOptions, settings


@app.command(epilog="Then: [bold]pystac_client.Client.open(URL).search(...)[/bold]")
def serve(
    root: Annotated[str, typer.Argument(help="Folder, or s3://, gs://, az:// URL.")],
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 for any that is free.")] = 8000,
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="Answer to this name, too; repeatable."),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Where the server is public, behind a proxy.")
    ] = None,
    store_option: StoreOptions = None,
) -> None:
    """Serve a catalog as a STAC API, with its files, until Ctrl-C."""
    from stacgen.api import search  # noqa: PLC0415 - FastAPI takes a while

    with search.serve(
        root,
        host=host,
        port=port,
        names=name or (),
        base_url=base_url,
        store_options=settings(store_option),
    ) as address:
        typer.echo(f"Serving {root} at {address} (Ctrl-C ends it)", err=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            raise typer.Exit from None
