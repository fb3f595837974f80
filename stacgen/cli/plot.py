"""`stacgen plot`."""

from pathlib import Path
from typing import Annotated

import typer

from stacgen.api import destination
from stacgen.cli.app import app
from stacgen.cli.options import (
    CollectionPlace,
    Format,
    FrameOptions,
    Interval,
    MaxCloud,
    Quiet,
    StoreOptions,
    UnknownCloud,
    settings,
)
from stacgen.errors import UsageError


@app.command(
    short_help="Plot cloud over time, or the pixels of a place.",
    epilog="Example: [bold]stacgen plot catalogs/29PKR/B09 --point -10.5 14.0 -o dn.png[/bold]",
)
def plot(  # noqa: PLR0913 - one parameter an option
    collection: CollectionPlace,
    *,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE", help="plot.png or plot.svg; - is stdout."),
    ] = None,
    form: Format = None,
    point: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LON LAT", help="Read the pixel there; degrees."),
    ] = None,
    polygon: Annotated[
        Path | None,
        typer.Option(metavar="FILE.geojson", help="Take the mean of the pixels in it; degrees."),
    ] = None,
    reflectance: Annotated[
        bool, typer.Option("--reflectance", help="Show reflectance rather than DN.")
    ] = False,
    interval: Interval = None,
    max_cloud: MaxCloud = None,
    unknown_cloud: UnknownCloud = None,
    store_option: StoreOptions = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="A JSON line an acquisition, to stdout.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Plot cloud and valid share over time; or, of a place, the mean of its pixels."""
    from stacgen.api import visualize  # noqa: PLC0415 - GDAL takes a while
    from stacgen.cli import output as screen  # noqa: PLC0415 - GDAL takes a while

    if output is None and not as_json:
        raise UsageError("Say where to: -o plot.png, -o plot.svg, or --json.")
    if as_json and output == destination.STDOUT:
        raise UsageError("Both --json and -o - write to stdout; name a file for one of them.")
    wanted = FrameOptions(
        interval=interval, max_cloud=max_cloud, unknown_cloud=unknown_cloud
    ).read()
    options = settings(store_option)
    drawn = None
    if output is None:
        found = visualize.readings(
            collection,
            point=point,
            polygon=polygon,
            reflectance=reflectance,
            wanted=wanted,
            store_options=options,
        )
    else:
        found, drawn = visualize.plot(
            collection,
            output,
            form=form,
            point=point,
            polygon=polygon,
            reflectance=reflectance,
            wanted=wanted,
            store_options=options,
        )
    for text in found.notes:
        screen.note(text, quiet=quiet)
    if as_json:
        screen.list_readings(found.readings)
    if drawn is not None:
        screen.tell_drawn(drawn.address, drawn.frames, drawn.size, quiet=quiet)
