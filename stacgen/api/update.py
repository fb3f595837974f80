"""A catalog kept up with the API: what it has is asked for again, and what is new is added."""

import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import replace

from stacgen.api.run import Clock, Hire, build, utc_now
from stacgen.catalog import root
from stacgen.catalog.reprocessed import Superseded, supersede
from stacgen.errors import BusyError, OutputError
from stacgen.model import bands, mgrs
from stacgen.model.outcomes import Change, Report, Updated, Watch
from stacgen.model.protocols import Fetch, Store
from stacgen.model.request import Request
from stacgen.model.stream import timestamp
from stacgen.pipeline.request import Order
from stacgen.stac import catalogs, layout, stac_json, summaries
from stacgen.stac.layout import CollectionPlace
from stacgen.stac.stac_json import read

_LOCK = "update"
"""Name of the lock that keeps two updates of one catalog apart."""


def keep_up(
    order: Order,
    *,
    fetch: Fetch,
    store: Store,
    watch: Watch,
    hire: Hire,
    drops: bool = False,
    now: Clock = utc_now,
) -> Updated:
    """Ask for every tile, band and year of a catalog, and build what is not there.

    Items of which there is a higher baseline then are marked as deprecated.

    Args:
        order: How to build, and which frames; its requests are taken from the catalog.
        fetch: As in `build`.
        store: Holds the catalog.
        watch: Is told of each event.
        hire: Makes the crew, called once there is work.
        drops: Take Items of which there is a higher baseline out, rather than mark them.
        now: The clock.

    Raises:
        BusyError: Another update of this catalog runs.
        UpstreamError: No stream can be had.
        OutputError: There is no catalog, it is not ours, or it cannot be written.
    """
    if read(store, layout.ROOT) is None:
        raise OutputError(f"There is no catalog at {store.address}; build one first.")
    who = f"process {os.getpid()} on {socket.gethostname()}, since {timestamp(now())}"
    with store.hold(_LOCK, who) as holder:
        if holder is not None:
            raise BusyError(f"{store.address} is being updated by {holder}; nothing was done.")
        collections = dict(_collections(store))
        wanted = replace(order, requests=tuple(_requests(collections, now().year)), newest=True)
        if not wanted.requests:
            return Updated(report=Report(address=store.address, outcomes=()), changes=())
        report = build(wanted, fetch=fetch, store=store, watch=watch, hire=hire, now=now)
        superseded = supersede(collections, store, drops=drops, now=now)
    return Updated(report=report, changes=tuple(_changes(wanted, report, superseded)))


def _requests(
    collections: Mapping[CollectionPlace, stac_json.Document], this_year: int
) -> Iterator[Request]:
    """Every Collection of a band with its years, and with this one where it has the last."""
    for place, document in collections.items():
        streams = summaries.stream_years_of(document)
        years = sorted(year for year in streams if year >= bands.FIRST_YEAR)
        if years:
            yield Request(tile=place.tile, band=place.band, years=tuple(years))
        if this_year - 1 in years and this_year not in years:
            yield Request(tile=place.tile, band=place.band, years=(this_year,), is_open=True)


def _collections(store: Store) -> Iterator[tuple[CollectionPlace, stac_json.Document]]:
    """The Collections of bands that the catalog links."""
    for key in root.collection_keys(store):
        tile, name, *_ = key.split("/")
        if name in bands.NAMES and (document := read(store, key)) is not None:
            band = bands.find(name, resolution=catalogs.resolution_of(document))
            yield CollectionPlace(tile=mgrs.parse(tile), band=band), document


def _changes(
    order: Order, report: Report, superseded: Mapping[CollectionPlace, Superseded]
) -> Iterator[Change]:
    """What was done to each Collection, where something was."""
    for place in dict.fromkeys(_place(each) for each in order.requests):
        name = f"{place.tile} {place.band.name}"
        stem = f"{name} "  # as the names of its streams begin
        replaced = superseded.get(place, Superseded())
        built = [each for each in report.built if each.ref.stream.startswith(stem)]
        sources = dict.fromkeys(each.changed_source for each in built)
        change = Change(
            collection=name,
            built=tuple(built),
            deprecated=replaced.deprecated,
            dropped=replaced.dropped,
            changed_sources=tuple(each for each in sources if each is not None),
            failed=tuple(each for each in report.failed if each.ref.stream.startswith(stem)),
            lost=tuple(each for each in report.lost if each.stream.startswith(stem)),
        )
        if change != Change(collection=name):
            yield change


def _place(request: Request) -> CollectionPlace:
    return CollectionPlace(tile=request.tile, band=request.band)
