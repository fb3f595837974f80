"""A build that dies anywhere leaves a catalog that can be read, and the next build finishes it."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from obstore.store import MemoryStore

import dunia
from conftest import Figures
from crashes import Crew, DiedError, Reader, Tried, Work, tree
from servers import Service
from stacgen.api import run
from stacgen.api.build import Labour, Pixels, recipe, requests
from stacgen.catalog.journal import FOLDER
from stacgen.dunia import endpoints
from stacgen.errors import OutputError
from stacgen.io.bucket import Bucket
from stacgen.io.folder import Folder
from stacgen.io.http import Http
from stacgen.io.stores import open_store
from stacgen.model.protocols import Store
from stacgen.pipeline.request import Order

WHOLE = Work(bands={"B01": 10, "B09": 10})
"""Twenty frames."""

BEFORE = {
    "a new catalog": (),
    "a band more": (Work(bands={"B01": 10}),),
    "frames more": (Work(bands={"B01": 7, "B09": 3}),),
}
"""What stood there before the build that dies."""

Make = Callable[[], Store]


def memory() -> Store:
    return Bucket(MemoryStore(), "memory://x")


def bucket(service: Service) -> Store:
    return open_store(f"{service.bucket()}/frames", service.options)


def whole() -> dict[str, bytes]:
    """The tree of builds that nothing disturbs."""
    store = Tried(memory())
    WHOLE.run(store)
    return tree(store)


def die_everywhere(make: Make, before: tuple[Work, ...], *, each: int = 1) -> int:
    """Die at each change of a build; how many there were.

    To die before a change is to have died after the one before it, and the last is died after by a
    build that does not die.
    """
    expected = whole()
    for point in count(0, each):
        store = Tried(make())
        for work in before:
            work.run(store)
        store.fails_at = len(store.changes) + point
        try:
            WHOLE.run(store)
        except DiedError:
            Reader(store).walk()
            died = store.changes[store.fails_at]
        else:
            assert tree(store) == expected
            return point
        store.fails_at = None
        WHOLE.run(store)
        found = tree(store)
        assert found.keys() == expected.keys(), died
        assert [key for key in found if found[key] != expected[key]] == [], died
        Reader(store).walk()
        before_last = len(store.changes)
        WHOLE.run(store)
        assert store.changes[before_last:] == [], died
        assert list(store.list(FOLDER)) == [], died
    raise AssertionError


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
def test_a_build_that_died_at_a_change_is_finished_by_the_next(
    before: tuple[Work, ...],
) -> None:
    assert die_everywhere(memory, before, each=4) > 12


@pytest.mark.full
@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
def test_a_build_that_died_at_any_change_is_finished_by_the_next(
    before: tuple[Work, ...], figures: Figures
) -> None:
    figures("points on a store in memory", die_everywhere(memory, before))


def test_a_build_into_a_folder_that_died_is_finished_by_the_next(tmp_path: Path) -> None:
    roots = (Folder(tmp_path / str(number)) for number in count())
    assert die_everywhere(lambda: next(roots), (), each=17) > 80


@pytest.mark.full
def test_a_build_into_a_folder_that_died_anywhere_is_finished(
    tmp_path: Path, figures: Figures
) -> None:
    roots = (Folder(tmp_path / str(number)) for number in count())
    figures("points in a folder", die_everywhere(lambda: next(roots), ()))


@pytest.mark.parametrize("name", ["moto", "azurite"])
def test_a_build_into_a_bucket_that_died_is_finished_by_the_next(
    name: str, request: pytest.FixtureRequest
) -> None:
    service: Service = request.getfixturevalue(name)
    assert die_everywhere(lambda: bucket(service), (), each=37) > 80


@pytest.mark.full
@pytest.mark.parametrize("name", ["moto", "azurite"])
def test_a_build_into_a_bucket_that_died_anywhere_is_finished(
    name: str, request: pytest.FixtureRequest, figures: Figures
) -> None:
    service: Service = request.getfixturevalue(name)
    figures(f"points in {name}", die_everywhere(lambda: bucket(service), ()))


def test_items_that_were_never_filed_get_into_the_scenes_that_others_made_meanwhile() -> None:
    """A band dies before it is filed, another is built, and the first is run again."""
    for point in range(31, 38):  # from the Items to the root
        store = Tried(memory())
        store.fails_at = point
        with pytest.raises(DiedError):
            Work(bands={"B01": 10}).run(store)
        store.fails_at = None
        Work(bands={"B09": 10}).run(store)
        Work(bands={"B01": 10}).run(store)
        assert tree(store) == whole()


def full_disk(key: str) -> OutputError:
    """What a store makes of ENOSPC."""
    return OutputError(f"The output {key} cannot be used: No space left on device.")


@pytest.mark.parametrize("recovers", [False, True], ids=["for good", "for an instant"])
@pytest.mark.parametrize("each", [5, pytest.param(1, marks=pytest.mark.full)], ids=["some", "all"])
def test_a_disk_that_is_full_breaks_nothing(*, recovers: bool, each: int) -> None:
    expected = whole()
    for point in range(0, len(expected), each):
        store = Tried(memory())
        store.fails_at, store.error, store.recovers = point, full_disk, recovers
        with pytest.raises(OutputError, match="No space left") as caught:
            WHOLE.run(store)
        assert caught.value.exit_code == 4
        Reader(store).walk()
        store.fails_at = None
        WHOLE.run(store)
        assert tree(store) == expected


def test_the_stand_in_puts_files_in_the_order_of_a_real_segment(server: dunia.Server) -> None:
    dunia.publish(server, [dunia.landscape(number) for number in range(2)])
    traces = []
    for hire in (Labour(workers=1).crew, Crew):
        store = Tried(memory())
        order = Order(
            requests=tuple(requests("29PKR", "B09", years=[2025])),
            endpoint=endpoints.find(server.base),
            recipe=recipe(Pixels()),
        )
        run.build(order, fetch=Http(), store=store, watch=lambda _: None, hire=hire)
        traces.append([each for each in store.changes if FOLDER not in each])
    assert traces[0] == traces[1]
