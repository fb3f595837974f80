"""The calls behind `stacgen.build` and `stacgen.frames`: plain arguments to nouns and back."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from stacgen.api import run
from stacgen.api.items import StoredItems
from stacgen.catalog import index as catalog_index
from stacgen.dunia import endpoints, sample
from stacgen.dunia.endpoints import Endpoint
from stacgen.errors import OutputError, UsageError
from stacgen.io.http import Http, Patience
from stacgen.io.stores import open_store
from stacgen.model import bands, mgrs, selection
from stacgen.model.bands import FIRST_YEAR, Band
from stacgen.model.cog_profile import CogProfile
from stacgen.model.outcomes import Event, Failed, Report, Watch
from stacgen.model.protocols import Fetch, Store
from stacgen.model.raster import AUTO, Reflectance
from stacgen.model.request import Request, Shard
from stacgen.model.stream import Frame, Selection
from stacgen.model.urls import Gate
from stacgen.pipeline.executor import LOCAL, Crew, Threads, workers_for
from stacgen.pipeline.request import Order
from stacgen.pipeline.task import Recipe
from stacgen.raster import nodata
from stacgen.stac.layout import ROOT

OUTPUT = "catalogs"
"""Where catalogs go unless told."""

_ENCODING = 900.0
"""Seconds to wait for a segment of the sample: a busy machine encodes 10 m for minutes."""

_ALL = Selection()
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [!-~]([ -~]*[!-~])?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """The API to ask, and how."""

    api: str = "dunia"
    """`dunia`, `destine`, or the URL of one that answers as they do: with its prefix, or a host
    alone for DUNIA's. Ignored with `sample`."""

    tci_path: str | None = None
    """Template of the path of the TCI metadata, which has the cloud and nodata figures; empty for
    none. None takes the service's."""

    sample: bool = False
    """Ask the package's own server on this machine instead, which makes up a landscape."""

    allow_hosts: tuple[str, ...] = ()
    """Hosts to fetch from beside the API's and the playlist's, `cdn.example` or with a port."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent to the API's host and to no other."""

    patience: Patience = Patience()  # noqa: RUF009 - frozen


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """How pixels become files."""

    profile: CogProfile = CogProfile()  # noqa: RUF009 - frozen
    clean_nodata: int | str = AUTO
    """Which pixels become nodata that video coding has blurred: `auto` for those that touch nodata
    and cannot be ground, an integer for codes up to it that touch nodata, `none` for ESA's
    notebook's pixels."""

    reflectance: Reflectance | None = None
    """Scale and offset to publish; None for ESA's of each frame's baseline."""

    strict: bool = False
    """Refuse frames whose nodata is far from the API's figure, and, of streams without picture
    hashes, those whose blocks do not fit together; and decode such streams in two ways: what these
    do not agree on is damage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labour:
    """Who does the work, and how much of it."""

    workers: int | None = None
    """Segments at a time; None for one a core, and no more than fit into memory."""

    memory: int | None = None
    """Bytes to use; None for four fifths of the machine's."""

    shard: Shard | None = None
    """Do this part of the segments, and leave the catalogs to a later `stacgen.index`."""

    dask: str | None = None
    """Address of a Dask scheduler, or `local` for processes on this machine; None for threads."""

    def __post_init__(self) -> None:
        """Refuse bounds for workers that are there already.

        Raises:
            UsageError: An address comes with a number of workers, or with memory.
        """
        is_bounded = self.workers is not None or self.memory is not None
        if is_bounded and self.dask not in (None, LOCAL):
            raise UsageError(
                f"The workers at {self.dask} were given cores and memory when they were started;"
                " --workers and --memory are for this machine."
            )

    def crew(self, band: Band, fetch: Fetch, watch: Watch) -> Crew:
        """Who does the segments of that band, and of those with smaller frames.

        Raises:
            UsageError: Dask was asked for and is not installed, or its scheduler cannot be had.
        """
        workers = self.workers or workers_for(band, memory=self.memory)
        if self.dask is None:
            return Threads(workers, fetch, watch)
        try:
            from stacgen.pipeline.dask_executor import Dask  # noqa: PLC0415 - an extra

            return Dask(self.dask, fetch, workers=workers)
        except ImportError as error:
            raise UsageError("Dask is not here: pip install 'stacgen[dask]'.") from error
        except (OSError, ValueError) as error:
            raise UsageError(f"No Dask scheduler answers at {self.dask}: {error}") from error


