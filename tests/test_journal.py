"""Entries of runs that are alive, dead, suspended, or on another machine."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from servers import Service
from stacgen.catalog.journal import FOLDER, Entry, Journal
from stacgen.io.bucket import Bucket
from stacgen.io.folder import Folder
from stacgen.io.stores import open_store
from stacgen.model.mgrs import TileId
from stacgen.model.protocols import Store
from test_kill import environment

TILE, OTHER = TileId("29PKR"), TileId("29PLR")
BEGUN = Entry(bands=frozenset({"B01", "B09"}), purge=frozenset({"29PKR/B01/2025/a/a.json"}))

HOLDER = """
import sys, time
from pathlib import Path
from stacgen.catalog.journal import Journal
from stacgen.io.folder import Folder
journal = Journal(Folder(Path(sys.argv[1])))
journal.note("29PKR", ["B01"])
print("noted", flush=True)
time.sleep(600)
"""


@pytest.fixture(params=["memory", "folder", "moto"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return Folder(tmp_path / "out")
    if request.param == "moto":
        service: Service = request.getfixturevalue("moto")
        return open_store(f"{service.bucket()}/frames", service.options)
    return Bucket(MemoryStore(), "memory://x")


def entries(store: Store) -> list[str]:
    return sorted(entry.key for entry in store.list(FOLDER))


def die(store: Store) -> None:
    """Leave the entry of a run that has ended without finishing."""
    with Journal(store) as journal:
        journal.note(TILE, BEGUN.bands)
        journal.note(TILE, purge=BEGUN.purge)


def test_a_run_without_work_writes_nothing(store: Store) -> None:
    with Journal(store) as journal:
        assert journal.take_over() == {}
        journal.finish()
    assert entries(store) == []


def test_an_entry_is_there_until_the_run_has_finished(store: Store) -> None:
    with Journal(store) as journal:
        journal.note(TILE, ["B01"])
        journal.note(OTHER, ["B09"])
        assert [key.split("/")[2] for key in entries(store)] == [TILE, OTHER]
        journal.finish()
        assert entries(store) == []
    assert list(store.list("")) == []


def test_what_a_dead_run_began_is_taken_over_once(store: Store) -> None:
    die(store)
    with Journal(store) as first, Journal(store) as second:
        assert first.take_over() == {TILE: BEGUN}
        assert second.take_over() == {}  # the first one has it, and lives
        assert len(entries(store)) == 1
        first.finish()
        assert second.take_over() == {}
    assert entries(store) == []


def test_only_entries_of_the_tiles_of_a_run_are_taken_over(store: Store) -> None:
    die(store)
    with Journal(store) as journal:
        assert journal.take_over([OTHER]) == {}
    assert len(entries(store)) == 1


def test_a_run_that_dies_after_it_took_over_leaves_all_of_it(store: Store) -> None:
    die(store)
    with Journal(store) as journal:
        journal.note(TILE, ["B02"])
        journal.take_over()
    with Journal(store) as journal:
        assert journal.take_over() == {TILE: Entry(bands=frozenset({"B02"})) | BEGUN}


class Rival:
    """A store in which another run takes over between the listing and the lock."""

    def __init__(self, store: Store, rival: Callable[[], object]) -> None:
        self._store = store
        self._rival = rival

    def __getattr__(self, name: str) -> object:
        """As the store has it."""
        if name == "hold":
            self._rival()
        return getattr(self._store, name)


def test_of_two_runs_that_saw_the_same_entry_one_takes_it_over(store: Store) -> None:
    die(store)
    with ExitStack() as stack:
        first = stack.enter_context(Journal(store))
        taken: list[dict[TileId, Entry]] = []

        def rival() -> None:
            if not taken:
                taken.append({})
                taken[0] = first.take_over()

        second = stack.enter_context(Journal(Rival(store, rival)))  # type: ignore[arg-type]
        assert second.take_over() == {}
        assert taken == [{TILE: BEGUN}]
        assert len(entries(store)) == 1


def test_an_entry_that_was_cut_short_stands_for_all_bands(store: Store) -> None:
    store.write(f"{FOLDER}{TILE}/0123456789abcdef.json", b'{"bands": ["B0', "application/json")
    with Journal(store) as journal:
        assert {"B01", "B12", "TCI"} <= journal.take_over()[TILE].bands


def test_an_entry_of_a_run_on_another_machine_is_dead_where_nobody_holds_its_lock(
    store: Store,
) -> None:
    """As where a folder was copied, a machine lost its power, or a lease ran out."""
    store.write(
        f"{FOLDER}{TILE}/0123456789abcdef.json",
        b'{"bands": ["B01"], "purge": []}',
        "application/json",
    )
    with Journal(store) as journal:
        assert journal.take_over() == {TILE: Entry(bands=frozenset({"B01"}))}


def test_a_run_whose_entry_was_taken_over_writes_it_again(store: Store) -> None:
    with Journal(store) as suspended:
        suspended.note(TILE, ["B01"])
        key = entries(store)[0]
        store.delete(key)  # as whoever takes it over does
        suspended.keep(TILE)
        assert entries(store) == [key]
        suspended.finish()
    assert entries(store) == []


def test_a_process_holds_its_entry_while_it_lives_even_if_stopped(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "noted\n"
        os.kill(process.pid, signal.SIGSTOP)
        with Journal(store) as journal:
            assert journal.take_over() == {}
        process.kill()
        process.wait()
    with Journal(store) as journal:
        assert journal.take_over() == {TILE: Entry(bands=frozenset({"B01"}))}
        journal.finish()
    assert not (tmp_path / ".stacgen").exists()
