"""`stacgen frames`."""

from typing import Annotated

import typer

from stacgen.cli.app import app
from stacgen.cli.grouping import grouped
from stacgen.cli.options import (
    ApiOptions,
    BboxPlace,
    FrameOptions,
    Json,
    PointPlace,
    Quiet,
    Resolution,
    Years,
    tile_and_band,
)
from stacgen.errors import UsageError

Tile = Annotated[
    str | None, typer.Argument(metavar="TILE", help="MGRS tile, 29PKR; none with --point.")
]
BandName = Annotated[
    str | None, typer.Argument(metavar="BAND", help="B01 to B12, B8A, TCI; not B10.")
]


@app.command(epilog="Example: [bold]stacgen frames 29PKR B09 --year 2025 --max-cloud 20[/bold]")
@grouped
def frames(  # noqa: PLR0913 - one parameter an option
    tile: Tile = None,
    band: BandName = None,
    *,
    point: PointPlace = None,
    bbox: BboxPlace = None,
    year: Years = None,
    resolution: Resolution = None,
    frames: FrameOptions,
    source: ApiOptions,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List the frames that there are, without fetching any."""
    from stacgen.api import build  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while
    from stacgen.cli import output  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while

    tile, band = tile_and_band(tile, band, point=point, bbox=bbox, quiet=quiet)
    if tile is None or band is None:
        raise UsageError("Say a tile and a band, such as 29PKR B09; or a band and --point.")
    if "," in tile:
        raise UsageError(f"Frames are listed for one tile, not for {tile}: say one, or a --point.")
    with output.watching(as_json=False, quiet=quiet, verbose=False) as watch:
        found = build.frames(
            tile,
            band,
            years=year or (),
            resolution=resolution,
            wanted=frames.read(),
            upstream=source.read(),
            watch=watch,
        )
    output.list_frames(found, as_json=as_json)
