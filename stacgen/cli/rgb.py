"""`stacgen rgb`."""

from typing import Annotated

import typer

from stacgen.cli.app import app
from stacgen.cli.options import (
    PARTLY,
    FrameOptions,
    Interval,
    MaxCloud,
    Quiet,
    StoreOptions,
    UnknownCloud,
    Verbose,
    Years,
    interruptible,
    settings,
)


@app.command(
    short_help="Make true-colour COGs of the scenes of a tile.",
    epilog="Example: [bold]stacgen rgb catalogs 29PKR --year 2025[/bold]",
)
def rgb(  # noqa: PLR0913 - one parameter an option
    root: Annotated[str, typer.Argument(help="Folder, or s3://, gs://, az:// URL.")],
    tile: Annotated[str, typer.Argument(help="MGRS tile, 29PKR.")],
    *,
    year: Years = None,
    interval: Interval = None,
    max_cloud: MaxCloud = None,
    unknown_cloud: UnknownCloud = None,
    force: Annotated[bool, typer.Option("--force", help="Make anew what is there.")] = False,
    store_option: StoreOptions = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make true-colour COGs of the scenes of a tile, from B04, B03 and B02."""
    from stacgen.api import maintain  # noqa: PLC0415 - GDAL and PROJ take a while
    from stacgen.cli import rgb_progress  # noqa: PLC0415 - GDAL and PROJ take a while

    with interruptible(), rgb_progress.painting(tile, quiet=quiet, verbose=verbose) as told:
        outcomes = maintain.rgb(
            root,
            tile,
            years=year or [],
            wanted=FrameOptions(
                interval=interval, max_cloud=max_cloud, unknown_cloud=unknown_cloud
            ).read(),
            store_options=settings(store_option),
            force=force,
            told=told,
        )
    rgb_progress.summarize(outcomes, quiet=quiet)
    if any(each.has_failed for each in outcomes):
        raise typer.Exit(PARTLY)
