"""Published Items filed into the catalogs above them, leaves first.

Every document is read, united with what is new, and put back only if it is still the one that was
read. So builders that file into one catalog at the same time lose nothing of each other.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stacgen.catalog import derive, root
from stacgen.catalog.compare_and_swap import update_document
from stacgen.errors import ForeignCatalogError, UsageError
from stacgen.model.protocols import Store
from stacgen.model.stream import Grid, Stream
from stacgen.stac import catalogs, layout, stac_json, summaries
from stacgen.stac.layout import CollectionPlace
from stacgen.stac.stac_json import read
from stacgen.stac.summaries import CollectionSummary

_NOT_IN_URLS = re.compile(r"[#?\\\x00-\x1f\x7f]")
"""Characters of a path that pystac 1.15, which reads it as a URL, does not take as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """Where Items are filed, and what the documents above them say."""

    place: CollectionPlace
    grid: Grid
    scale: float
    """Of digital numbers to reflectance."""

    is_sample: bool
    base_url: str | None
    """Where the catalog will be public, if that is known."""


def check_root(store: Store, *, is_sample: bool | None = None) -> None:
    """Refuse a root that is not ours to write to; see `stacgen.stac.catalogs.check_ours`."""
    check_address(store.address)
    existing = read(store, layout.ROOT)
    name = f"{store.address}/{layout.ROOT}"
    catalogs.check_ours(existing, is_sample=is_sample, name=name)


def check_kind(stream: Stream, store: Store, *, beside: Stream | None) -> None:
    """Refuse to mix synthetic frames with real ones, in a catalog or in the run that makes it.

    Raises:
        ForeignCatalogError: The root holds the other kind, or the stream `beside` is of it.
    """
    if beside is None:
        check_root(store, is_sample=stream.is_sample)
    elif stream.is_sample != beside.is_sample:
        kinds = ("synthetic", "real") if stream.is_sample else ("real", "synthetic")
        raise ForeignCatalogError(
            f"The frames of {stream} are {kinds[0]}, but those of {beside} are {kinds[1]}, and a"
            " catalog holds one kind. Build them into two outputs."
        )


def check_address(address: str) -> None:
    """Refuse a root whose files pystac, GDAL or odc-stac would look for elsewhere.

    pystac reads a path as a URL: it drops what follows `#` or `?`, and line breaks.

    Raises:
        UsageError: The path, made absolute, or the URL has such a character.
    """
    text = address if "://" in address else Path(address).absolute().as_posix()
    found = _NOT_IN_URLS.search(text)
    if found is not None:
        raise UsageError(
            f"No catalog can be kept at {text!r}: pystac and GDAL would look for its files"
            f" elsewhere, since {found[0]!r} in a path has another meaning to them. Rename the"
            " folder, or choose another."
        )


def commit(
    items: Iterable[stac_json.Document],
    filing: Filing,
    store: Store,
    *,
    recount: bool = False,
    prune: bool = False,
) -> bool:
    """Link Items from their years, Collection, tile and root, writing only what changes.

    A new Collection has its table and page before it, since it links them.

    Args:
        items: All of one Collection and published; linking one twice does nothing.
        filing: Where they belong.
        store: Holds them.
        recount: True if an Item was replaced, so that the Collection's figures must be taken
            from all its Items rather than grown by these.
        prune: True to drop links to Items that are not there any more.

    Returns:
        True if table and page were written, and show these Items.
    """
    place = filing.place
    by_year: dict[int, list[stac_json.Document]] = {}
    holdings: list[CollectionSummary] = []
    for item in items:
        held = summaries.of_item(item)
        by_year.setdefault(held.start.year, []).append(item)
        holdings.append(held)
    if not holdings:
        return False
    for year, documents in sorted(by_year.items()):
        update_document(
            store, place.year_key(year), partial(_linked, filing, year, documents, store, prune)
        )
    table = None
    if store.read(place.key) is None:
        keys = [place.item(each["id"], year).key for year in by_year for each in by_year[year]]
        choose = derive.of_items(store, place, keys)
        table = derive.put_table(store, place, choose, base_url=filing.base_url)
    total = (_recounted if recount else _grown)(summaries.total(holdings), place, store)

    def grown(existing: stac_json.Document | None) -> stac_json.Document:
        return catalogs.collection(
            total(existing),
            place=place,
            grid=filing.grid,
            scale=filing.scale,
            is_sample=filing.is_sample,
        )

    is_shown = derive.put_collection(store, place, grown, table, base_url=filing.base_url)
    update_document(
        store,
        place.tile_key,
        lambda tile: catalogs.tile(tile, place=place, is_sample=filing.is_sample),
    )
    if store.read(layout.ROOT) is None:
        root.keep(store, [place.key])  # a new root has its table before it, since it links that
    update_document(
        store,
        layout.ROOT,
        lambda existing: catalogs.root(
            existing, place=place, is_sample=filing.is_sample, base_url=filing.base_url
        ),
    )
    return is_shown and table is not None