def build(  # noqa: PLR0913 - each is one thing that a user may say
    tile: str,
    band: str,
    *,
    years: Sequence[int] = (),
    resolution: int | None = None,
    wanted: Selection = _ALL,
    upstream: Upstream = Upstream(),
    pixels: Pixels = Pixels(),
    labour: Labour = Labour(),
    output: str | Path = OUTPUT,
    store_options: Mapping[str, str] | None = None,
    base_url: str | None = None,
    force: bool = False,
    verify: bool = False,
    dry_run: bool = False,
    watch: Watch | None = None,
) -> Report:
    """Build the frames of a tile and band, and file them into the catalog at `output`.

    What is there and sound is skipped, what is not is mended, and no other byte changes.

    Args:
        tile: MGRS tile, `29PKR` or `T29PKR`; several with commas, `29PKR,29PLR`.
        band: `B01` to `B12`, without B10, and `B8A`; or `TCI`, true colour; several with commas,
            `B02,B03,B04`.
        years: Calendar years; may be left out where `wanted` has a start or an end.
        resolution: Of true colour, in metres: 10, 20 or 60; None for 10.
        wanted: Which frames of those years; all, unless told.
        upstream: The API.
        pixels: Compression, layout, what to do at the edge of nodata.
        labour: Workers and memory.
        output: A folder, or the URL of a bucket.
        store_options: Settings of the bucket beside those in the environment.
        base_url: Where `output` will be public; gives the root its `self` link.
        force: Build anew what is there.
        verify: Compare the checksum of every COG that is there.
        dry_run: Only tell what would be done, and how much would be fetched.
        watch: Is told of every event as it happens.

    Returns:
        What became of each frame, and the Items as `pystac.Item` in `items`. Frames that failed are
        in it, not raised; so are streams that could not be had, where there were others.

    Raises:
        UsageError: The request cannot be meant, or answers to nothing.
        UpstreamError: API or playlist cannot be had or used.
        OutputError: The output cannot be written, or holds a catalog that stacgen did not make.
    """
    return build_all(
        requests(tile, band, years=years, resolution=resolution, wanted=wanted),
        wanted=wanted,
        upstream=upstream,
        pixels=pixels,
        labour=labour,
        output=output,
        store_options=store_options,
        base_url=base_url,
        force=force,
        verify=verify,
        dry_run=dry_run,
        watch=watch,
    )


def index(
    output: str | Path = OUTPUT,
    *,
    store_options: Mapping[str, str] | None = None,
    base_url: str | None = None,
) -> tuple[int, int]:
    """File every Item under `output` into catalogs, as builds of shards leave it to be done.

    Args:
        output: A folder, or the URL of a bucket.
        store_options: Settings of the bucket beside those in the environment.
        base_url: Where `output` will be public.

    Returns:
        How many Collections and Items there are.

    Raises:
        OutputError: The output cannot be used, holds no Item and no catalog, or holds a catalog
            that stacgen did not make.
    """
    store = open_store(output, store_options)
    found = catalog_index.index(store, base_url=base_url)
    if not any(found) and store.stat(ROOT) is None:
        raise OutputError(f"There is no catalog at {store.address}, and no Item to make one of.")
    return found


def build_all(  # noqa: PLR0913 - each is one thing that a user may say
    asked: Sequence[Request],
    *,
    wanted: Selection = _ALL,
    upstream: Upstream = Upstream(),
    pixels: Pixels = Pixels(),
    labour: Labour = Labour(),
    output: str | Path = OUTPUT,
    store_options: Mapping[str, str] | None = None,
    base_url: str | None = None,
    force: bool = False,
    verify: bool = False,
    dry_run: bool = False,
    watch: Watch | None = None,
) -> Report:
    """Build any number of Collections at once.

    The requests are those of `requests` or `plan_file.read`; all else is as in `build`.
    """
    store = open_store(output, store_options)
    with reached(upstream) as (endpoint, fetch):
        order = Order(
            requests=tuple(asked),
            selection=wanted,
            endpoint=endpoint,
            recipe=recipe(pixels),
            base_url=base_url,
            force=force,
            verify=verify,
            shard=labour.shard,
        )
        watch = watch or _unwatched
        if dry_run:
            report = run.dry_run(order, fetch=fetch, store=store, watch=watch, measure=fetch.size)
        else:
            report = run.build(order, fetch=fetch, store=store, watch=watch, hire=labour.crew)
    return with_items(report, store)


def with_items(report: Report, store: Store) -> Report:
    """A report with the Items of the frames that were built or skipped."""
    kept = [each.ref.href for each in report.outcomes if not isinstance(each, Failed)]
    keys = [href.removeprefix(f"{report.address}/") for href in kept]
    return replace(report, items=StoredItems(store, keys))


