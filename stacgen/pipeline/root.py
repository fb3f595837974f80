"""The root's mirror and page, kept up with those of the Collections.

The page of a Collection is drawn of its mirror, and the root's page says what each of them says,
down to a digest of its Items. It is drawn after the root's mirror. So where the root's page says
what a Collection's page says, the root's mirror holds what the Collection's mirror holds. That is
told whatever clock a store has, and without pyarrow.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from stacgen import catalog, layout, page, stac
from stacgen.errors import OutputError
from stacgen.pipeline.abreast import abreast
from stacgen.pipeline.update import read, touch, update
from stacgen.ports import Entry, Store

if TYPE_CHECKING:
    from stacgen.mirror import Mirror, Part, Table


def keep(store: Store, touched: Iterable[str]) -> None:
    """Have both show Collections as they are; what is so already is not written.

    Args:
        store: Holds them.
        touched: Keys of the Collections that may have changed, in this run or in one that was
            killed; of others nothing is read.
    """
    keys = list(touched)
    newer = newer_than_root(store, map(layout.mirror_key, keys))
    while True:
        known = said(store)
        if not known:
            keys = collection_keys(store)
        found = summaries(store, keys)
        changed = {layout.mirror_key(key) for key in found if known.get(key) != found[key]} | newer
        if not found or (not changed and is_root_current(store)):
            return
        keep_root(store, changed)
        draw(store, found)
        newer = set()  # and see whether another builder has been here meanwhile


def rebuild(store: Store) -> None:
    """Make both of all Collections that there are, whatever they hold."""
    keys = collection_keys(store)
    found = summaries(store, keys)
    keep_root(store, map(layout.mirror_key, keys))
    draw(store, found, anew=True)
    keep(store, collection_keys(store))  # of which there may be more meanwhile


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


def newer_than_root(store: Store, keys: Iterable[str]) -> set[str]:
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
    found = opened(store.read(key), key)
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
    old = opened(raw, layout.MIRROR) if set(holdings) - written else None
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
    found = must_open(store.read(key), store, key)
    return found.starts()[-1], found.kind


def _read(store: Store, key: str) -> "Table":
    return must_open(store.read(key), store, key).table()


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


def draw(
    store: Store, found: Mapping[str, page.Summary] | None = None, *, anew: bool = False
) -> None:
    """Draw the page of the root.

    What it says of Collections that are not given is taken from itself, so that no more is read the
    larger the catalog is.

    Args:
        store: Holds it.
        found: What to say of Collections, by key; None for all of them, as they are.
        anew: Whether it is to say nothing of others.
    """
    document = read(store, layout.ROOT)
    if found is None:
        found, anew = summaries(store, collection_keys(store)), True
    if document is None or not found:
        return  # nothing was built
    base_url = catalog.public_url(document)

    def drawn(existing: bytes | None) -> bytes:
        known = {} if anew else page.summaries(existing)
        mirror = store.stat(layout.MIRROR)
        return page.root(
            document,
            {**known, **found}.values(),
            mirror_size=0 if mirror is None else mirror.size,
            base_url=base_url,
        )

    update(store, layout.PAGE, stac.HTML, drawn)


def is_root_current(store: Store) -> bool:
    """Whether the root's page shows the root's document as it is, beside the mirror as it is."""
    document = read(store, layout.ROOT)
    if document is None:
        return False
    base_url = catalog.public_url(document)
    existing, mirror = store.read(layout.PAGE), store.stat(layout.MIRROR)
    if mirror is None or not page.has_stamp(existing, document, base_url=base_url):
        return False
    return page.shows(existing, (), mirror_size=mirror.size)


def said(store: Store) -> dict[str, page.Summary]:
    """What the root's page says of Collections, by key; nothing where it is not there."""
    return page.summaries(store.read(layout.PAGE))


def summaries(store: Store, keys: Iterable[str]) -> dict[str, page.Summary]:
    """What the pages of Collections say, by key; nothing of those that have none."""
    keys = list(keys)

    def summary(key: str) -> page.Summary | None:
        return page.summaries(store.read(layout.page_key(key))).get(key)

    found = abreast(store, summary, keys)
    return {key: each for key, each in zip(keys, found, strict=True) if each is not None}


def opened(raw: bytes | None, name: str) -> "Mirror | None":
    """A mirror, or None where there is none that can be read."""
    from stacgen import mirror  # noqa: PLC0415 - pyarrow takes half a second

    try:
        return None if raw is None else mirror.Mirror(raw, name=name)
    except OutputError:
        return None


def must_open(raw: bytes | None, store: Store, key: str) -> "Mirror":
    """A mirror that is there."""
    found = opened(raw, f"{store.address}/{key}")
    if found is None:
        raise OutputError(f"{store.address}/{key} is gone or damaged; stacgen index makes it anew.")
    return found
