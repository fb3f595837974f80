"""Published Items filed into the catalogs above them, leaves first."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from stacgen import catalog, layout, stac
from stacgen.catalog import Holdings
from stacgen.layout import CollectionPlace
from stacgen.models import Grid
from stacgen.pipeline import mirrors
from stacgen.ports import Store


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


def check_root(store: Store, *, is_sample: bool) -> None:
    """Refuse a root that is not ours to write to; see `stacgen.catalog.check_ours`."""
    existing = _read(store, layout.ROOT)
    name = f"{store.address}/{layout.ROOT}"
    catalog.check_ours(existing, is_sample=is_sample, name=name)


def commit(
    items: Iterable[stac.Document], filing: Filing, store: Store, *, recount: bool = False
) -> bool:
    """Link Items from their years, Collection, tile and root, writing only what changes.

    The Collection's mirror is written before the years, so that what a year links is in it.

    Args:
        items: All of one Collection and published; linking one twice does nothing.
        filing: Where they belong.
        store: Holds them.
        recount: Whether an Item was replaced, so that the Collection's figures must be taken
            from all its Items rather than grown by these.

    Returns:
        Whether the Collection's mirror was written, so that the root's must be, too.
    """
    place = filing.place
    by_year: dict[int, list[stac.Document]] = {}
    holdings: list[Holdings] = []
    for item in items:
        held = catalog.of_item(item)
        by_year.setdefault(held.start.year, []).append(item)
        holdings.append(held)
    if not holdings:
        return False
    existing = _read(store, place.key)
    years = {year: _read(store, place.year_key(year)) for year in sorted(by_year)}
    mirrored = mirrors.keep(
        store,
        place.mirror_key,
        [
            (place.item(document["id"], year).key, document)
            for year, documents in by_year.items()
            for document in _unlinked(years[year], documents)
        ],
        every=lambda: keyed_items(store, place),
        anew=recount or (existing is not None and store.stat(place.mirror_key) is None),
        base_url=filing.base_url or mirrors.known_url(store),
    )
    for year, before in years.items():
        after = catalog.year(before, by_year[year], place=place, number=year)
        _write(store, place.year_key(year), after)
    if recount:
        holdings += map(catalog.of_item, all_items(store, place))
    elif existing is not None:
        holdings.append(catalog.of_collection(existing))
    total = catalog.total(holdings)
    _write(
        store,
        place.key,
        catalog.collection(
            total,
            place=place,
            grid=filing.grid,
            scale=filing.scale,
            is_sample=filing.is_sample,
        ),
    )
    _write(store, place.tile_key, catalog.tile(_read(store, place.tile_key), place=place))
    root = catalog.root(
        _read(store, layout.ROOT),
        place=place,
        is_sample=filing.is_sample,
        base_url=filing.base_url,
    )
    _write(store, layout.ROOT, root)
    return mirrored


def _unlinked(
    year: stac.Document | None, documents: Iterable[stac.Document]
) -> Iterator[stac.Document]:
    """The Items that a year does not link yet."""
    linked = {link.href for link in stac.links(year or {}, "item")}
    for document in documents:
        if f"./{document['id']}/{document['id']}.json" not in linked:
            yield document


def all_items(store: Store, place: CollectionPlace) -> Iterator[stac.Document]:
    """Every published Item of a Collection, from what lies in the store."""
    return (document for _, document in keyed_items(store, place))


def keyed_items(store: Store, place: CollectionPlace) -> Iterator[mirrors.Keyed]:
    """Every published Item of a Collection with its key, from what lies in the store."""
    folder = place.key.rpartition("/")[0]
    for entry in store.list(f"{folder}/"):
        parent, _, name = entry.key.rpartition("/")
        if name == f"{parent.rpartition('/')[2]}.json":
            raw = store.read(entry.key)
            if raw is not None:
                yield entry.key, stac.from_bytes(raw, name=entry.key)


def _read(store: Store, key: str) -> stac.Document | None:
    raw = store.read(key)
    return None if raw is None else stac.from_bytes(raw, name=f"{store.address}/{key}")


def _write(store: Store, key: str, document: Mapping[str, object]) -> None:
    content = stac.to_bytes(dict(document))
    if store.read(key) != content:
        store.write(key, content, stac.JSON)
