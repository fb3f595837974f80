"""The calls of those who read a catalog: `stacgen.search`, and the server of `stacgen serve`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stacgen.access import search as lookup
from stacgen.api.items import FoundItems
from stacgen.errors import UsageError
from stacgen.io.stores import open_store
from stacgen.model import query, selection
from stacgen.model.query import Query
from stacgen.stac import stac_json

GEOJSON, PARQUET = stac_json.GEOJSON, stac_json.PARQUET
"""Media types of what is found."""

OUTPUT = "catalogs"
"""Where catalogs are unless told."""


def search(  # noqa: PLR0913 - each is one thing that a user may say
    root: str | Path = OUTPUT,
    *,
    bbox: Sequence[float] | None = None,
    intersects: Mapping[str, Any] | None = None,
    datetime: str | None = None,
    max_cloud: float | None = None,
    collections: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
    deprecated: bool = False,
    limit: int | None = None,
    store_options: Mapping[str, str] | None = None,
) -> FoundItems:
    """Find the Items of a catalog that answer to all that is asked, the earliest first.

    Args:
        root: A folder, the URL of a bucket, or an http(s) URL.
        bbox: West, south, east, north in degrees, which footprints must meet; west is above east
            across the antimeridian.
        intersects: A GeoJSON geometry that footprints must meet.
        datetime: An interval `A/B`, a date or a moment, in UTC; `..` leaves an end open.
        max_cloud: Percent; Items that do not say are left out.
        collections: Ids of Collections.
        ids: Ids of Items.
        deprecated: Find Items of which there is a higher baseline, too; those that `ids` name are
            found in any case.
        limit: How many Items at most.
        store_options: Settings of the bucket beside those in the environment.

    Returns:
        An iterator of `pystac.Item`. Their hrefs are absolute, URLs or paths, so that rasterio and
        others open their assets. The same as a GeoJSON dictionary is in `found.found.collection`.

    Raises:
        UsageError: The question cannot be meant.
        UpstreamError: The web server does not answer.
        OutputError: There is no `collections.parquet` at the root.
    """
    asked = _query(
        bbox=bbox,
        intersects=intersects,
        datetime=datetime,
        max_cloud=max_cloud,
        collections=collections,
        ids=ids,
        deprecated=deprecated,
        limit=limit,
    )
    return FoundItems(lookup.find(root, asked, store_options=store_options))


def search_table(
    root: str | Path = OUTPUT,
    *,
    store_options: Mapping[str, str] | None = None,
    **asked: Any,  # noqa: ANN401 - checked by `_query`
) -> tuple[bytes, int, int]:
    """The same as one stac-geoparquet file, its hrefs absolute.

    Returns:
        The file, how many Items it has, and how many answer, whatever the limit.

    Raises:
        UsageError: No Item answers, and as `search` raises it.
    """
    return lookup.find_table(root, _query(**asked), store_options=store_options)


def _query(
    *,
    bbox: Sequence[float] | None,
    intersects: Mapping[str, Any] | None,
    datetime: str | None,
    max_cloud: float | None,
    collections: Sequence[str] | None,
    ids: Sequence[str] | None,
    deprecated: bool,
    limit: int | None,
) -> Query:
    start, end = (None, None) if datetime is None else selection.parse_interval(datetime)
    return Query(
        bbox=None if bbox is None else query.parse_bbox(bbox),
        intersects=intersects,
        start=start,
        end=end,
        max_cloud=max_cloud,
        collections=None if collections is None else tuple(collections),
        ids=None if ids is None else tuple(ids),
        deprecated=deprecated or ids is not None,
        limit=limit,
    )


@contextmanager
def serve(
    root: str | Path = OUTPUT,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    names: Sequence[str] = (),
    base_url: str | None = None,
    store_options: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Serve a catalog as a STAC API, with its files, while the context lasts.

    Args:
        root: A folder, or the URL of a bucket.
        host: Address to listen on.
        port: 0 for any that is free.
        names: Host names to answer to, beside those of this machine.
        base_url: Where the server is public, if it stands behind a proxy.
        store_options: Settings of the bucket beside those in the environment.

    Yields:
        The server's address.

    Raises:
        UsageError: Nothing can listen there, or the extra `serve` is not installed.
        OutputError: There is no `collections.parquet` at the root.
    """
    try:
        from stacgen.access import server  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError("The server is not here: pip install 'stacgen[serve]'.") from error
    public = [] if base_url is None else [urlsplit(base_url).hostname or ""]
    answering = frozenset(each.lower() for each in (*names, *public))
    settings = server.Settings(names=answering, base_url=base_url)
    store = open_store(root, store_options)
    with server.running(store, host=host, port=port, settings=settings) as address:
        yield address


def encoded(found: dict[str, Any], *, as_lines: bool) -> bytes:
    """Items as GeoJSON, or one per line."""
    if not as_lines:
        return stac_json.to_bytes(found)
    lines = (json.dumps(each, ensure_ascii=False) + "\n" for each in found["features"])
    return "".join(lines).encode()
