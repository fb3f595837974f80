"""`stacgen build`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stacgen.cli.app import app
from stacgen.cli.build_options import PixelOptions, WorkOptions
from stacgen.cli.grouping import grouped
from stacgen.cli.options import (
    PARTLY,
    ApiOptions,
    BaseUrl,
    BboxPlace,
    FrameOptions,
    Json,
    PointPlace,
    Quiet,
    Resolution,
    StoreOptions,
    Verbose,
    Years,
    interruptible,
    settings,
    tile_and_band,
)
from stacgen.errors import UsageError

if TYPE_CHECKING:
    from stacgen.model.request import Request, Shard
    from stacgen.model.stream import Selection


Tiles = Annotated[
    str | None,
    typer.Argument(
        metavar="TILE",
        help="MGRS tile, 29PKR; or several, with commas. None with --point or --bbox.",
    ),
]
BandNames = Annotated[
    str | None,
    typer.Argument(metavar="BAND", help="B01 to B12, B8A, TCI; or several, with commas."),
]


@app.command(
    short_help="Build frames of a tile and band into a STAC catalog.",
    epilog="Example: [bold]stacgen build 29PKR B09 --year 2025[/bold]",
)
@grouped
def build(  # noqa: PLR0913 - one parameter an option
    tile: Tiles = None,
    band: BandNames = None,
    *,
    plan: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Streams to build: columns tile, band, year."),
    ] = None,
    point: PointPlace = None,
    bbox: BboxPlace = None,
    year: Years = None,
    resolution: Resolution = None,
    frames: FrameOptions,
    output: Annotated[
        str, typer.Option("--output", "-o", help="Folder, or s3://, gs://, az:// URL.")
    ] = "catalogs",
    store_option: StoreOptions = None,
    base_url: BaseUrl = None,
    source: ApiOptions,
    pixels: PixelOptions,
    force: Annotated[bool, typer.Option("--force", help="Build anew what is there.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare every checksum of what is there.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be fetched.")
    ] = False,
    work: WorkOptions,
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Build part I of N; then stacgen index commits."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Build the frames of a tile and band, and file them into a STAC catalog."""
    from stacgen.api import build as library  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while
    from stacgen.cli import output as screen  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while

    with (
        interruptible(),
        screen.watching(as_json=as_json, quiet=quiet, verbose=verbose) as watch,
    ):
        wanted = frames.read()
        if plan is None:
            tile, band = tile_and_band(tile, band, point=point, bbox=bbox, quiet=quiet)
        elif point is not None or bbox is not None:
            raise UsageError("Say --plan, or a place (--point, --bbox), not both.")
        report = library.build_all(
            _requests(tile, band, year or [], plan, wanted, resolution),
            wanted=wanted,
            upstream=source.read(),
            pixels=pixels.read(),
            output=output,
            store_options=settings(store_option),
            base_url=base_url,
            force=force,
            verify=verify,
            dry_run=dry_run,
            labour=work.read(_shard(shard)),
            watch=watch,
        )
    screen.summarize(report, dry_run=dry_run, quiet=quiet)
    if report.failed or report.lost:
        raise typer.Exit(PARTLY)


def _requests(
    tile: str | None,
    band: str | None,
    years: list[int],
    plan: Path | None,
    wanted: "Selection",
    resolution: int | None,
) -> "list[Request]":
    from stacgen.api import build as library  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while
    from stacgen.api import plan_file  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while

    if plan is None:
        if tile is None or band is None:
            raise UsageError(
                "Say a tile and a band, such as 29PKR B09; a band and --point or --bbox; or --plan."
            )
        return library.requests(tile, band, years=years, resolution=resolution, wanted=wanted)
    if tile is not None or years:
        raise UsageError("Say --plan, or tile, band and year, not both.")
    return plan_file.read(plan, resolution=resolution)


def _shard(text: str | None) -> "Shard | None":
    from stacgen.model.request import Shard  # noqa: PLC0415 - numpy takes a while

    if text is None:
        return None
    part, slash, count = text.partition("/")
    if not (slash and part.isdecimal() and count.isdecimal()):
        raise UsageError(f"The shard {text!r} is not of the form 1/4.")
    return Shard(index=int(part), count=int(count))
