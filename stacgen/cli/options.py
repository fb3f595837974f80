"""Options that several commands share, and what they are turned into."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from stacgen.errors import StacgenError, UsageError

if TYPE_CHECKING:
    from stacgen.api.build import Upstream
    from stacgen.model import stream
    from stacgen.model.stream import Selection

PARTLY = 1
"""Exit code where some frames failed and the others are there."""

Years = Annotated[list[int] | None, typer.Option("--year", help="A calendar year; repeatable.")]
Resolution = Annotated[int | None, typer.Option(metavar="10|20|60", help="Of TCI, in metres; 10.")]
Interval = Annotated[
    str | None,
    typer.Option("--datetime", metavar="A/B", help="From A to B; .. leaves an end open."),
]
PointPlace = Annotated[
    tuple[float, float] | None,
    typer.Option("--point", metavar="LON LAT", help="A place, in degrees."),
]
BboxPlace = Annotated[
    tuple[float, float, float, float] | None,
    typer.Option("--bbox", metavar="W S E N", help="An area, in degrees."),
]
MaxCloud = Annotated[float | None, typer.Option(help="Most cloud, in percent.")]


class Unknown(StrEnum):
    """Treatment of frames that a limit cannot judge."""

    KEEP = "keep"
    DROP = "drop"


UnknownCloud = Annotated[
    Unknown | None,
    typer.Option(
        metavar="keep|drop",
        help="Frames without the figure; else an error.",
    ),
]
StoreOptions = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Setting of the bucket; repeatable."),
]
CollectionPlace = Annotated[
    str,
    typer.Argument(
        metavar="COLLECTION",
        help="Folder of a tile and band, or its URL: s3://, gs://, az://, https://.",
    ),
]
Format = Annotated[
    str | None,
    typer.Option("--format", metavar="NAME", help="Of the output, where its ending does not say."),
]
BaseUrl = Annotated[str | None, typer.Option(help="Where the output will be public.")]
Json = Annotated[bool, typer.Option("--json", help="A JSON line a frame, to stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")]


def _say_what_is_not_used(verbose: bool) -> bool:  # noqa: FBT001 - typer calls it so
    if verbose:
        from stacgen.api import environment  # noqa: PLC0415 - only here

        for each in environment.notes():
            typer.echo(f"Note: {each}", err=True)
    return verbose


Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="A line a frame.", callback=_say_what_is_not_used),
]

TOKEN = "STACGEN_TOKEN"  # noqa: S105 - its name
"""The environment variable with what the API is told after `Authorization: Bearer`."""

API = "dunia"
"""The service that is asked unless told."""


_UNKNOWN: "dict[Unknown | None, stream.Unknown]" = {
    None: "refuse",
    Unknown.KEEP: "keep",
    Unknown.DROP: "drop",
}


class InterruptedBuildError(StacgenError):
    """Ctrl-C; what was finished is in the catalog."""

    exit_code = 130
    """As shells have it."""


class TerminatedBuildError(InterruptedBuildError):
    """The same, asked for by SIGTERM: by `kill`, systemd, Docker, Slurm or Kubernetes."""

    exit_code = 143


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Within this, Ctrl-C or SIGTERM end the command with a sentence and the exit code of each.

    The first of them lets what runs finish and be filed. Another ends that, too, as a kill does.
    """
    before = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is threading.main_thread():  # where alone Python allows it
        signal.signal(signal.SIGTERM, _terminate)
    said = "What was finished is in the catalog; run again for the rest."
    try:
        yield
    except _Terminated as error:
        raise TerminatedBuildError(f"Terminated. {said}") from error
    except KeyboardInterrupt as error:
        raise InterruptedBuildError(f"Interrupted. {said}") from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _terminate(_number: int, _frame: object) -> None:
    raise _Terminated


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameOptions:
    """Which frames are wanted."""

    start: Annotated[str | None, typer.Option(help="First day or time, UTC.")] = None
    end: Annotated[str | None, typer.Option(help="Last day or time, UTC.")] = None
    interval: Interval = None
    max_cloud: MaxCloud = None
    max_nodata: Annotated[float | None, typer.Option(help="Most nodata, in percent.")] = None
    unknown_cloud: UnknownCloud = None
    limit: Annotated[int | None, typer.Option(help="Most frames, the earliest first.")] = None

    def read(self) -> "Selection":
        """The value that the library takes."""
        from stacgen.model import selection  # noqa: PLC0415 - numpy takes a while
        from stacgen.model.stream import Selection  # noqa: PLC0415 - same

        if self.interval is None:
            first = selection.parse_moment(self.start or "")
            last = selection.parse_moment(self.end or "", is_end=True)
        elif self.start is not None or self.end is not None:
            raise UsageError("Say --datetime, or --start and --end, not both.")
        else:
            first, last = selection.parse_interval(self.interval)
        if self.unknown_cloud is not None and self.max_cloud is None and self.max_nodata is None:
            raise UsageError("--unknown-cloud is for --max-cloud or --max-nodata; say one of them.")
        return Selection(
            start=first,
            end=last,
            max_cloud=self.max_cloud,
            max_nodata=self.max_nodata,
            limit=self.limit,
            unknown=_UNKNOWN[self.unknown_cloud],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """Which API is asked, and how."""

    api: Annotated[
        str,
        typer.Option(
            envvar="STACGEN_API",
            metavar="NAME|URL",
            help="dunia, destine, or the URL of an API like them.",
            rich_help_panel="API",
        ),
    ] = API
    tci_path: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Path of cloud and nodata figures; empty for none.",
            rich_help_panel="API",
        ),
    ] = None
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST",
            help="Fetch from there, too; repeatable.",
            rich_help_panel="API",
        ),
    ] = None
    header: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Sent to the API's host only; repeatable. A token: STACGEN_TOKEN.",
            rich_help_panel="API",
        ),
    ] = None
    sample: Annotated[
        bool,
        typer.Option(
            "--sample", help="Ask a made-up API on this machine; no network.", rich_help_panel="API"
        ),
    ] = False

    def read(self) -> "Upstream":
        """The value that the library takes, with the token of the environment."""
        from stacgen.api.build import Upstream  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while

        headers = {name.strip(): value.strip() for name, value in _pairs("header", self.header)}
        token = os.environ.get(TOKEN, "").strip()
        if token:
            headers = {"Authorization": f"Bearer {token}"} | headers
        return Upstream(
            api=self.api,
            tci_path=self.tci_path,
            sample=self.sample,
            allow_hosts=tuple(self.allow_host or ()),
            headers=headers,
        )


