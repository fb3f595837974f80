"""Items of which there is a higher baseline: marked as deprecated, or taken out of the catalog.

To take one out, it is marked; then nothing links it any more: year, Collection, mirrors, pages,
scenes, root; and only then its files go, the Item last. So a reader never meets a dangling link,
and an Item that is marked and not linked tells of a removal that did not come to its end.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby

from stacgen import collection_summary, layout, stac, succession
from stacgen.layout import CollectionPlace, ItemPlace, Pass, Place, ScenesPlace
from stacgen.pipeline import root
from stacgen.pipeline.abreast import abreast
from stacgen.pipeline.commit import commit
from stacgen.pipeline.index import filing_of
from stacgen.pipeline.inventory import Standing, linked_ids, read_item
from stacgen.pipeline.ledger import Ledger
from stacgen.pipeline.update import read, update_document
from stacgen.ports import Store
from stacgen.tiles import TileId

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """What became of a Collection's Items of which there is a higher baseline."""

    deprecated: tuple[str, ...] = ()
    """Ids of those that were marked, and stay."""

    dropped: tuple[str, ...] = ()
    """Ids of those that were taken out."""


def supersede(
    places: Iterable[CollectionPlace], store: Store, *, drops: bool, now: Clock
) -> dict[CollectionPlace, Superseded]:
    """Mark the Items of which there is a higher baseline, or take them out.

    What a run before this one had no time for is done, too.

    Args:
        places: Of the Collections to look at.
        store: Holds them.
        drops: Take them out, rather than mark them.
        now: The clock, in UTC.

    Returns:
        What was done, of the Collections where something was.
    """
    ledger = Ledger(store)
    done: dict[CollectionPlace, Superseded] = {}
    gone: list[ItemPlace] = []
    for place in places:
        lines = [
            line
            for year in sorted(collection_summary.years_of(read(store, place.key) or {}))
            for line in _lines(place, year, store, drops=drops)
        ]
        if not lines:
            continue
        deprecated = _mark(lines, place, store, ledger, now)
        dropped = _unlink(lines, place, store, ledger)
        gone += dropped
        if deprecated or dropped:
            ids = tuple(each.id for each in dropped)
            marked = tuple(each for each in deprecated if each not in ids)
            done[place] = Superseded(deprecated=marked, dropped=ids)
    ledger.close()
    if gone:
        root.rebuild(store)  # as if these had never been: no column of theirs is left in its mirror
        _delete(gone, store)
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """The Items of an acquisition, by baseline, the oldest first."""

    items: Sequence[Standing]
    gone: Collection[str] = ()
    """Ids of those that are to be taken out."""

    @property
    def last(self) -> stac.Document:
        """The one to use."""
        return self.items[-1].document

    def spots(self) -> Iterator[tuple[Standing, succession.Place]]:
        """Each Item, and where it stands; those that stay link none that goes."""
        kept = [each.document for each in self.items if each.document["id"] not in self.gone]
        places = iter(succession.places(kept))
        for each in self.items:
            is_gone = each.document["id"] in self.gone
            yield (
                each,
                succession.Place(after=self.last, last=self.last) if is_gone else next(places),
            )


def _lines(place: CollectionPlace, year: int, store: Store, *, drops: bool) -> Iterator[_Line]:
    """The acquisitions of a year that have Items of several baselines."""
    ids = succession.contested(_there(place, year, store))
    linked = set(linked_ids(store, place, year)) if ids else set()
    items = {
        str(each.document["id"]): each
        for each in _standings((place.item(each, year) for each in ids), store)
        if each.document["id"] in linked or succession.is_marked(each.document)
    }
    for ordered in succession.lines({key: _moment(each.document) for key, each in items.items()}):
        if ordered[-1] in linked:
            gone = [each for each in ordered[:-1] if drops or each not in linked]
            yield _Line(items=[items[each] for each in ordered], gone=gone)


