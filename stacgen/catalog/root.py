"""The root's table of Collections and its page, kept as the Collections are.

A row is a function of a Collection and its table of Items, the page one of the root and all rows.
Both are changed by compare-and-swap and read what they are made of after the version that they
replace, so of several builders the last one to put a file in place has seen what all others did.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from stacgen.catalog.compare_and_swap import update
from stacgen.catalog.pages import page
from stacgen.errors import OutputError
from stacgen.model.concurrent import abreast
from stacgen.model.protocols import Store
from stacgen.stac import catalogs, layout, stac_json
from stacgen.stac.stac_json import read

if TYPE_CHECKING:
    from stacgen.stac.geoparquet import Collections, Table, TableSummary


def keep(store: Store, touched: Iterable[str]) -> None:
    """Have table and page show some Collections as they are; of others nothing is read.

    Args:
        store: Holds them.
        touched: Keys of the Collections that may have changed.
    """
    keys = sorted(set(touched))
    if keys and (store.stat(layout.COLLECTIONS) or any(map(store.stat, keys))):
        _put(store, keys)


def rebuild(store: Store) -> None:
    """Make both of all Collections that the tiles of the root link."""
    if collection_keys(store):
        _put(store, None)


def collection_keys(store: Store) -> list[str]:
    """Keys of all Collections that the tiles of the root link."""
    return sorted(
        collection
        for tile in _children(store, layout.ROOT)
        for collection in _children(store, tile)
    )


def known_url(store: Store) -> str | None:
    """The public URL that the root names."""
    return catalogs.public_url(read(store, layout.ROOT))


def told_url(store: Store) -> str | None:
    """The public URL that the table of Collections names; None where it cannot be read."""
    found = _opened(store.read(layout.COLLECTIONS))
    return None if found is None else found.place.base_url


def _put(store: Store, keys: list[str] | None) -> None:
    """Put table and page in place; None stands for all Collections, and no other rows."""
    from stacgen.stac import geoparquet  # noqa: PLC0415 - pyarrow takes half a second
    from stacgen.stac.geoparquet import collections  # noqa: PLC0415 - same

    def changed(raw: bytes | None) -> bytes:
        old = None if keys is None else _table(raw)
        shown = keys if keys is not None and old is not None else collection_keys(store)
        rows = abreast(store, partial(_row, store), sorted({*shown, *(keys or ())}))
        new = collections.tabulate(row for row in rows if row is not None)
        whole = collections.replaced(old, shown, new)
        assert whole is not None  # noqa: S101 - there is a table, or a Collection
        return geoparquet.to_bytes(whole, geoparquet.Place(base_url=known_url(store)))

    update(store, layout.COLLECTIONS, stac_json.PARQUET, changed)
    _draw(store)


def _draw(store: Store) -> None:
    """Draw the page of the root."""
    if store.stat(layout.ROOT) is None:
        return

    def drawn(_: bytes | None) -> bytes:
        document = read(store, layout.ROOT) or {}
        table = _opened(store.read(layout.COLLECTIONS))
        listed = () if table is None else table.listed()
        return page.root(document, listed, base_url=catalogs.public_url(document))

    update(store, layout.PAGE, stac_json.HTML, drawn)


def _children(store: Store, key: str) -> Iterator[str]:
    document = read(store, key)
    if document is not None:
        yield from (layout.target(key, link.href) for link in stac_json.links(document, "child"))


def _row(store: Store, key: str) -> "tuple[str, stac_json.Document, TableSummary] | None":
    """What a row is made of; None where the Collection is gone."""
    from stacgen.stac.geoparquet import collections  # noqa: PLC0415 - pyarrow takes half a second

    document, table = read(store, key), layout.mirror_key(key)
    if document is None:
        return None
    raw, name = store.read(table), f"{store.address}/{table}"
    if raw is None:
        raise OutputError(f"{name} is gone; stacgen index makes it anew.")
    return key, document, collections.sum_up(raw, name=name)


def _table(raw: bytes | None) -> "Table | None":
    """All rows of the root's table; None where there is none that can be read to its end."""
    found = _opened(raw)
    try:
        return None if found is None else found.table()
    except OutputError:
        return None


def _opened(raw: bytes | None) -> "Collections | None":
    """The root's table; None where there is none that can be read."""
    from stacgen.stac import geoparquet  # noqa: PLC0415 - pyarrow takes half a second

    try:
        return None if raw is None else geoparquet.Collections(raw, name=layout.COLLECTIONS)
    except OutputError:
        return None