def tile_and_band(
    tile: str | None,
    band: str | None,
    *,
    point: tuple[float, float] | None,
    bbox: tuple[float, float, float, float] | None,
    quiet: bool,
) -> tuple[str | None, str | None]:
    """The arguments TILE and BAND; with a place, BAND alone is given, and tiles are found for it.

    Returns:
        Tile ids with commas, and the band, as the library takes them.

    Raises:
        UsageError: A place and a tile are given, two places, or a place and no band.
    """
    if point is None and bbox is None:
        return tile, band
    if band is not None:
        raise UsageError("Say a tile, or a place (--point, --bbox), not both.")
    if tile is None:
        raise UsageError("Say a band with the place, such as B09 --point -11.2 14.0.")
    from stacgen.cli import output  # noqa: PLC0415 - shapely and PROJ take a while
    from stacgen.model import tile_lookup  # noqa: PLC0415 - shapely and PROJ take a while

    found = tile_lookup.find_tiles(point=point, bbox=bbox, fewest=True)
    ids = [match.tile for match in found]
    output.note(f"{', '.join(ids)} show{'s' * (len(ids) == 1)} the place.", quiet=quiet)
    return ",".join(ids), tile


def settings(pairs: list[str] | None) -> dict[str, str]:
    """The values of `--store-option`, by name."""
    return dict(_pairs("store-option", pairs))


def _pairs(option: str, pairs: list[str] | None) -> Iterator[tuple[str, str]]:
    for pair in pairs or ():
        name, sign, value = pair.partition("=")
        if not sign:
            raise UsageError(f"A --{option} is written NAME=VALUE.")
        yield name, value
