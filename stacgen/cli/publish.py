"""`stacgen publish`."""

from typing import Annotated

import typer

from stacgen.cli.app import app
from stacgen.cli.options import BaseUrl, Quiet, StoreOptions, interruptible, settings


@app.command(
    short_help="Copy a catalog to where it is public.",
    epilog="Example: [bold]stacgen publish catalogs s3://bucket/path"
    " --base-url https://data.example.org/path[/bold]",
)
def publish(  # noqa: PLR0913 - one parameter an option
    source: Annotated[str, typer.Argument(help="Folder, or s3://, gs://, az:// URL.")],
    target: Annotated[str, typer.Argument(help="Where to copy it, likewise.")],
    *,
    base_url: BaseUrl = None,
    absolute_links: Annotated[
        bool, typer.Option("--absolute-links", help="Absolute hrefs in Items, under --base-url.")
    ] = False,
    delete: Annotated[
        bool, typer.Option("--delete", help="Remove what the source has no more.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare every checksum of what is there.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be copied.")
    ] = False,
    store_option: StoreOptions = None,
    source_option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Setting of the source's bucket; repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON line a file, to stdout.")] = False,
    quiet: Quiet = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="A line a file.")] = False,
) -> None:
    """Copy a catalog to where it is public, leaves first and only what has changed."""
    from stacgen.api import maintain  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while
    from stacgen.cli import output  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while

    with (
        interruptible(),
        output.publishing(as_json=as_json, quiet=quiet, verbose=verbose) as watch,
    ):
        published = maintain.publish(
            source,
            target,
            base_url=base_url,
            absolute_links=absolute_links,
            delete=delete,
            verify=verify,
            dry_run=dry_run,
            source_options=settings(source_option),
            store_options=settings(store_option),
            watch=watch,
        )
    output.summarize_copy(published, dry_run=dry_run, quiet=quiet)
