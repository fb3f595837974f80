"""Mirrors kept true: a Parquet file of all Items a Collection, and one of all at the root.

A mirror is written before what links its Items, so an Item that its year links is in the mirror.
What is newer than its mirror was published by a build that did not come to its end. Both are seen
without opening a mirror; pyarrow is loaded only where one is to be written.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from stacgen import catalog, layout, stac
from stacgen.errors import OutputError
from stacgen.pipeline.abreast import abreast
from stacgen.pipeline.update import touch, update
from stacgen.ports import Entry, Store

if TYPE_CHECKING:
    from stacgen.mirror import Mirror, Part, Table

Keyed = tuple[str, stac.Document]
"""An Item and its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A mirror as it was put in place."""

    raw: bytes
    items: Callable[[], Sequence[stac.Document]]
    """Gives all Items that it holds, of which only those that it held before have to be decoded;
    these as `held` gives them."""


def keep(
    store: Store,
    key: str,
    items: Callable[[], Iterable[Keyed]],
    *,
    every: Callable[[], Iterable[Keyed]],
    anew: bool,
    base_url: str | None,
) -> Kept:
    """Have a Collection's mirror hold Items, too; one that cannot be read is made of all of them.

    Args:
        store: Where it lies.
        key: Of the mirror.
        items: Gets those that it may lack, at least one. It is asked after the mirror was read, so
            that what another builder files meanwhile is in them or put later.
        every: Gets all that are linked, for a mirror that cannot be read.
        anew: Whether `items` are all, and what it has beside them is to go.
        base_url: Where the root is public, if that is known.
    """
    from stacgen import mirror  # noqa: PLC0415 - pyarrow takes half a second

    place = mirror.Place(folder=key.rpartition("/")[0], base_url=base_url)
    kept: list[Kept] = []

    def united(raw: bytes | None) -> bytes:
        fresh = list(items())
        before = None if anew else _table(raw, f"{store.address}/{key}")
        if raw is not None and before is None and not anew:
            fresh = list((dict(every()) | dict(fresh)).items())
        table = mirror.tabulate(fresh)
        whole = table if before is None else mirror.united([before, table])
        content = mirror.to_bytes(whole, place)
        kept[:] = [Kept(raw=content, items=partial(_all, before, fresh))]
        return content

    if not update(store, key, stac.PARQUET, united):
        touch(store, key, stac.PARQUET)
    return kept[0]


def _all(before: "Table | None", items: Sequence[Keyed]) -> list[stac.Document]:
    """What a table holds, and Items that may take the place of some."""
    from stacgen import mirror  # noqa: PLC0415 - pyarrow takes half a second

    keyed = {} if before is None else dict(mirror.documents(mirror.brief(before)))
    return list((keyed | dict(items)).values())


def held(store: Store, key: str, kept: Kept | None = None) -> tuple[Sequence[stac.Document], int]:
    """All Items that a Collection's mirror holds, with what a page shows of them, or more.

    Args:
        store: Where it lies.
        key: Of the mirror.
        kept: As it was last known; where it is still that, it need not be decoded.

    Returns:
        They, and the size of the mirror in bytes.

    Raises:
        OutputError: It is gone or damaged.
    """
    from stacgen import mirror  # noqa: PLC0415 - pyarrow takes half a second

    raw = store.read(key)
    if kept is not None and raw == kept.raw:
        return kept.items(), len(kept.raw)
    table = mirror.brief(_must_open(raw, store, key).table())
    return [document for _, document in mirror.documents(table)], len(raw or b"")


def keep_root(store: Store, changed: Iterable[str]) -> None:
    """Have the root's mirror hold what those of the Collections hold.

    It is made of the mirrors as tables, one Collection after the other; what it has of Collections
    that did not change is copied from itself. It is put in place of the one that was read before
    the others were, so that a builder whose mirrors it may lack puts it anew.

    Args:
        store: Where it lies.
        changed: Keys of mirrors that it may not hold as they are.
    """
    written = set(changed)
    if linked(store) and not update(
        store, layout.MIRROR, stac.PARQUET, lambda raw: _root(store, raw, written)
    ):
        touch(store, layout.MIRROR, stac.PARQUET)


def newer(store: Store, keys: Iterable[str]) -> set[str]:
    """Those mirrors that were written after the root's."""
    entry = store.stat(layout.MIRROR)
    found = _stats(store, keys)
    return {key for key, each in found.items() if entry is None or each.written > entry.written}


def linked(store: Store) -> list[str]:
    """Keys of the mirrors of all Collections that the tiles of the root link."""
    return [layout.mirror_key(key) for key in collection_keys(store)]


