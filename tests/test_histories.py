"""Whatever befalls a catalog, in whatever order: it can be read, and its Items say all of it."""

from collections import Counter
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from obstore.store import MemoryStore

from conftest import Figures
from crashes import DiedError, Reader, Tried, Work, tree
from stacgen.catalog.index import index
from stacgen.catalog.repair import repair
from stacgen.io.bucket import Bucket
from stacgen.io.folder import Folder
from stacgen.model.protocols import Store
from stacgen.stac.files import Kind, kind
from test_versions import keep_up
from test_writers import Between, contents

BANDS = ("B01", "B02", "B09")
MOST = 6
"""Frames of a band."""

_ITEMS = (Kind.ITEM, Kind.ASSET)

band = st.sampled_from(BANDS)
frames = st.integers(1, MOST)
point = st.integers(0, 40)


def memory() -> Store:
    return Bucket(MemoryStore(), "memory://x")


class History(RuleBasedStateMachine):
    """Builds, deaths, removals and repairs of one catalog."""

    @initialize(in_folder=st.booleans())
    def begin(self, *, in_folder: bool) -> None:
        """An empty place."""
        self.folder = TemporaryDirectory()
        self.store: Store = Folder(Path(self.folder.name) / "out") if in_folder else memory()
        self.built: dict[str, int] = {}
        """Frames of each band that were built, or begun."""

    @rule(band=band, count=frames)
    def add(self, band: str, count: int) -> None:
        """Build some frames, or again."""
        self.built[band] = max(count, self.built.get(band, 0))
        Work(bands={band: self.built[band]}).run(self.store)

    @rule(band=band, count=frames, at=point)
    def crash(self, band: str, count: int, at: int) -> None:
        """A build that dies."""
        self.built[band] = max(count, self.built.get(band, 0))
        store = Tried(self.store)
        store.fails_at = at
        with suppress(DiedError):
            Work(bands={band: self.built[band]}).run(store)

    @rule(one=band, other=band, count=frames, at=point)
    def together(self, one: str, other: str, count: int, at: int) -> None:
        """Two builds, one in the midst of the other."""
        for each in (one, other):
            self.built[each] = max(count, self.built.get(each, 0))
        inner = Work(bands={other: self.built[other]})
        Work(bands={one: self.built[one]}).run(Between(self.store, inner, at))

    @precondition(lambda self: self.built)
    @rule()
    def again(self) -> None:
        """What is there is built again, twice; the second time writes nothing."""
        work = Work(bands=self.built)
        work.run(self.store)
        store = Tried(self.store)
        work.run(store)
        assert store.changes == []

    @precondition(lambda self: self.built)
    @rule(band=band, count=frames)
    def update(self, band: str, count: int) -> None:
        """There are more frames upstream, and what has been begun is kept up."""
        if self.store.read("catalog.json") is not None:
            self.built[band] = max(count, self.built.get(band, 0))
            keep_up(self.store, Work(bands=self.built).api, drops=False)

    @precondition(lambda self: self.built)
    @rule(number=st.integers(0, 100))
    def remove(self, number: int) -> None:
        """A frame is taken away by hand, not the last of its band, and the catalog repaired."""
        items = sorted(key for key in tree(self.store) if kind(key) is Kind.ITEM)
        bands = Counter(key.split("/")[1] for key in items)
        found = [key for key in items if bands[key.split("/")[1]] > 1]
        if found:
            folder = found[number % len(found)].rpartition("/")[0]
            keys = [entry.key for entry in self.store.list(f"{folder}/")]
            for key in sorted(keys, key=lambda key: not key.endswith(".json")):
                self.store.delete(key)
            index(self.store)

    @rule()
    def index(self) -> None:
        """The catalogs are made of the Items."""
        index(self.store)

    @precondition(lambda self: self.built)
    @rule(number=st.integers(0, 100))
    def damage(self, number: int) -> None:
        """A file above the Items is cut short, and the catalog repaired."""
        found = tree(self.store)
        keys = sorted(key for key in found if kind(key) not in _ITEMS)
        if keys:
            key = keys[number % len(keys)]
            self.store.write(key, found[key][: len(found[key]) // 2], "")
            repair(self.store)

    @precondition(lambda self: self.built)
    @rule(at=point)
    def die_repairing(self, at: int) -> None:
        """A repair that dies."""
        store = Tried(self.store)
        store.fails_at = at
        with suppress(DiedError):
            index(store)

    @invariant()
    def can_be_read(self) -> None:
        """Every link leads to what it says."""
        if hasattr(self, "store"):
            reader = Reader(self.store).walk()
            assert len(reader.items) == len(set(reader.items))

    def teardown(self) -> None:
        """What stands above the Items after a plain run is what an index makes of them alone."""
        if not self.built:
            self.folder.cleanup()
            return
        with self.folder:
            Work(bands=self.built).run(self.store)
            found, alone = tree(self.store), memory()
            for key, content in found.items():
                if kind(key) in _ITEMS:
                    alone.write(key, content, "")
            index(alone)
            assert contents(found) == contents(tree(alone))


TestHistory = History.TestCase
TestHistory.settings = settings(
    max_examples=200, stateful_step_count=6, deadline=None, derandomize=True
)


@pytest.mark.full
def test_many_long_histories(figures: Figures) -> None:
    rules = settings(max_examples=200, stateful_step_count=12, deadline=None)
    run_state_machine_as_test(History, settings=rules)
    figures("histories of up to 12 steps", 200)
