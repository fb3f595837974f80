"""Mirrors kept true: a Parquet file of all Items a Collection, and one of all at the root.

A mirror is written before what links its Items, so an Item that its year links is in the mirror.
What is newer than its mirror was published by a build that did not come to its end. Both are seen
without opening a mirror; pyarrow is loaded only where one is to be written.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from stacgen import stac
from stacgen.errors import OutputError
from stacgen.pipeline.update import touch, update
from stacgen.ports import Store

if TYPE_CHECKING:
    from stacgen.mirror import Mirror, Table

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
    table = mirror.brief(must_open(raw, store, key).table())
    return [document for _, document in mirror.documents(table)], len(raw or b"")


def opened(raw: bytes | None, name: str) -> "Mirror | None":
    """A mirror, or None where there is none that can be read."""
    from stacgen import mirror  # noqa: PLC0415 - pyarrow takes half a second

    try:
        return None if raw is None else mirror.Mirror(raw, name=name)
    except OutputError:
        return None


def _table(raw: bytes | None, name: str) -> "Table | None":
    """All of a mirror, or None where there is none that can be read to its end."""
    found = opened(raw, name)
    try:
        return None if found is None else found.table()
    except OutputError:
        return None


def must_open(raw: bytes | None, store: Store, key: str) -> "Mirror":
    """The mirror of some content.

    Raises:
        OutputError: It is gone or damaged.
    """
    found = opened(raw, f"{store.address}/{key}")
    if found is None:
        raise OutputError(f"{store.address}/{key} is gone or damaged; stacgen index makes it anew.")
    return found
