"""Catalogs from Items alone: what builds that shared the work or died leave to be done."""

from collections import defaultdict
from collections.abc import Collection

from stacgen.catalog.journal import Entry, Journal
from stacgen.catalog.pending import PendingChanges
from stacgen.model import bands, mgrs
from stacgen.model.mgrs import TileId
from stacgen.model.protocols import Store


def index(
    store: Store, *, base_url: str | None = None, journal: Journal | None = None
) -> tuple[int, int]:
    """File every Item that lies in a store into the catalogs above it, and make its scenes.

    Builds of shards publish Items and no catalogs; this does the rest, in one process. It may be
    run at any time and again: Items that are filed already change nothing. Links to Items that are
    not there any more are dropped, while their Collection has others. What dead runs have begun is
    finished, and what other builders file meanwhile stays filed.

    Args:
        store: Holds the Items.
        base_url: Where the catalog is public, if that is known.
        journal: Of the run that this is a part of, if it is one.

    Returns:
        How many Collections and Items there are.

    Raises:
        OutputError: The store cannot be used, or holds a catalog that is not ours.
    """
    if journal is None:
        with Journal(store) as own:
            return index(store, base_url=base_url, journal=own)
    dead = journal.take_over()
    found = bands_by_tile(store)
    pending = PendingChanges(store, journal)
    counts = [
        count
        for tile in sorted(found.keys() | dead)
        for count in pending.rebuild(
            tile,
            Entry(bands=frozenset(found.get(tile, ()))) | dead.get(tile, Entry()),
            base_url=base_url,
        )
    ]
    pending.close(is_all=True)
    journal.finish()
    return len(counts), sum(counts)


def recover(store: Store, wanted: Collection[TileId]) -> None:
    """Finish what dead runs have begun on some tiles."""
    with Journal(store) as journal:
        dead = journal.take_over(wanted)
        if dead:
            pending = PendingChanges(store, journal)
            for tile, entry in sorted(dead.items()):
                pending.rebuild(tile, entry)
            pending.close()
            journal.finish()


def bands_by_tile(store: Store) -> dict[TileId, set[str]]:
    """The tiles and bands of which the store holds an Item."""
    found: defaultdict[TileId, set[str]] = defaultdict(set)
    for entry in store.list(""):
        parts = entry.key.split("/")
        if len(parts) == 5 and parts[4] == f"{parts[3]}.json" and parts[1] in bands.NAMES:  # noqa: PLR2004
            found[mgrs.parse(parts[0])].add(parts[1])
    return found
