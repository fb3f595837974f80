"""What a run has linked, and what has still to be derived from it: tables and pages, scenes, root.

It is derived once nothing more of the run goes into a Collection or a tile. The journal names the
tiles until all of it is done.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby

from stacgen.catalog import derive, root
from stacgen.catalog.commit import Filing, all_items, check_root, commit, filing_of, unlink
from stacgen.catalog.journal import Entry, Journal
from stacgen.catalog.scenes import derive_scenes
from stacgen.model.mgrs import TileId
from stacgen.model.protocols import Store
from stacgen.stac import layout, stac_json, summaries
from stacgen.stac.inventory import linked_ids
from stacgen.stac.layout import CollectionPlace, ItemPlace, Pass, Place, ScenesPlace


class PendingChanges:
    """The Collections and tiles that a run has changed."""

    def __init__(self, store: Store, journal: Journal) -> None:
        self._store = store
        self._journal = journal
        self._open: defaultdict[CollectionPlace, set[str]] = defaultdict(set)
        """Collections whose pages are behind, with keys of the Items that their tables may lack."""

        self._passes: set[Pass] = set()
        self._whole: set[TileId] = set()
        """Tiles of which all scenes are derived again."""

        self._changed: set[Place] = set()
        self._purged: set[str] = set()
        """Ids of Items that nothing links any more."""

    @staticmethod
    def load() -> None:
        """Load what is needed at the end, once, for half a second, while others are at work."""
        from stacgen.catalog.pages import page  # noqa: PLC0415 - not before there is something built
        from stacgen.stac import geoparquet  # noqa: PLC0415 - not before there is something built

        geoparquet.load()
        page.load()

    def link(
        self, documents: Sequence[stac_json.Document], filing: Filing, *, replaced: bool = False
    ) -> None:
        """Link Items that were published; `replaced` if one stood there before."""
        place = filing.place
        self._journal.keep(place.tile)
        if not commit(documents, filing, self._store, recount=replaced):
            self.update(place, documents)
        self._note(place, documents)

    def update(self, place: CollectionPlace, documents: Iterable[stac_json.Document]) -> None:
        """Note Items that are linked, and were written again."""
        documents = list(documents)
        self._open[place].update(derive.key_of(place, each["id"]) for each in documents)
        self._note(place, documents)

    def rebuild(self, tile: TileId, entry: Entry, *, base_url: str | None = None) -> list[int]:
        """Derive all of some bands of a tile from the Items that lie in the store.

        Args:
            tile: The tile.
            entry: Its bands, and the Items that are to go.
            base_url: Where the catalog is public, if that is known.

        Returns:
            How many Items each band has that has any.
        """
        self._journal.note(tile, entry.bands, purge=entry.purge)
        self._whole.add(tile)
        self._unlink(entry.purge)
        counts = (self._rebuild(f"{tile}/{name}/", base_url) for name in sorted(entry.bands))
        return [each for each in counts if each]

    def drop(self, place: CollectionPlace, purge: Collection[str]) -> None:
        """Take Items out of a Collection; their files are deleted when nothing links them."""
        self._journal.note(place.tile, [place.name], purge=purge)
        self._unlink(purge)
        self._rebuild(f"{place.tile}/{place.name}/", None)

    def _unlink(self, purge: Iterable[str]) -> None:
        """Have years link some Items no longer."""
        gone = sorted(map(layout.id_of, purge))
        for (place, year), ids in groupby(gone, lambda each: (_place(each), Pass.of(each).year)):
            unlink(place, set(ids), year, self._store)
        self._purged |= {*gone}
        self._passes |= set(map(Pass.of, gone))

    def _rebuild(self, folder: str, base_url: str | None) -> int:
        """Derive all of a Collection from the Items in its folder; how many there are."""
        found = {each["id"]: each for each in all_items(self._store, folder)}
        # A store that lists late may not show yet what is linked.
        unlisted = [key for key in _linked(self._store, folder) if layout.id_of(key) not in found]
        found |= {each["id"]: each for _, each in derive.read_items(self._store, unlisted)}
        documents = [found[key] for key in sorted(found) if key not in self._purged]
        if not documents:
            return 0
        place, store = _place(documents[0]["id"]), self._store
        filing = filing_of(documents[0], place, base_url=base_url)
        check_root(store, is_sample=filing.is_sample)
        commit(documents, filing, store, recount=True, prune=True)
        # Not of these documents: another builder may have linked more since they were listed.
        held = derive.put_table(store, place, derive.of_linked(store, place), base_url=base_url)
        derive.put_page(store, place, held, base_url=base_url)
        self._open.pop(place, None)
        self._changed.add(place)
        return len(documents)

    def settle(self, *, but: Collection[CollectionPlace] = ()) -> None:
        """Write tables and pages of all Collections but those that more will go into.

        Where nothing more goes into a tile, its scenes are made.
        """
        store = self._store
        for place in [place for place in self._open if place not in but]:
            keys = self._open.pop(place)
            held = derive.put_table(store, place, derive.of_items(store, place, keys))
            derive.put_page(store, place, held)
        waiting = {place.tile for place in but}
        done = {each for each in self._passes if each.tile not in waiting}
        whole = self._whole - waiting
        for tile in sorted({each.tile for each in done} | whole):
            scenes = ScenesPlace(tile=tile)
            touched = {each for each in done if each.tile == tile}
            if derive_scenes(scenes, None if tile in whole else touched, store):
                self._changed.add(scenes)
        self._passes -= done
        self._whole -= whole

    def close(self, *, is_all: bool = False) -> None:
        """Write all that is left, and what the root says; then delete what is to go.

        Args:
            is_all: Have the root say what all Collections are now, and not just those changed.
        """
        self.settle()
        if is_all:
            root.rebuild(self._store)
        elif self._changed:
            root.keep(self._store, sorted({place.key for place in self._changed}))
        self._delete()

    def _note(self, place: CollectionPlace, documents: Iterable[stac_json.Document]) -> None:
        self._changed.add(place)
        self._passes |= {Pass.of(each["id"]) for each in documents}

    def _delete(self) -> None:
        """Delete Items that nothing links any more with their files, and scenes without any band.

        The Item goes last, so that its files never lie there alone.
        """
        store, passes = self._store, set(map(Pass.of, self._purged))
        for tile, year in sorted({(each.tile, each.year) for each in passes}):
            place = ScenesPlace(tile=tile)
            folder = place.year_key(year).rpartition("/")[0]
            there = {key.split("/")[3] for key in _keys(store, folder) if key.count("/") > 3}  # noqa: PLR2004 - see `layout`
            for each in sorted(there - set(linked_ids(store, place, year))):
                if Pass.of(each) in passes:
                    _delete_item(place.item(each, year), store)
        for each in sorted(self._purged):
            _delete_item(_place(each).item(each, Pass.of(each).year), store)


def _place(item_id: str) -> CollectionPlace:
    return CollectionPlace(tile=Pass.of(item_id).tile, band=layout.band_of(item_id))


def _linked(store: Store, folder: str) -> Iterator[str]:
    """Keys of the Items that the years of the Collection in a folder link."""
    for year in summaries.years_of(stac_json.read(store, f"{folder}collection.json") or {}):
        key = f"{folder}{year}/catalog.json"
        links = stac_json.links(stac_json.read(store, key) or {}, "item")
        yield from (layout.target(key, link.href) for link in links)


def _keys(store: Store, folder: str) -> set[str]:
    return {entry.key for entry in store.list(f"{folder}/")}


def _delete_item(item: ItemPlace, store: Store) -> None:
    for key in (*sorted(_keys(store, item.folder) - {item.key}), item.key):
        store.delete(key)
