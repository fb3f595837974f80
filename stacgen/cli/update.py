"""`stacgen update`."""

from typing import Annotated

import typer

from stacgen.cli.app import app
from stacgen.cli.build_options import PixelOptions, WorkOptions
from stacgen.cli.grouping import grouped
from stacgen.cli.options import (
    PARTLY,
    ApiOptions,
    BaseUrl,
    FrameOptions,
    StoreOptions,
    Verbose,
    interruptible,
    settings,
)


@app.command(epilog="Example: [bold]stacgen update catalogs -q[/bold]")
@grouped
def update(  # noqa: PLR0913 - one parameter an option
    root: Annotated[str, typer.Argument(help="Folder, or s3://, gs://, az:// URL.")],
    *,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Delete Items of which there is a newer baseline; else deprecate."
        ),
    ] = False,
    frames: FrameOptions,
    store_option: StoreOptions = None,
    base_url: BaseUrl = None,
    source: ApiOptions,
    pixels: PixelOptions,
    work: WorkOptions,
    as_json: Annotated[
        bool, typer.Option("--json", help="A JSON line a Collection that changed, to stdout.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only what changed, and errors.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Ask the API for all that a catalog has, and add what is new."""
    from stacgen.api import maintain  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while
    from stacgen.cli import output  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while

    with interruptible(), output.watching(as_json=False, quiet=quiet, verbose=verbose) as watch:
        done = maintain.update(
            root,
            replace=replace,
            wanted=frames.read(),
            upstream=source.read(),
            pixels=pixels.read(),
            labour=work.read(),
            base_url=base_url,
            store_options=settings(store_option),
            watch=watch,
        )
    output.tell_changes(done, as_json=as_json, quiet=quiet)
    if done.report.failed or done.report.lost:
        raise typer.Exit(PARTLY)
