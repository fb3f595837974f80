"""What a run has filed and has still to show: mirrors and pages, scenes, and the root's of both."""

import gc
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from stacgen import stac
from stacgen.layout import CollectionPlace, Pass, Place, ScenesPlace
from stacgen.pipeline import root
from stacgen.pipeline.finish import finish, overdue
from stacgen.pipeline.inventory import Standing
from stacgen.pipeline.plan import Plan
from stacgen.pipeline.refresh import is_shown, lacks, linked_items, refresh
from stacgen.ports import Store
from stacgen.tiles import TileId


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Python does not look for cycles meanwhile.

    Thousands of documents are made, and none is in a cycle, but to look through them again and
    again takes a tenth of the time.
    """
    was_at_work = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_at_work:
            gc.enable()


@dataclass(slots=True, kw_only=True, eq=False)
class _Account:
    """A Collection that a run looks at."""

    fresh: list[stac.Document] = field(default_factory=list)
    """Items of this run that mirror and page lack."""

    shown: list[stac.Document] = field(default_factory=list)
    """Items of this run that were there when the Collection was new."""

    is_stale: bool = False
    """Whether mirror and page must be made of all Items: they lack some, or one was replaced."""


class Ledger:
    """Keeps account of Collections until nothing more of a run goes into them.

    Then their mirrors and pages are written, once, and the scenes of their tile; and Items are let
    go. A Collection of which nothing was built is looked at all the same: a run before this one may
    have been killed.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: dict[CollectionPlace, _Account] = {}
        self._closed: list[Place] = []
        self._passes: set[Pass] = set()
        self._tiles: set[TileId] = set()
        """Those whose scenes have not been looked at since."""

    @staticmethod
    def load() -> None:
        """Load what is needed at the end, once, for half a second, while others are at work."""
        from stacgen import mirror, page  # noqa: PLC0415 - not before there is something built

        mirror.load()
        page.load()

    def enter(self, plan: Plan) -> bool:
        """Note what is there of a stream that is planned.

        Returns:
            Whether an Item of it is newer than the mirror: whoever replaced it was killed.
        """
        self.look(plan.place, (*plan.existing, *plan.beside))
        mirror = self._store.stat(plan.place.mirror_key)
        return mirror is not None and any(each.modified > mirror.written for each in plan.existing)

    def look(self, place: CollectionPlace, existing: Sequence[Standing]) -> None:
        """Note what mirror, page and scenes do not say of Items that are there."""
        account = self._open.setdefault(place, _Account())
        if existing:
            documents = [each.document for each in existing]
            newest = max(each.modified for each in existing)
            account.is_stale |= lacks(place, documents, newest, self._store)
        self._passes |= overdue(place, existing, self._store)

    def add(
        self,
        place: CollectionPlace,
        documents: Sequence[stac.Document],
        *,
        replaced: bool,
        is_shown: bool,
    ) -> None:
        """Note Items that are linked now, and whether mirror and page have them already."""
        account = self._open.setdefault(place, _Account())
        (account.shown if is_shown else account.fresh).extend(documents)
        account.is_stale |= replaced
        self._passes |= {Pass.of(each["id"]) for each in documents}

    @_collector_at_rest()
    def settle(self, *, but: Collection[CollectionPlace] = ()) -> None:
        """Write mirrors and pages of all Collections but those that more will go into.

        Where nothing more goes into a tile, its scenes are made.
        """
        for place in [place for place in self._open if place not in but]:
            self._settle(place, self._open.pop(place))
        tiles = {place.tile for place in but}
        done = {each for each in self._passes if each.tile not in tiles}
        finish(done, self._store, tiles=self._tiles - tiles)
        self._passes -= done
        self._tiles &= tiles

    def close(self) -> None:
        """Write all that is left, and the root's mirror and page."""
        self.settle()
        self._closed += {ScenesPlace(tile=place.tile) for place in self._closed}
        root.keep(self._store, sorted({place.key for place in self._closed}))

    def _settle(self, place: CollectionPlace, account: _Account) -> None:
        store = self._store
        if store.stat(place.key) is None:
            return  # nothing of it could be published
        if account.is_stale or not (account.fresh or is_shown(place, account.shown, store)):
            refresh(place, (), store, every=lambda: linked_items(store, place))
        elif account.fresh:
            refresh(place, account.fresh, store)
        self._closed.append(place)
        self._tiles.add(place.tile)
