"""Builders that write into one tile at the same time lose nothing of each other."""

import json
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest
from obstore.store import MemoryStore

from conftest import Figures
from crashes import Reader, Tried, Work, collections, tree
from items import Scene, file
from servers import Service
from stacgen.catalog.index import index
from stacgen.catalog.repair import repair
from stacgen.io.bucket import Bucket
from stacgen.io.folder import Folder
from stacgen.io.stores import open_store
from stacgen.model.bands import BANDS
from stacgen.model.protocols import Entry, Store, Version
from stacgen.stac import geoparquet, stac_json
from test_kill import environment
from test_update import Faults

_Answer = TypeVar("_Answer")

WRITER = [sys.executable, str(Path(__file__).with_name("writer.py"))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a process writes."""

    band: str
    of: int
    """Frames of the stream."""

    first: int
    count: int

    def begin(self, address: str, options: dict[str, str]) -> "subprocess.Popen[str]":
        """Begin."""
        words = [self.band, str(self.of), str(self.first), str(self.count)]
        return subprocess.Popen(
            [*WRITER, address, json.dumps(options), *words],
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
        )


def parts(writers: int, each: int, *, alike: bool) -> list[Part]:
    """Parts of one band, or a band for each."""
    if alike:
        total = writers * each
        return [Part(band="B09", of=total, first=n * each, count=each) for n in range(writers)]
    return [Part(band=band, of=each, first=0, count=each) for band in list(BANDS)[:writers]]


@dataclass(slots=True, kw_only=True)
class Read:
    """What readers met."""

    walks: int = 0
    files: int = 0
    bad: list[str] = field(default_factory=list)


@contextmanager
def readers(store: Store, number: int = 2) -> Iterator[Read]:
    """Readers that follow every link again and again, until the block ends."""
    met, done = Read(), threading.Event()

    def read() -> None:
        while not done.is_set():
            reader = Reader(store)
            try:
                reader.walk()
            except (AssertionError, ValueError) as error:
                met.bad.append(str(error))
            met.walks += 1
            met.files += len(reader.documents)
            time.sleep(0.05)  # the writers, too, need the cores

    threads = [threading.Thread(target=read) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield met
    finally:
        done.set()
        for thread in threads:
            thread.join()


def write(store: Store, address: str, found: Sequence[Part], *, killed: bool) -> None:
    """Have all parts written at once; one of them is killed on the way, and begins again."""
    options: dict[str, str] = {}
    running = [part.begin(address, options) for part in found]
    if killed:
        while not list(store.list("29PKR/")):
            time.sleep(0.01)
        time.sleep(random.Random(len(found)).uniform(0, 1))
        running[0].kill()
        running[0].communicate()
        running[0] = found[0].begin(address, options)
    said = [process.communicate(timeout=600)[1] for process in running]
    assert said == [""] * len(found)


def contents(files: Mapping[str, bytes]) -> dict[str, object]:
    """Every file; of tables the rows, since a table may keep a column that no Item has any more."""

    def said(key: str, raw: bytes) -> object:
        if key == "collections.parquet":
            return collections(raw)
        if key.endswith(".parquet"):
            return dict(geoparquet.documents(geoparquet.from_bytes(raw, name=key)))
        return raw

    return {key: said(key, raw) for key, raw in files.items()}


def expected(found: Sequence[Part]) -> dict[str, object]:
    """What one builder makes of all parts."""
    store = Bucket(MemoryStore(), "memory://x")
    Work(bands={part.band: part.of for part in found}).run(store)
    return contents(tree(store))


def round_of(
    root: Path,
    found: Sequence[Part],
    whole: dict[str, object],
    *,
    killed: bool,
    number: int = 2,
) -> Read:
    """Have all write at once, and look for what is lost or there twice."""
    store = Folder(root)
    with readers(store, number) as met:
        write(store, str(root), found, killed=killed)
    assert met.bad == []
    reader = Reader(store).walk()
    assert len(reader.items) == len(set(reader.items)), "a link is there twice"
    assert set(whole) - set(tree(store)) == set()
    assert linked(whole) == set(reader.items), "a link is lost"
    assert {key for key, said in contents(tree(store)).items() if said != whole[key]} == set()
    return met


def linked(files: Mapping[str, object]) -> set[str]:
    """The Items among files."""
    return {key for key in files if key.endswith(".json") and "/T" in key}


@pytest.mark.parametrize("alike", [False, True], ids=["bands", "one band"])
def test_four_processes_that_write_into_one_tile_lose_nothing(
    tmp_path: Path, *, alike: bool
) -> None:
    found = parts(4, 10, alike=alike)
    round_of(tmp_path / "out", found, expected(found), killed=alike)


@pytest.mark.full
@pytest.mark.parametrize("alike", [False, True], ids=["bands", "one band"])
def test_eight_processes_that_write_into_one_tile_lose_nothing_in_ten_rounds(
    tmp_path: Path, figures: Figures, *, alike: bool
) -> None:
    found = parts(8, 50, alike=alike)
    whole = expected(found)
    met = [
        round_of(tmp_path / str(number), found, whole, killed=number % 2 == 0, number=4)
        for number in range(10)
    ]
    walks, files = sum(each.walks for each in met), sum(each.files for each in met)
    figures(f"documents read in {walks} walks; links lost 0, twice 0, bad reads 0", files)


class Between(Tried):
    """A store in which another builder is at work between the reading and the putting of a file."""

    def __init__(self, store: Store, other: Work, at: int) -> None:
        super().__init__(store)
        self._other = other
        self._at = at

    def _change(self, how: str, key: str, change: Callable[[], _Answer]) -> _Answer:
        if len(self.changes) == self._at:
            self._at = -1
            self._other.run(self.store)
        return super()._change(how, key, change)


def between(each: int, others: Sequence[Work]) -> int:
    """Have another build come between at each change of a build; at how many."""
    ours, points = Work(bands={"B01": 6, "B09": 6}), 0
    for other in others:
        reference = Bucket(MemoryStore(), "memory://x")
        ours.run(reference)
        other.run(reference)
        whole = contents(tree(reference))
        for point in count(0, each):
            store = Between(Bucket(MemoryStore(), "memory://x"), other, point)
            ours.run(store)
            if len(store.changes) <= point:
                break
            points += 1
            assert contents(tree(store)) == whole, store.changes[point]
            Reader(store).walk()
    return points


OTHERS = (Work(bands={"B02": 6}), Work(bands={"B09": 9}), Work(bands={"B01": 6, "B09": 6}))


@pytest.mark.parametrize("other", OTHERS, ids=["another band", "the same", "the very same"])
def test_a_build_that_comes_between_loses_nothing_and_makes_nothing_stale(other: Work) -> None:
    assert between(5, [other]) > 10


@pytest.mark.full
def test_a_build_that_comes_between_at_any_change(figures: Figures) -> None:
    figures("points at which another build came between", between(1, OTHERS))


class Amid(Tried):
    """A store in which another builder is at work before any one request, also to read."""

    def __init__(self, store: Store, other: Callable[[Store], object], at: int) -> None:
        super().__init__(store)
        self._other = other
        self._at = at
        self.asked: list[str] = []

    def _ask(self, how: str, key: str) -> None:
        self.asked.append(f"{how} {key}")
        if len(self.asked) - 1 == self._at:
            self._other(self.store)

    def read(self, key: str) -> bytes | None:
        """As the store does."""
        self._ask("read", key)
        return super().read(key)

    def read_versioned(self, key: str) -> tuple[bytes, Version] | None:
        """As the store does."""
        self._ask("read", key)
        return super().read_versioned(key)

    def stat(self, key: str) -> Entry | None:
        """As the store does."""
        self._ask("stat", key)
        return super().stat(key)

    def list(self, prefix: str) -> Iterator[Entry]:
        """As the store does."""
        self._ask("list", prefix)
        return super().list(prefix)

    def _change(self, how: str, key: str, change: Callable[[], _Answer]) -> _Answer:
        self._ask(how, key)
        return super()._change(how, key, change)


FILED = [Scene(day="2025-01-05", band=band) for band in ("B01", "B09")]
MORE = [Scene(day="2025-01-01", cloud=99.0), *(Scene(day="2024-01-01", band=b) for b in BANDS)][:4]


def amid(rebuild: Callable[[Store], object], each: int) -> int:
    """Have a builder file a frame, a year and bands amid the making anew; at how many points."""
    memory = Bucket(MemoryStore(), "memory://x")
    file(memory, FILED, together=True)
    before = tree(memory)
    other = partial(file, scenes=MORE, together=True)
    other(memory)
    whole = contents(tree(memory))
    for point in count(2, each):
        found = Bucket(MemoryStore(), "memory://x")
        found.write_all((key, content, stac_json.JSON) for key, content in before.items())
        store = Amid(found, other, point)
        rebuild(store)
        if len(store.asked) <= point:
            break
        now = contents(tree(found))
        assert {key for key in {*whole, *now} if whole.get(key) != now.get(key)} == set(), (
            store.asked[point]
        )
    return len(range(2, point, each))


@pytest.mark.parametrize("rebuild", [index, repair])
def test_what_is_filed_while_a_catalog_is_made_anew_stays_filed(
    rebuild: Callable[[Store], object],
) -> None:
    assert amid(rebuild, 16) > 5


@pytest.mark.full
def test_what_is_filed_before_any_request_of_an_index_stays_filed(figures: Figures) -> None:
    points = amid(index, 1) + amid(repair, 1)
    figures("requests of an index before which another build came", points)


def lose(service: Service, bands: int) -> int:
    """Lose the first answer to each conditional put of a build that grows by bands; how many."""
    with Faults(service).running() as faults:
        lost: list[str] = []
        again: set[str] = set()

        def loses(what: str) -> bool:
            if not re.match(r"PUT .*(index\.html|items\.parquet|(catalog|collection)\.json)", what):
                return False
            again.symmetric_difference_update([what])
            lost.extend([what] * (what in again))
            return what in again

        faults.lose = loses
        store = open_store(f"{service.bucket()}/frames", faults.options)
        work = Work(bands=dict.fromkeys(list(BANDS)[:bands], 1))
        for band in work.bands:
            Work(bands={band: 1}).run(store)
        faults.lose = lambda _: False
        reference = Bucket(MemoryStore(), "memory://x")
        work.run(reference)
        assert contents(tree(store)) == contents(tree(reference))
        Reader(store).walk()
    return len(lost)


def test_answers_to_conditional_puts_that_are_lost_change_nothing(moto: Service) -> None:
    assert lose(moto, 1) >= 10


@pytest.mark.full
def test_a_hundred_lost_answers_change_nothing(moto: Service, figures: Figures) -> None:
    found = lose(moto, len(BANDS))
    assert found >= 100
    figures("answers to conditional puts lost, and nothing with them", found)
