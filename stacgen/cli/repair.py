"""`stacgen repair`."""

from typing import Annotated

import typer

from stacgen.cli.app import app
from stacgen.cli.options import PARTLY, BaseUrl, StoreOptions, settings


@app.command(
    short_help="Make all that stands above the Items anew.",
    epilog="Example: [bold]stacgen repair catalogs[/bold]",
)
def repair(
    root: Annotated[str, typer.Argument(help="Folder, or s3://, gs://, az:// URL.")],
    *,
    store_option: StoreOptions = None,
    base_url: BaseUrl = None,
) -> None:
    """Make all that stands above the Items anew from them; exit code 1 if something stays wrong."""
    from stacgen.api import maintain  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while
    from stacgen.cli import output  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while

    found = maintain.repair(root, base_url=base_url, store_options=settings(store_option))
    output.list_findings(found, as_json=False)
    if found.findings:
        raise typer.Exit(PARTLY)
