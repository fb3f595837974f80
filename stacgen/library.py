"""The calls behind `stacgen.build` and `stacgen.frames`: plain arguments to nouns and back."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from stacgen import __version__, bands, decode, gdal, pipeline, sample, selection, tiles
from stacgen.api import DUNIA, TCI_PATH, Endpoint
from stacgen.bands import FIRST_YEAR
from stacgen.cog import CogProfile
from stacgen.errors import UsageError
from stacgen.fetch import Http, Patience
from stacgen.item import Source
from stacgen.models import Frame, Reflectance, Selection
from stacgen.outcomes import Event, Report, Watch
from stacgen.pipeline.segment import Recipe
from stacgen.store import open_store

_ALL = Selection()

OUTPUT = "catalogs"
"""Where catalogs go unless told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """The API to ask, and how."""

    api: str = DUNIA
    """Its address; ignored with `sample`."""

    tci_path: str = TCI_PATH
    """Template of the path of the cloud and nodata figures; empty for none."""

    sample: bool = False
    """Ask the package's own server on this machine instead, which makes up a landscape."""

    patience: Patience = Patience()  # noqa: RUF009 - frozen


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """How pixels become files."""

    profile: CogProfile = CogProfile()  # noqa: RUF009 - frozen
    clean_nodata: int | None = None
    """Codes up to this that touch nodata become nodata; None leaves them, as ESA's notebook."""

    reflectance: Reflectance | None = None
    """Scale and offset to publish; None for ESA's of each frame's baseline."""


def build(  # noqa: PLR0913 - each is one thing that a user may say
    tile: str,
    band: str,
    *,
    years: Sequence[int] = (),
    wanted: Selection = _ALL,
    upstream: Upstream = Upstream(),
    pixels: Pixels = Pixels(),
    output: str | Path = OUTPUT,
    store_options: Mapping[str, str] | None = None,
    base_url: str | None = None,
    force: bool = False,
    verify: bool = False,
    dry_run: bool = False,
    workers: int | None = None,
    watch: Watch | None = None,
) -> Report:
    """Build the frames of a tile and band, and file them into the catalog at `output`.

    What is there and sound is skipped, what is not is mended, and no other byte changes.

    Args:
        tile: MGRS tile, `29PKR` or `T29PKR`.
        band: `B01` to `B12`, without B10, and `B8A`.
        years: Calendar years; may be left out where `wanted` has a start and an end.
        wanted: Which frames of those years; all, unless told.
        upstream: The API.
        pixels: Compression, layout, what to do at the edge of nodata.
        output: A folder, or the URL of a bucket.
        store_options: Settings of the bucket beside those in the environment.
        base_url: Where `output` will be public; gives the root its `self` link.
        force: Build anew what is there.
        verify: Compare the checksum of every COG that is there.
        dry_run: Only tell what would be done, and how much would be fetched.
        workers: Segments decoded side by side; one a core unless told.
        watch: Is told of every event as it happens.

    Returns:
        What became of each frame. Frames that failed are in it, not raised.

    Raises:
        UsageError: The request cannot be meant, or answers to nothing.
        UpstreamError: The API, or a playlist, cannot be had or used.
        OutputError: The output cannot be written, or holds a catalog that stacgen did not make.
    """
    with _endpoint(upstream) as endpoint:
        fetch = Http(patience=upstream.patience)
        request = pipeline.Request(
            tile=tiles.parse(tile),
            band=bands.find(band),
            years=_years(years, wanted),
            selection=wanted,
            endpoint=endpoint,
            recipe=recipe(upstream, pixels),
            base_url=base_url,
            force=force,
            verify=verify,
            workers=workers,
        )
        store = open_store(output, store_options)
        watch = watch or _unwatched
        if dry_run:
            return pipeline.dry_run(
                request, fetch=fetch, store=store, watch=watch, measure=fetch.size
            )
        return pipeline.build(request, fetch=fetch, store=store, watch=watch)


def frames(
    tile: str,
    band: str,
    *,
    years: Sequence[int] = (),
    wanted: Selection = _ALL,
    upstream: Upstream = Upstream(),
    watch: Watch | None = None,
) -> list[Frame]:
    """The frames of a tile and band as the API lists them; no segment is touched.

    Args:
        tile: MGRS tile, `29PKR` or `T29PKR`.
        band: `B01` to `B12`, without B10, and `B8A`.
        years: Calendar years; may be left out where `wanted` has a start and an end.
        wanted: Which frames of those years; all, unless told.
        upstream: The API.
        watch: Is told what is missing.

    Raises:
        UsageError: The request cannot be meant, or answers to nothing.
        UpstreamError: The API cannot be had or used.
    """
    with _endpoint(upstream) as endpoint:
        return list(
            pipeline.list_frames(
                pipeline.Request(
                    tile=tiles.parse(tile),
                    band=bands.find(band),
                    years=_years(years, wanted),
                    selection=wanted,
                    endpoint=endpoint,
                    recipe=recipe(upstream, Pixels()),
                ),
                fetch=Http(patience=upstream.patience),
                watch=watch or _unwatched,
            )
        )


@contextmanager
def _endpoint(upstream: Upstream) -> Iterator[Endpoint]:
    if not upstream.sample:
        yield Endpoint(base=upstream.api, tci_path=upstream.tci_path)
        return
    with sample.serve() as base:
        yield Endpoint(base=base)


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


def recipe(upstream: Upstream, pixels: Pixels) -> Recipe:
    """How frames become files, with the versions of what makes them."""
    software = {
        "stacgen": __version__,
        "ffmpeg": decode.FFMPEG_VERSION,
        "gdal": gdal.GDAL_VERSION,
    }
    return Recipe(
        profile=pixels.profile,
        clean_nodata=pixels.clean_nodata,
        reflectance=pixels.reflectance,
        source=Source(is_sample=upstream.sample, software=software),
    )


def _unwatched(event: Event) -> None:
    """Nobody looks."""