def collection_keys(store: Store) -> list[str]:
    """Keys of all Collections that the tiles of the root link."""
    return sorted(
        collection
        for tile in _children(store, layout.ROOT)
        for collection in _children(store, tile)
    )


def known_url(store: Store) -> str | None:
    """Where the root says that it is public."""
    raw = store.read(layout.ROOT)
    return None if raw is None else catalog.public_url(stac.from_bytes(raw, name=layout.ROOT))


def told_url(store: Store, key: str) -> str | None:
    """Where a mirror says that the root is public; None where it does not, or cannot be read."""
    found = _opened(store.read(key), key)
    return None if found is None else found.place.base_url


def _children(store: Store, key: str) -> Iterator[str]:
    raw = store.read(key)
    if raw is not None:
        document = stac.from_bytes(raw, name=f"{store.address}/{key}")
        yield from (layout.target(key, link.href) for link in stac.links(document, "child"))


def _stats(store: Store, keys: Iterable[str]) -> dict[str, Entry]:
    """What the store tells of files that are there, in the order of their keys."""
    found = abreast(store, store.stat, sorted(keys))
    return {entry.key: entry for entry in found if entry is not None}


def _root(store: Store, raw: bytes | None, written: set[str]) -> bytes:
    """The root's mirror, from those of the Collections and from what it was."""
    holdings = _stats(store, linked(store))
    old = _opened(raw, layout.MIRROR) if set(holdings) - written else None
    if old is not None:
        try:
            return _gathered(store, holdings, written, old)
        except OutputError:  # that its rows are damaged shows as they are read
            pass
    return _gathered(store, holdings, written, None)


def _gathered(
    store: Store, holdings: Mapping[str, Entry], written: set[str], old: "Mirror | None"
) -> bytes:
    """The root's mirror, from what it was, where that is given, and from the Collections' else."""
    from stacgen import mirror  # noqa: PLC0415 - pyarrow takes half a second

    place = mirror.Place(base_url=known_url(store))
    kept = {} if old is None else _kept(store, old, holdings, written)
    rows = {key: part.rows for key, part in kept.items()}
    kind = mirror.shape_of(()) if old is None or not kept else old.kind
    fresh = [key for key in holdings if key not in kept]
    for key, own in zip(fresh, abreast(store, partial(_measured, store), fresh), strict=True):
        rows[key] = own[0]
        kind = mirror.joined(kind, own[1])
    is_alike = old is not None and old.place == place and old.kind == kind
    runs = old.runs() if old is not None and is_alike else {}

    def tables(keys: Sequence[str]) -> "Iterator[Table]":
        own = abreast(store, partial(_read, store), [key for key in keys if key not in kept])
        for key in keys:
            if old is not None and key in kept:
                yield from old.part(key)
            else:
                table = next(own)
                rows[key] = table.num_rows  # another builder may have filed more meanwhile
                yield table

    writer = mirror.Writer(kind, place)
    for keys in mirror.grouped(rows):
        number = runs.get(keys)
        if old is not None and number is not None and kept.keys() >= set(keys):
            writer.keep(old, number)
        else:
            writer.add(tables(keys))
    return writer.finish(
        mirror.Part(key=key, rows=rows[key], size=each.size) for key, each in holdings.items()
    )


def _measured(store: Store, key: str) -> tuple[int, Any]:
    """How many rows a Collection's mirror has, and of which type."""
    found = _must_open(store.read(key), store, key)
    return found.starts()[-1], found.kind


def _read(store: Store, key: str) -> "Table":
    return _must_open(store.read(key), store, key).table()


def _kept(
    store: Store, old: "Mirror", holdings: Mapping[str, Entry], written: set[str]
) -> "dict[str, Part]":
    """What the root's mirror has of Collections as they are."""
    entry = store.stat(layout.MIRROR)
    return {
        part.key: part
        for part in old.parts
        for now in [holdings.get(part.key)]
        if entry is not None
        and now is not None
        and part.key not in written
        and now.size == part.size
        and now.written < entry.written
    }


def _opened(raw: bytes | None, name: str) -> "Mirror | None":
    """A mirror, or None where there is none that can be read."""
    from stacgen import mirror  # noqa: PLC0415 - pyarrow takes half a second

    try:
        return None if raw is None else mirror.Mirror(raw, name=name)
    except OutputError:
        return None


def _table(raw: bytes | None, name: str) -> "Table | None":
    """All of a mirror, or None where there is none that can be read to its end."""
    found = _opened(raw, name)
    try:
        return None if found is None else found.table()
    except OutputError:
        return None


def _must_open(raw: bytes | None, store: Store, key: str) -> "Mirror":
    found = _opened(raw, f"{store.address}/{key}")
    if found is None:
        raise OutputError(f"{store.address}/{key} is gone or damaged; stacgen index makes it anew.")
    return found
