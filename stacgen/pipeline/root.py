"""The root's mirror and page, kept up with those of the Collections.

The page of a Collection is drawn of its mirror, and the root's page says what each of them says,
down to a digest of its Items. It is drawn after the root's mirror. So where the root's page says
what a Collection's page says, the root's mirror holds what the Collection's mirror holds. That is
told whatever clock a store has, and without pyarrow.
"""

from collections.abc import Iterable

from stacgen import layout
from stacgen.pipeline import mirrors, pages
from stacgen.ports import Store


def keep(store: Store, touched: Iterable[str]) -> None:
    """Have both show Collections as they are; what is so already is not written.

    Args:
        store: Holds them.
        touched: Keys of the Collections that may have changed, in this run or in one that was
            killed; of others nothing is read.
    """
    keys = list(touched)
    newer = mirrors.newer(store, map(layout.mirror_key, keys))
    while True:
        said = pages.said(store)
        if not said:
            keys = mirrors.collection_keys(store)
        found = pages.summaries(store, keys)
        changed = {layout.mirror_key(key) for key in found if said.get(key) != found[key]} | newer
        if not found or (not changed and pages.is_root_current(store)):
            return
        mirrors.keep_root(store, changed)
        pages.root(store, found)
        newer = set()  # and see whether another builder has been here meanwhile


def rebuild(store: Store) -> None:
    """Make both of all Collections that there are, whatever they hold."""
    keys = mirrors.collection_keys(store)
    found = pages.summaries(store, keys)
    mirrors.keep_root(store, map(layout.mirror_key, keys))
    pages.root(store, found, anew=True)
    keep(store, mirrors.collection_keys(store))  # of which there may be more meanwhile
