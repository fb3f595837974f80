"""`stacgen validate`."""

from pathlib import Path
from typing import Annotated

import typer

from stacgen.cli.app import app
from stacgen.cli.options import PARTLY, StoreOptions, settings


@app.command(
    short_help="Look for what is wrong with a catalog.",
    epilog="Example: [bold]stacgen validate catalogs --deep[/bold]",
)
def validate(
    root: Annotated[str, typer.Argument(help="Folder, http(s) URL, or s3://, gs://, az:// URL.")],
    *,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every file, too: checksums, COGs, pixels.")
    ] = False,
    schemas: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR", help="JSON schemas of extensions, so that none is fetched; repeatable."
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST", help="Fetch schemas from there in a private network; repeatable."
        ),
    ] = None,
    store_option: StoreOptions = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="A JSON line a finding, to stdout.")
    ] = False,
) -> None:
    """Look for what is wrong with a catalog; exit code 1 where something is."""
    from stacgen.api import maintain  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while
    from stacgen.cli import output  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while

    found = maintain.validate(
        root,
        schemas=schemas,
        deep=deep,
        allow_hosts=allow_host or (),
        store_options=settings(store_option),
        watch=output.say,
    )
    output.list_findings(found, as_json=as_json)
    if found.findings:
        raise typer.Exit(PARTLY)
