"""Runs that finish what others began, while these are dead, alive, suspended or somewhere else."""

import shutil
from contextlib import AbstractContextManager, nullcontext, suppress
from itertools import count
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from crashes import DiedError, Reader, Tried, Work, tree
from stacgen.catalog.index import index
from stacgen.catalog.journal import FOLDER, Journal
from stacgen.io.bucket import Bucket
from stacgen.io.folder import Folder
from stacgen.model.mgrs import TileId
from stacgen.model.protocols import Store
from stacgen.model.request import Shard
from test_versions import ANEW, BANDS, assert_sound, keep_up, processed
from test_writers import Between, contents

WHOLE = Work(bands={"B01": 6, "B09": 6})
PART = Work(bands={"B01": 6})
TILE = TileId("29PKR")


def memory() -> Store:
    return Bucket(MemoryStore(), "memory://x")


@pytest.fixture(scope="module")
def published() -> int:
    """The number of the change by which all Items are there, and those of one band are linked."""
    store = Tried(memory())
    WHOLE.run(store)
    return 1 + max(n for n, each in enumerate(store.changes) if each.startswith("write 29PKR"))


@pytest.fixture(scope="module")
def whole() -> dict[str, object]:
    """What one builder makes that nothing disturbs."""
    store = memory()
    WHOLE.run(store)
    return contents(tree(store))


def entries(store: Store) -> list[str]:
    return [entry.key for entry in store.list(FOLDER)]


def die(store: Store, work: Work, at: int) -> None:
    tried = Tried(store)
    tried.fails_at = at
    with suppress(DiedError):
        work.run(tried)


@pytest.mark.parametrize("finish", ["build", "index"])
@pytest.mark.parametrize("at", [None, 15], ids=["done", "killed"])
def test_what_shards_leave_is_derived_by_the_next_build_or_index(
    whole: dict[str, object], finish: str, at: int | None
) -> None:
    store = memory()
    for number in (1, 2):
        shard = Work(bands=WHOLE.bands, shard=Shard(index=number, count=2))
        die(store, shard, 10_000 if at is None else at)
    assert entries(store)
    assert not [key for key in tree(store) if key.endswith(("catalog.json", "collection.json"))]
    if finish == "index" and at is None:
        index(store)
    elif finish == "build":
        WHOLE.run(store)
    else:
        index(store)
        Reader(store).walk()
        WHOLE.run(store)
    assert contents(tree(store)) == whole
    assert entries(store) == []


def test_a_build_of_one_band_derives_all_bands_that_a_dead_one_began(
    whole: dict[str, object], published: int
) -> None:
    store = memory()
    die(store, WHOLE, published)
    PART.run(store)
    assert contents(tree(store)) == whole
    assert entries(store) == []


def test_a_build_of_another_tile_leaves_an_entry_where_it_is(published: int) -> None:
    store = memory()
    die(store, WHOLE, published)
    before = entries(store)
    Work(bands={"B01": 1}, tile="29PLR").run(store)
    assert entries(store) == before != []


def test_a_folder_that_was_copied_with_its_entry_is_finished_where_it_is_now(
    whole: dict[str, object], published: int, tmp_path: Path
) -> None:
    """Nobody there has the lock: the run died on another machine."""
    die(Folder(tmp_path / "there"), WHOLE, published)
    shutil.copytree(tmp_path / "there", tmp_path / "here")
    store = Folder(tmp_path / "here")
    WHOLE.run(store)
    assert contents(tree(store)) == whole
    assert not (tmp_path / "here/.stacgen").exists()


def test_an_entry_of_a_run_that_is_alive_stays(whole: dict[str, object]) -> None:
    store = memory()
    with Journal(store) as alive:
        alive.note(TILE, ["B01"])
        WHOLE.run(store)
        assert contents(tree(store)) == whole
        assert len(entries(store)) == 1
    WHOLE.run(store)
    assert entries(store) == []
    assert contents(tree(store)) == whole


@pytest.mark.parametrize("each", [9, pytest.param(1, marks=pytest.mark.full)], ids=["some", "all"])
def test_two_runs_that_take_over_the_same_entry_at_once_come_to_the_same_end(
    whole: dict[str, object], published: int, each: int
) -> None:
    for point in count(0, each):
        store = memory()
        die(store, WHOLE, published)
        first = Between(store, WHOLE, point)
        WHOLE.run(first)
        if len(first.changes) <= point:
            break
        assert contents(tree(store)) == whole, first.changes[point]
        assert entries(store) == [], first.changes[point]
        Reader(store).walk()
    assert point > 15


class LeasesRunOut(Tried):
    """A store in which no lock keeps anybody out, as after a suspension of their holders."""

    def hold(self, name: str, who: str) -> AbstractContextManager[str | None]:  # noqa: ARG002
        """As if the holder had not renewed its lease."""
        return nullcontext()


class Suspended(Between):
    """A store in whose run another one comes between, which takes it for dead."""

    def __init__(self, store: Store, other: Work, at: int) -> None:
        super().__init__(LeasesRunOut(store), other, at)


@pytest.mark.parametrize("each", [9, pytest.param(1, marks=pytest.mark.full)], ids=["some", "all"])
def test_a_run_that_was_suspended_and_taken_for_dead_goes_on_and_nothing_is_stale(
    whole: dict[str, object], each: int
) -> None:
    for point in count(0, each):
        store = memory()
        suspended = Suspended(store, PART, point)
        WHOLE.run(suspended)
        if len(suspended.changes) <= point:
            break
        assert contents(tree(store)) == whole, suspended.changes[point]
        assert entries(store) == [], suspended.changes[point]
        Reader(store).walk()
    assert point > 30


@pytest.mark.parametrize("each", [3, pytest.param(1, marks=pytest.mark.full)], ids=["some", "all"])
def test_a_removal_that_was_cut_short_is_finished_by_a_plain_build(each: int) -> None:
    api, work = processed(ANEW), Work(bands=BANDS)
    work.api.content.update(api.content)
    quiet = Tried(memory())
    Work(bands=BANDS).run(quiet)
    keep_up(quiet, api, drops=True)
    named = max(n for n, it in enumerate(quiet.changes) if it.startswith(f"write {FOLDER}"))
    assert len(quiet.changes) - named > 20
    for point in range(named + 1, len(quiet.changes), each):
        store = Tried(memory())
        Work(bands=BANDS).run(store)
        store.fails_at = point
        with pytest.raises(DiedError):
            keep_up(store, api, drops=True)
        store.fails_at = None
        assert work.run(store).built == ()
        assert tree(store) == tree(quiet), store.changes[point]
        assert_sound(store)
        assert entries(store) == []


def test_items_that_lie_there_without_any_entry_are_linked_by_the_build_that_skips_them(
    whole: dict[str, object], published: int
) -> None:
    """As where a task of a cluster outlived its build, or a tree was copied while one ran."""
    store = memory()
    die(store, WHOLE, published)
    for key in entries(store):
        store.delete(key)
    report = WHOLE.run(store)
    assert len(report.skipped) == 12
    assert contents(tree(store)) == whole