def frames(
    tile: str,
    band: str,
    *,
    years: Sequence[int] = (),
    resolution: int | None = None,
    wanted: Selection = _ALL,
    upstream: Upstream = Upstream(),
    watch: Watch | None = None,
) -> list[Frame]:
    """The frames of a tile and band as the API lists them; no segment is touched.

    Args:
        tile: MGRS tile, `29PKR` or `T29PKR`.
        band: `B01` to `B12`, without B10, and `B8A`; or `TCI`, true colour.
        years: Calendar years; may be left out where `wanted` has a start or an end.
        resolution: Of true colour, in metres: 10, 20 or 60; None for 10.
        wanted: Which frames of those years; all, unless told.
        upstream: The API.
        watch: Is told what is missing.

    Raises:
        UsageError: The request cannot be meant, or answers to nothing.
        UpstreamError: The API cannot be had or used.
    """
    asked = requests(tile, band, years=years, resolution=resolution, wanted=wanted)
    if len(asked) > 1:
        raise UsageError(f"Frames are listed of one tile and band, not of {len(asked)}.")
    with reached(upstream) as (endpoint, fetch):
        order = Order(
            requests=tuple(asked),
            selection=wanted,
            endpoint=endpoint,
        )
        found = run.list_frames(order, fetch=fetch, watch=watch or _unwatched)
        return [frame for _, frame in found]


def requests(
    tile: str,
    band: str,
    *,
    years: Sequence[int] = (),
    resolution: int | None = None,
    wanted: Selection = _ALL,
) -> list[Request]:
    """Every pair of the tiles and bands, each a list with commas; what is named twice, once.

    Raises:
        UsageError: One of them is none, there is no year, or a resolution is given without TCI.

    >>> [str(each) for each in requests("29PKR,29PLR", "B02,B8A", years=[2025])]
    ['29PKR B02 2025', '29PKR B8A 2025', '29PLR B02 2025', '29PLR B8A 2025']
    """
    names = [each.strip().upper() for each in band.split(",")]
    if resolution is not None and bands.TCI not in names:
        raise UsageError(f"--resolution is for true colour (TCI); {band} has one of its own.")
    asked = (
        request(each_tile, each_band, years=years, resolution=resolution, wanted=wanted)
        for each_tile in tile.split(",")
        for each_band in names
    )
    return list(dict.fromkeys(asked))  # by what is meant: `B01` and `b1` are one


def request(
    tile: str,
    band: str,
    *,
    years: Sequence[int] = (),
    resolution: int | None = None,
    wanted: Selection = _ALL,
) -> Request:
    """One tile and band; see `requests`."""
    return Request(
        tile=mgrs.parse(tile.strip()),
        band=bands.find(band, resolution=resolution),
        years=_years(years, wanted),
        is_open=not years,
    )


def _http(upstream: Upstream, endpoint: Endpoint) -> Http:
    gate = Gate(home=endpoint.base, hosts=frozenset(upstream.allow_hosts))
    for name, value in upstream.headers.items():
        if not _HEADER.fullmatch(f"{name}: {value}"):
            raise UsageError(f"The header {name!r} or its value cannot be sent.")
    return Http(patience=upstream.patience, gate=gate, headers=upstream.headers)


@contextmanager
def reached(upstream: Upstream) -> Iterator[tuple[Endpoint, Http]]:
    """The API, and what asks it, while the context lasts.

    Raises:
        UsageError: There is no such API, or a header cannot be sent.
    """
    if not upstream.sample:
        endpoint = endpoints.find(upstream.api, tci_path=upstream.tci_path)
        yield endpoint, _http(upstream, endpoint)
        return
    read = max(upstream.patience.read, _ENCODING)
    upstream = replace(upstream, patience=replace(upstream.patience, read=read))
    with sample.serve() as base:
        endpoint = endpoints.find(base)
        yield endpoint, _http(upstream, endpoint)


def _years(years: Sequence[int], wanted: Selection) -> tuple[int, ...]:
    """The years asked for; or those that the interval touches, an open end being the limit."""
    if years:
        return tuple(sorted(set(years)))
    if wanted.start is None and wanted.end is None:
        raise UsageError("Say which years: --year 2025, or an interval such as 2025-03-01/..")
    selection.check(wanted)
    start = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC) if wanted.start is None else wanted.start
    end = datetime.now(UTC) if wanted.end is None else wanted.end
    if end < start:
        raise UsageError("The interval lies before the first stream, or in the future.")
    return tuple(range(start.year, end.year + 1))


def recipe(pixels: Pixels) -> Recipe:
    """How frames become files, as the pipeline has it.

    Raises:
        UsageError: `pixels.clean_nodata` is none that there is.
    """
    return Recipe(
        profile=pixels.profile,
        clean_nodata=nodata.parse(pixels.clean_nodata),
        reflectance=pixels.reflectance,
        strict=pixels.strict,
    )


def _unwatched(event: Event) -> None:
    """Nobody looks."""
