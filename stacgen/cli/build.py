"""`stacgen build`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stacgen.cli.app import app
from stacgen.cli.options import (
    API,
    PARTLY,
    TCI_PATH,
    AllowHosts,
    Api,
    BaseUrl,
    End,
    Headers,
    Interval,
    Json,
    Limit,
    MaxCloud,
    MaxNodata,
    Quiet,
    Sample,
    Start,
    StoreOptions,
    TciPath,
    Verbose,
    Years,
    chosen,
    interruptible,
    settings,
    upstream,
)
from stacgen.errors import UsageError

if TYPE_CHECKING:
    from stacgen.models import Selection
    from stacgen.pipeline import Request, Shard


class Compress(StrEnum):
    """Compressions of the COG; all are lossless."""

    DEFLATE = "deflate"
    ZSTD = "zstd"
    LERC = "lerc"
    LERC_ZSTD = "lerc_zstd"
    LZW = "lzw"
    NONE = "none"


class Resampling(StrEnum):
    """How overview pixels come from those below."""

    AVERAGE = "average"
    NEAREST = "nearest"
    BILINEAR = "bilinear"
    CUBIC = "cubic"
    MODE = "mode"
    RMS = "rms"


Tiles = Annotated[
    str | None, typer.Argument(metavar="TILE", help="MGRS tile, 29PKR; or several, with commas.")
]
BandNames = Annotated[
    str | None, typer.Argument(metavar="BAND", help="B01 to B12, B8A; or several, with commas.")
]


@app.command(epilog="Example: [bold]stacgen build 29PKR B09 --year 2025[/bold]")
def build(  # noqa: PLR0913 - one parameter an option
    tile: Tiles = None,
    band: BandNames = None,
    *,
    plan: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Streams to build: columns tile, band, year."),
    ] = None,
    year: Years = None,
    start: Start = None,
    end: End = None,
    interval: Interval = None,
    max_cloud: MaxCloud = None,
    max_nodata: MaxNodata = None,
    limit: Limit = None,
    output: Annotated[
        str, typer.Option("--output", "-o", help="Folder, or s3://, gs://, az:// URL.")
    ] = "catalogs",
    store_option: StoreOptions = None,
    base_url: BaseUrl = None,
    api: Api = API,
    tci_path: TciPath = TCI_PATH,
    allow_host: AllowHosts = None,
    header: Headers = None,
    sample: Sample = False,
    compress: Annotated[
        Compress, typer.Option(help="Of the COG; all are lossless.", rich_help_panel="Pixels")
    ] = Compress.DEFLATE,
    level: Annotated[
        int | None, typer.Option(help="Compression level; 1 for deflate.", rich_help_panel="Pixels")
    ] = None,
    blocksize: Annotated[
        int, typer.Option(help="Pixels a side of a tile of the file.", rich_help_panel="Pixels")
    ] = 512,
    overview_resampling: Annotated[
        Resampling, typer.Option(help="How overviews are made.", rich_help_panel="Pixels")
    ] = Resampling.AVERAGE,
    clean_nodata: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Set codes up to N that touch nodata to nodata.",
            rich_help_panel="Pixels",
        ),
    ] = None,
    reflectance: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="SCALE OFFSET",
            help="Of DN to reflectance, where it is not ESA's.",
            rich_help_panel="Pixels",
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Refuse what is odd, and decode twice what has no hash.",
            rich_help_panel="Pixels",
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Build anew what is there.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare every checksum of what is there.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be fetched.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Segments at a time; one a core.")
    ] = None,
    memory: Annotated[
        float | None,
        typer.Option(metavar="GB", min=0.1, help="To use; four fifths of the machine's."),
    ] = None,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS|local", help="Work on a Dask cluster.")
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Build part I of N; then stacgen index commits."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Build the frames of a tile and band, and file them into a STAC catalog."""
    from stacgen import library, screen  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while
    from stacgen.models import Reflectance  # noqa: PLC0415 - same
    from stacgen.profile import CogProfile  # noqa: PLC0415 - same

    with (
        interruptible(),
        screen.watching(as_json=as_json, quiet=quiet, verbose=verbose) as watch,
    ):
        wanted = chosen(start, end, interval, max_cloud, max_nodata, limit)
        report = library.build_all(
            _requests(tile, band, year or [], plan, wanted),
            wanted=wanted,
            upstream=upstream(api, tci_path, sample=sample, allow_hosts=allow_host, pairs=header),
            pixels=library.Pixels(
                profile=CogProfile(
                    compress=compress.value,
                    level=level,
                    blocksize=blocksize,
                    overview_resampling=overview_resampling.value,
                ),
                clean_nodata=clean_nodata,
                strict=strict,
                reflectance=reflectance
                and Reflectance(scale=reflectance[0], offset=reflectance[1]),
            ),
            output=output,
            store_options=settings(store_option or []),
            base_url=base_url,
            force=force,
            verify=verify,
            dry_run=dry_run,
            labour=library.Labour(
                workers=workers,
                memory=None if memory is None else int(memory * 1e9),
                dask=dask,
                shard=_shard(shard),
            ),
            watch=watch,
        )
    screen.summarize(report, dry_run=dry_run, quiet=quiet)
    if report.failed or report.lost:
        raise typer.Exit(PARTLY)


def _requests(
    tile: str | None, band: str | None, years: list[int], plan: Path | None, wanted: "Selection"
) -> "list[Request]":
    from stacgen import library  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while

    if plan is None:
        if tile is None or band is None:
            raise UsageError("Say a tile and a band, such as 29PKR B09, or --plan FILE.csv.")
        return library.requests(tile, band, years=years, wanted=wanted)
    if tile is not None or years:
        raise UsageError("Say --plan, or tile, band and year, not both.")
    return library.read_plan(plan)


def _shard(text: str | None) -> "Shard | None":
    from stacgen.pipeline import Shard  # noqa: PLC0415 - numpy takes a while

    if text is None:
        return None
    part, slash, count = text.partition("/")
    if not (slash and part.isdecimal() and count.isdecimal()):
        raise UsageError(f"The shard {text!r} is not of the form 1/4.")
    return Shard(index=int(part), count=int(count))
