"""The command line: options to arguments, results to stdout, everything for people to stderr.

It only wires. What a command does is a call of the library, loaded when the command runs, so that
`--help` is quick.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stacgen import __version__
from stacgen.errors import StacgenError, UsageError

if TYPE_CHECKING:
    from stacgen.models import Selection
    from stacgen.pipeline import Request, Shard

PARTLY = 1
"""Exit code where some frames failed and the others are there."""


class InterruptedBuildError(StacgenError):
    """Ctrl-C; what was finished is in the catalog."""

    exit_code = 130
    """As shells have it."""


app = typer.Typer(
    help="ESA DUNIA's Sentinel-2 band streams as COGs in a static STAC catalog.",
    epilog="Exit codes: 0 done, 1 some frames failed, 2 usage, 3 upstream, 4 output.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
Tile = Annotated[str, typer.Argument(metavar="TILE", help="MGRS tile, 29PKR.")]
BandName = Annotated[str, typer.Argument(metavar="BAND", help="B01 to B12, B8A; not B10.")]
Years = Annotated[list[int] | None, typer.Option("--year", help="A calendar year; repeatable.")]
Interval = Annotated[
    str | None,
    typer.Option("--datetime", metavar="A/B", help="From A to B; .. leaves an end open."),
]
Start = Annotated[str | None, typer.Option(help="First day or time, UTC.")]
End = Annotated[str | None, typer.Option(help="Last day or time, UTC.")]
MaxCloud = Annotated[float | None, typer.Option(help="Most cloud, in percent.")]
MaxNodata = Annotated[float | None, typer.Option(help="Most nodata, in percent.")]
Limit = Annotated[int | None, typer.Option(help="Most frames, the earliest first.")]
Api = Annotated[
    str, typer.Option(envvar="STACGEN_API", help="Address of the API.", rich_help_panel="API")
]
TciPath = Annotated[
    str,
    typer.Option(
        help="Path of the cloud and nodata figures; empty for none.", rich_help_panel="API"
    ),
]
Sample = Annotated[
    bool,
    typer.Option(
        "--sample", help="Ask a made-up API on this machine; no network.", rich_help_panel="API"
    ),
]
StoreOptions = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Setting of the bucket; repeatable."),
]
BaseUrl = Annotated[str | None, typer.Option(help="Where the output will be public.")]
Json = Annotated[bool, typer.Option("--json", help="A JSON line a frame, to stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="A line a frame.")]

_API = "https://dunia.esa.int"
_TCI_PATH = "/api/streaming/metadata/{tile}/{year}"


def _show_version(value: bool) -> None:  # noqa: FBT001 - typer calls it so
    if value:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def common(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options of the command itself."""


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
    api: Api = _API,
    tci_path: TciPath = _TCI_PATH,
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
        _interruptible(),
        screen.watching(as_json=as_json, quiet=quiet, verbose=verbose) as watch,
    ):
        wanted = _selection(start, end, interval, max_cloud, max_nodata, limit)
        report = library.build_all(
            _requests(tile, band, year or [], plan, wanted),
            wanted=wanted,
            upstream=library.Upstream(api=api, tci_path=tci_path, sample=sample),
            pixels=library.Pixels(
                profile=CogProfile(
                    compress=compress.value,
                    level=level,
                    blocksize=blocksize,
                    overview_resampling=overview_resampling.value,
                ),
                clean_nodata=clean_nodata,
                reflectance=reflectance
                and Reflectance(scale=reflectance[0], offset=reflectance[1]),
            ),
            output=output,
            store_options=_settings(store_option or []),
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


@app.command(epilog="Example: [bold]stacgen frames 29PKR B09 --year 2025 --max-cloud 20[/bold]")
def frames(  # noqa: PLR0913 - one parameter an option
    tile: Tile,
    band: BandName,
    *,
    year: Years = None,
    start: Start = None,
    end: End = None,
    interval: Interval = None,
    max_cloud: MaxCloud = None,
    max_nodata: MaxNodata = None,
    limit: Limit = None,
    api: Api = _API,
    tci_path: TciPath = _TCI_PATH,
    sample: Sample = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List the frames that there are, without fetching any."""
    from stacgen import library, screen  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while

    with screen.watching(as_json=False, quiet=quiet, verbose=False) as watch:
        found = library.frames(
            tile,
            band,
            years=year or (),
            wanted=_selection(start, end, interval, max_cloud, max_nodata, limit),
            upstream=library.Upstream(api=api, tci_path=tci_path, sample=sample),
            watch=watch,
        )
    screen.list_frames(found, as_json=as_json)


@app.command(epilog="Example: [bold]stacgen index catalogs[/bold]")
def index(
    root: Annotated[str, typer.Argument(help="Folder, or s3://, gs://, az:// URL.")],
    *,
    store_option: StoreOptions = None,
    base_url: BaseUrl = None,
) -> None:
    """File all Items under a root into catalogs, after builds with --shard."""
    from stacgen import library, screen  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while

    found, items = library.index(
        root, store_options=_settings(store_option or []), base_url=base_url
    )
    screen.say(f"Indexed {items} Items, Collections: {found}, in {root}")


@app.command(epilog="Then: [bold]stacgen build 29PKR B09 --year 2025 --api URL[/bold]")
def sample(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 for any that is free.")] = 8765,
) -> None:
    """Serve a made-up landscape as DUNIA would, until Ctrl-C."""
    from stacgen import sample as server  # noqa: PLC0415 - only here

    try:
        with server.serve(host=host, port=port) as base:
            typer.echo(f"Serving {base} (Ctrl-C ends it)", err=True)
            threading.Event().wait()
    except OSError as error:
        raise UsageError(f"Nothing can listen on {host}:{port}: {error.strerror}.") from error


def main() -> None:
    """Run a command; whatever stacgen cannot do becomes a sentence and an exit code."""
    try:
        app()
    except StacgenError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of stdout has gone; nothing more to say to it
        sys.exit(PARTLY)


@contextmanager
def _interruptible() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as error:
        raise InterruptedBuildError(
            "Interrupted. What was finished is in the catalog; run again for the rest."
        ) from error


def _selection(
    start: str | None,
    end: str | None,
    interval: str | None,
    max_cloud: float | None,
    max_nodata: float | None,
    limit: int | None,
) -> "Selection":
    from stacgen import selection  # noqa: PLC0415 - numpy takes a while
    from stacgen.models import Selection  # noqa: PLC0415 - same

    first: datetime | None
    last: datetime | None
    if interval is not None:
        if start is not None or end is not None:
            raise UsageError("Say --datetime, or --start and --end, not both.")
        first, last = selection.parse_interval(interval)
    else:
        first = selection.parse_moment(start or "")
        last = selection.parse_moment(end or "", is_end=True)
    return Selection(start=first, end=last, max_cloud=max_cloud, max_nodata=max_nodata, limit=limit)


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


def _settings(pairs: list[str]) -> dict[str, str]:
    settings = dict(pair.partition("=")[::2] for pair in pairs)
    if not all("=" in pair for pair in pairs):
        raise UsageError("A --store-option is written NAME=VALUE.")
    return settings
