"""`stacgen index`."""

from typing import Annotated

import typer

from stacgen.cli.app import app
from stacgen.cli.options import BaseUrl, StoreOptions, settings


@app.command(
    short_help="File all Items into catalogs, after builds with --shard.",
    epilog="Example: [bold]stacgen index catalogs[/bold]",
)
def index(
    root: Annotated[str, typer.Argument(help="Folder, or s3://, gs://, az:// URL.")],
    *,
    store_option: StoreOptions = None,
    base_url: BaseUrl = None,
) -> None:
    """File all Items under a root into catalogs, after builds with --shard."""
    from stacgen.api import build  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while
    from stacgen.cli import output  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while

    found, items = build.index(root, store_options=settings(store_option), base_url=base_url)
    output.say(f"Indexed {items} Items, Collections: {found}, in {root}")