def unlink(place: CollectionPlace, ids: Collection[str], year: int, store: Store) -> None:
    """Have a year link some Items no longer."""

    def without(existing: stac_json.Document | None) -> stac_json.Document:
        links = (existing or {}).get("links", [])
        kept = [
            link for link in links if link["rel"] != "item" or layout.id_of(link["href"]) not in ids
        ]
        return {**(existing or {}), "links": kept}

    if store.read(place.year_key(year)) is not None:
        update_document(store, place.year_key(year), without)


def _linked(
    filing: Filing,
    year: int,
    documents: Sequence[stac_json.Document],
    store: Store,
    prune: bool,  # noqa: FBT001 - given by `partial`
    existing: stac_json.Document | None,
) -> stac_json.Document:
    """A year that links Items, too."""
    place = filing.place
    if prune and existing is not None:
        existing = _pruned(existing, place.year_key(year), documents, store)
    return catalogs.year(existing, documents, place=place, number=year, is_sample=filing.is_sample)


_Total = Callable[[stac_json.Document | None], CollectionSummary]
"""From a Collection, or None, to what it is to say that its Items hold."""


def _grown(holdings: CollectionSummary, _: CollectionPlace, __: Store) -> _Total:
    """What it says and some Items hold."""
    return lambda existing: (
        holdings if existing is None else holdings + summaries.of_collection(existing)
    )


def _recounted(holdings: CollectionSummary, place: CollectionPlace, store: Store) -> _Total:
    """What some Items and all that are linked hold, read after the Collection was."""

    def total(_: stac_json.Document | None) -> CollectionSummary:
        linked = derive.read_items(store, derive.linked_keys(store, place))
        return summaries.total([holdings, *(summaries.of_item(each) for _, each in linked)])

    return total


def _pruned(
    year: stac_json.Document, key: str, known: Iterable[stac_json.Document], store: Store
) -> stac_json.Document:
    """A year without links to Items that are not there; those that are known are not looked for."""
    there = {each["id"] for each in known}

    def is_there(link: Mapping[str, str]) -> bool:
        return (
            link["rel"] != "item"
            or layout.id_of(link["href"]) in there
            or store.stat(layout.target(key, link["href"])) is not None
        )

    return {**year, "links": list(filter(is_there, year["links"]))}


def all_items(store: Store, folder: str) -> Iterator[stac_json.Document]:
    """Every published Item of a Collection, from what lies in its folder."""
    for entry in store.list(folder):
        parent, _, name = entry.key.rpartition("/")
        if name == f"{parent.rpartition('/')[2]}.json":
            raw = store.read(entry.key)
            if raw is not None:
                yield stac_json.from_bytes(raw, name=entry.key)


def filing_of(item: stac_json.Document, place: CollectionPlace, *, base_url: str | None) -> Filing:
    """How the Items of a Collection are filed, as one of them says."""
    asset = item["assets"][place.band.asset]
    return Filing(
        place=place,
        grid=Grid(
            epsg=int(item["properties"]["proj:code"].removeprefix("EPSG:")),
            left=asset["proj:transform"][2],
            top=asset["proj:transform"][5],
            resolution=place.band.resolution,
            size=asset["proj:shape"][0],
        ),
        scale=asset.get("raster:scale", 1.0),
        is_sample=not stac_json.links(item, "derived_from"),
        base_url=base_url,
    )
