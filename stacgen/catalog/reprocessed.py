"""Items of which there is a higher baseline: marked as deprecated, or taken out of the catalog.

To take one out, it is marked; then the journal says that it goes, and nothing links it any more:
year, Collection, table, page, scenes, root; and only then its files go, the Item last. So a reader
never meets a dangling link, and a removal that was cut short is finished by the next run.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from stacgen.catalog import derive
from stacgen.catalog.journal import Journal
from stacgen.catalog.pending import PendingChanges
from stacgen.model.concurrent import abreast
from stacgen.model.protocols import Store
from stacgen.stac import stac_json, summaries, versions
from stacgen.stac.inventory import linked_ids, read_item
from stacgen.stac.layout import CollectionPlace
from stacgen.stac.stac_json import read

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

    Args:
        places: Of the Collections to look at.
        store: Holds them.
        drops: Take them out, rather than mark them.
        now: The clock, in UTC.

    Returns:
        What was done, of the Collections where something was.
    """
    done: dict[CollectionPlace, Superseded] = {}
    with Journal(store) as journal:
        pending = PendingChanges(store, journal)
        for place in places:
            lines = [
                line
                for year in sorted(summaries.years_of(read(store, place.key) or {}))
                for line in _lines(place, year, store, drops=drops)
            ]
            if not lines:
                continue
            deprecated = _mark(lines, place, store, journal, pending, now)
            gone = sorted({each for line in lines for each in line.gone})
            if gone:
                pending.drop(place, [derive.key_of(place, each) for each in gone])
            if deprecated or gone:
                marked = tuple(each for each in deprecated if each not in gone)
                done[place] = Superseded(deprecated=marked, dropped=tuple(gone))
        pending.close()
        journal.finish()
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """The Items of an acquisition, by baseline, the oldest first."""

    items: Sequence[stac_json.Document]
    gone: Collection[str] = ()
    """Ids of those that are to be taken out."""

    def spots(self) -> Iterator[tuple[stac_json.Document, versions.Place]]:
        """Each Item, and where it stands; those that stay link none that goes."""
        last = self.items[-1]
        kept = iter(versions.places([e for e in self.items if e["id"] not in self.gone]))
        for each in self.items:
            is_gone = each["id"] in self.gone
            yield each, versions.Place(after=last, last=last) if is_gone else next(kept)


def _lines(place: CollectionPlace, year: int, store: Store, *, drops: bool) -> Iterator[_Line]:
    """The acquisitions of a year that have Items of several baselines."""
    ids = versions.contested(linked_ids(store, place, year))
    items = {
        str(each["id"]): each
        for each in abreast(store, partial(read_item, store), (place.item(i, year) for i in ids))
        if each is not None
    }
    for ordered in versions.lines({key: stac_json.moment(each) for key, each in items.items()}):
        yield _Line(items=[items[each] for each in ordered], gone=ordered[:-1] if drops else ())


def _mark(
    lines: Sequence[_Line],
    place: CollectionPlace,
    store: Store,
    journal: Journal,
    pending: PendingChanges,
    now: Clock,
) -> list[str]:
    """Have Items say where they stand among those of their acquisition.

    Returns:
        Ids of those that are deprecated now, and were not.
    """
    pairs = [pair for line in lines for pair in line.spots()]
    changed = [
        (before, document)
        for before, spot in pairs
        if (document := versions.marked(before, spot, now=now())) is not before
    ]
    if not changed:
        return []
    journal.note(place.tile, [place.name])
    for _, document in changed:
        key = place.item(document["id"], stac_json.moment(document).year).key
        store.write(key, stac_json.to_bytes(document), stac_json.GEOJSON)
    pending.update(place, [document for _, document in changed])
    return [
        str(document["id"])
        for before, document in changed
        if versions.is_marked(document) and not versions.is_marked(before)
    ]
