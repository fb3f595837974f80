"""Published Items filed into the catalogs above them, leaves first."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from stacgen import catalog, layout, stac
from stacgen.catalog import Holdings
from stacgen.layout import CollectionPlace
from stacgen.models import Grid
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
    existing = read(store, layout.ROOT)
    name = f"{store.address}/{layout.ROOT}"
    catalog.check_ours(existing, is_sample=is_sample, name=name)


def commit(
    items: Iterable[stac.Document], filing: Filing, store: Store, *, recount: bool = False
) -> None:
    """Link Items from their years, Collection, tile and root, writing only what changes.

    Args:
        items: All of one Collection and published; linking one twice does nothing.
        filing: Where they belong.
        store: Holds them.
        recount: Whether an Item was replaced, so that the Collection's figures must be taken
            from all its Items rather than grown by these.
    """
    place = filing.place
    by_year: dict[int, list[stac.Document]] = {}
    holdings: list[Holdings] = []
    for item in items:
        held = catalog.of_item(item)
        by_year.setdefault(held.start.year, []).append(item)
        holdings.append(held)
    if not holdings:
        return
    for year, documents in sorted(by_year.items()):
        key = place.year_key(year)
        write(store, key, catalog.year(read(store, key), documents, place=place, number=year))
    existing = read(store, place.key)
    if recount:
        holdings += map(catalog.of_item, all_items(store, place))
    elif existing is not None:
        holdings.append(catalog.of_collection(existing))
    total = catalog.total(holdings)
    write(
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
    write(store, place.tile_key, catalog.tile(read(store, place.tile_key), place=place))
    root = catalog.root(
        read(store, layout.ROOT),
        place=place,
        is_sample=filing.is_sample,
        base_url=filing.base_url,
    )
    write(store, layout.ROOT, root)


def all_items(store: Store, place: CollectionPlace) -> Iterator[stac.Document]:
    """Every published Item of a Collection, from what lies in the store."""
    folder = place.key.rpartition("/")[0]
    for entry in store.list(f"{folder}/"):
        parent, _, name = entry.key.rpartition("/")
        if name == f"{parent.rpartition('/')[2]}.json":
            raw = store.read(entry.key)
            if raw is not None:
                yield stac.from_bytes(raw, name=entry.key)


def read(store: Store, key: str) -> stac.Document | None:
    """A document that stands in the catalog, or None.

    Raises:
        OutputError: It is none, or the store cannot be read.
    """
    raw = store.read(key)
    return None if raw is None else stac.from_bytes(raw, name=f"{store.address}/{key}")


def write(store: Store, key: str, document: Mapping[str, object], *, always: bool = False) -> bool:
    """Put a document in place if it says something new, or `always`; whether it was put."""
    content = stac.to_bytes(dict(document))
    due = always or store.read(key) != content
    if due:
        store.write(key, content, stac.JSON)
    return due