def _mark(
    lines: Sequence[_Line], place: CollectionPlace, store: Store, ledger: Ledger, now: Clock
) -> list[str]:
    """Have Items say where they stand among those of their acquisition.

    Returns:
        Ids of those that are deprecated now, and were not.
    """
    changed: list[stac.Document] = []
    unchanged: list[Standing] = []
    deprecated: list[str] = []
    for each, spot in (pair for line in lines for pair in line.spots()):
        document = succession.marked(each.document, spot, now=now())
        if document is each.document:
            unchanged.append(each)
            continue
        key = place.item(document["id"], _moment(document).year).key
        store.write(key, stac.to_bytes(document), stac.GEOJSON)
        changed.append(document)
        if succession.is_marked(document) and not succession.is_marked(each.document):
            deprecated.append(str(document["id"]))
    ledger.look(place, unchanged)
    if changed:
        ledger.add(place, changed, replaced=True, is_shown=False)
    return deprecated


def _unlink(
    lines: Sequence[_Line], place: CollectionPlace, store: Store, ledger: Ledger
) -> list[ItemPlace]:
    """Take Items out of their years and the figures of their Collection; which these are."""
    losing = [line for line in lines if line.gone]
    if not losing:
        return []
    years = {_moment(line.last).year: set[str]() for line in losing}
    for line in losing:
        years[_moment(line.last).year].update(line.gone)
    for year, gone in years.items():
        update_document(store, place.year_key(year), partial(_without, gone=gone))
    kept = [line.last for line in losing]
    commit(kept, filing_of(kept[0], place, base_url=None), store, recount=True)
    documents = [each.document for line in losing for each in line.items]
    ledger.add(place, documents, replaced=True, is_shown=False)
    return [place.item(each, year) for year, gone in years.items() for each in sorted(gone)]


def _without(year: stac.Document | None, *, gone: Collection[str]) -> stac.Document:
    """A year's Catalog that links some Items no more."""
    year = year or {}
    return {
        **year,
        "links": [
            link
            for link in year.get("links", [])
            if link["rel"] != "item" or layout.id_of(link["href"]) not in gone
        ],
    }


def _delete(gone: Sequence[ItemPlace], store: Store) -> None:
    """Remove the files of Items that nothing links, and of the scenes that had no others.

    The scenes go first: while there is an Item of a band, the next run knows what is left to do.
    """
    for (tile, year), several in groupby(sorted({Pass.of(each.id) for each in gone}), _home):
        passes, place = set(several), ScenesPlace(tile=tile)
        linked = set(linked_ids(store, place, year))
        for each in sorted(_there(place, year, store) - linked):
            if Pass.of(each) in passes:
                _delete_item(place.item(each, year), store)
    for item in gone:
        _delete_item(item, store)


def _home(each: Pass) -> tuple[TileId, int]:
    return each.tile, each.year


def _delete_item(item: ItemPlace, store: Store) -> None:
    keys = {entry.key for entry in store.list(f"{item.folder}/")}
    for key in (*sorted(keys - {item.key}), item.key):
        store.delete(key)


def _there(place: Place, year: int, store: Store) -> set[str]:
    """Ids of the Items that lie in the folder of a year."""
    folder = place.year_key(year).rpartition("/")[0]
    keys = (entry.key for entry in store.list(f"{folder}/"))
    ids = (key.split("/")[3] for key in keys if key.count("/") == 4)  # noqa: PLR2004 - see `layout`
    return set(ids)


def _standings(places: Iterable[ItemPlace], store: Store) -> list[Standing]:
    """The Items at some places that can be read."""

    def read_one(place: ItemPlace) -> Standing | None:
        document, entry = read_item(store, place), store.stat(place.key)
        if document is None or entry is None:
            return None
        return Standing(document=document, modified=entry.written)

    return [each for each in abreast(store, read_one, places) if each is not None]


def _moment(document: stac.Document) -> datetime:
    return datetime.fromisoformat(document["properties"]["datetime"])
