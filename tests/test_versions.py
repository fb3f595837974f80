"""Frames that were processed anew, and updates that die: no link dangles, and the next finishes.

Small files stand in for pixels, as in `crashes`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from conftest import Figures
from crashes import BASE, YEAR, Api, Crew, DiedError, Late, Reader, Tried, Work, tree
from servers import Service
from stacgen.api import update
from stacgen.api.build import Pixels, recipe
from stacgen.catalog import validate
from stacgen.catalog.journal import FOLDER
from stacgen.dunia import endpoints
from stacgen.io.folder import Folder
from stacgen.model.outcomes import Change, Updated
from stacgen.model.protocols import Store
from stacgen.model.stream import Selection
from stacgen.pipeline.request import Order
from stacgen.stac import geoparquet, layout, versions
from test_crash import bucket, memory

BANDS = {"B01": 4, "B09": 4}
NOW = datetime(2027, 1, 1, tzinfo=UTC)
"""Later than Items of `crashes` are."""


def processed(anew: Mapping[str, Sequence[int]], *, beside: bool = False) -> Api:
    """An API that has some frames in a higher baseline, in place of the others or beside them."""
    api = Api()
    for band, frames in BANDS.items():
        numbers = anew.get(band, ())
        api.publish(band, frames + (len(numbers) if beside else 0))
        path = f"/api/streaming/band_metadata/29PKR/{band}/{YEAR}"
        answer = json.loads(api.content[path])
        images = answer["images"]
        for place, number in enumerate(numbers, frames):
            one = images[place] if beside else images[number]
            one |= {"sensing_time": images[number]["sensing_time"], "baseline": "05.12"}
        api.content[path] = json.dumps(answer).encode()
    return api


def keep_up(store: Store, api: Api, *, drops: bool) -> Updated:
    order = Order(
        requests=(),
        selection=Selection(),
        endpoint=endpoints.find(BASE),
        recipe=recipe(Pixels()),
    )
    return update.keep_up(
        order,
        fetch=api,
        store=store,
        watch=lambda _: None,
        hire=Crew,
        drops=drops,
        now=lambda: NOW,
    )


def assert_whole(store: Store) -> None:
    """Every link resolves: those of documents, and those of mirrors."""
    Reader(store).walk()
    for entry in store.list(""):
        if entry.key.endswith(layout.MIRROR):
            found = geoparquet.Mirror(store.read(entry.key) or b"", name=entry.key)
            for key, document in geoparquet.documents(found.table()):
                assert store.stat(key) is not None, f"{entry.key} -> {key}"
                for asset in document["assets"].values():
                    assert store.stat(layout.target(key, asset["href"])) is not None


def assert_sound(store: Store) -> None:
    assert_whole(store)
    assert validate.validate(store, problems=None).findings == ()


ANEW = {"B01": [1, 2], "B09": [1]}
"""One of the acquisitions has then a scene of which one band is old."""

Make = Callable[[], Store]


def die_everywhere(make: Make, *, drops: bool, beside: bool, each: int = 1) -> int:
    """Die at each change of an update; how many there were."""
    quiet, api = Tried(memory()), processed(ANEW, beside=beside)
    Work(bands=BANDS).run(quiet)
    keep_up(quiet, api, drops=drops)
    expected = tree(quiet)
    for point in count(0, each):
        store = Tried(make())
        Work(bands=BANDS).run(store)
        store.fails_at = len(store.changes) + point
        try:
            keep_up(store, api, drops=drops)
        except DiedError:
            assert_whole(store)
            died = store.changes[store.fails_at]
        else:
            assert tree(store) == expected
            return point
        store.fails_at = None
        keep_up(store, api, drops=drops)
        found = tree(store)
        assert found.keys() == expected.keys(), died
        assert [key for key in found if found[key] != expected[key]] == [], died
        assert_sound(store)
        before_last = len(store.changes)
        assert keep_up(store, api, drops=drops).changes == ()
        assert store.changes[before_last:] == [], died
        assert list(store.list(FOLDER)) == [], died
    raise AssertionError


HOW = pytest.mark.parametrize(
    ("drops", "beside"),
    [(True, False), (True, True), (False, False)],
    ids=["replaced", "replaced beside the old", "deprecated"],
)


@HOW
def test_an_update_that_died_at_a_change_is_finished_by_the_next(
    *, drops: bool, beside: bool
) -> None:
    assert die_everywhere(memory, drops=drops, beside=beside, each=3) > 25


@HOW
@pytest.mark.full
def test_an_update_that_died_at_any_change_is_finished_by_the_next(
    figures: Figures, *, drops: bool, beside: bool
) -> None:
    figures("points", die_everywhere(memory, drops=drops, beside=beside))


def test_an_update_of_a_folder_that_died_is_finished_by_the_next(tmp_path: Path) -> None:
    roots = (Folder(tmp_path / str(number)) for number in count())
    assert die_everywhere(lambda: next(roots), drops=True, beside=False, each=11) > 30


def test_an_update_of_a_bucket_that_died_is_finished_by_the_next(moto: Service) -> None:
    assert die_everywhere(lambda: bucket(moto), drops=True, beside=False, each=37) > 30


@pytest.mark.parametrize("each", [2, pytest.param(1, marks=pytest.mark.full)], ids=["some", "all"])
def test_a_removal_that_died_is_finished_by_an_update_that_removes_nothing(each: int) -> None:
    api = processed(ANEW)
    quiet = Tried(memory())
    Work(bands=BANDS).run(quiet)
    first = len(quiet.changes)
    keep_up(quiet, api, drops=True)
    for point in range(first, len(quiet.changes), each):
        store = Tried(memory())
        Work(bands=BANDS).run(store)
        store.fails_at = point
        with pytest.raises(DiedError):
            keep_up(store, api, drops=True)
        store.fails_at = None
        keep_up(store, api, drops=False)
        assert_sound(store)
        before = len(store.changes)
        keep_up(store, api, drops=False)
        assert store.changes[before:] == []
        keep_up(store, api, drops=True)
        assert tree(store).keys() == tree(quiet).keys()  # the times of marks may differ


def changes(updated: Updated) -> dict[str, Change]:
    return {each.collection: each for each in updated.changes}


@pytest.mark.parametrize("answers", [1, 2, 3])
def test_an_update_of_a_store_that_lists_late_loses_nothing_and_ends_where_others_do(
    answers: int,
) -> None:
    """What is not listed yet is built once more, or goes with a later update."""
    quiet, store, api = memory(), Late(memory(), answers), processed(ANEW, beside=False)
    for each in (quiet, store):
        Work(bands=BANDS).run(each)
    keep_up(quiet, api, drops=True)
    for _ in range(2 * answers + 2):
        keep_up(store, api, drops=True)
        assert_whole(store.store)
    found, expected = Reader(store.store).walk(), Reader(quiet).walk()
    assert found.documents.keys() == expected.documents.keys()
    assert sorted(found.items) == sorted(expected.items)


def test_what_was_deprecated_can_be_taken_out_later() -> None:
    api, store = processed(ANEW), Tried(memory())
    Work(bands=BANDS).run(store)
    keep_up(store, api, drops=False)
    found = changes(keep_up(store, api, drops=True))
    assert [len(each.dropped) for each in found.values()] == [2, 1]
    assert [each.deprecated for each in found.values()] == [(), ()]
    at_once = Tried(memory())
    Work(bands=BANDS).run(at_once)
    keep_up(at_once, api, drops=True)
    assert tree(store).keys() == tree(at_once).keys()
    assert not any(b"-version" in raw for key, raw in tree(store).items() if "05.1" in key)
    assert_sound(store)


def test_links_to_items_go_before_the_items_and_these_before_nothing() -> None:
    api, store = processed(ANEW), Tried(memory())
    Work(bands=BANDS).run(store)
    begun = len(store.changes)
    keep_up(store, api, drops=True)
    told = [each for each in store.changes[begun:] if FOLDER not in each]
    deleted = [each.removeprefix("delete ") for each in told if each.startswith("delete ")]
    assert len(deleted) == 3 * 3 + 1  # three Items of three files, and a scene without any band
    assert told[-len(deleted) :] == [f"delete {key}" for key in deleted]
    assert deleted[0].split("/")[1] == layout.SCENES
    assert all(key.endswith(".json") for key in deleted[3::3])


def test_three_baselines_at_once_leave_the_newest() -> None:
    store = Tried(memory())
    Work(bands=BANDS).run(store)
    keep_up(store, processed(ANEW), drops=False)
    newest = processed({"B01": [1], "B09": [1]})
    for path, raw in newest.content.items():
        newest.content[path] = raw.replace(b"05.12", b"05.13")
    found = changes(keep_up(store, newest, drops=True))["29PKR B01"]
    assert [each[23:28] for each in found.dropped] == ["05.11", "05.12", "05.11"]
    assert_sound(store)


def at(second: str, baseline: str, number: int | None = None) -> str:
    return f"T29PKR_{second}_{baseline}_B09_60m" + ("" if number is None else f"_{number}")


ONE = datetime(2025, 3, 2, 11, 21, 9, 24000, tzinfo=UTC)
OTHER = ONE.replace(microsecond=900000)
SECOND = "20250302T112109"


@pytest.mark.parametrize(
    ("moments", "expected"),
    [
        pytest.param({at(SECOND, "05.11"): ONE}, [], id="alone"),
        pytest.param(
            {at(SECOND, "05.11"): ONE, at(SECOND, "05.12"): OTHER},
            [[at(SECOND, "05.11"), at(SECOND, "05.12")]],
            id="the same second, to another fraction of it",
        ),
        pytest.param(
            {at(SECOND, "05.11"): ONE, at(SECOND, "05.11", 3): OTHER, at(SECOND, "05.12"): OTHER},
            [[at(SECOND, "05.11", 3), at(SECOND, "05.12")]],
            id="two in one second, of which one was processed anew",
        ),
        pytest.param(
            {at(SECOND, "05.11"): ONE, at(SECOND, "05.11", 3): ONE, at(SECOND, "05.12"): ONE},
            [],
            id="two of the very same time: nobody knows which",
        ),
        pytest.param(
            {at(SECOND, "05.11"): ONE, at("20250302T112110", "05.12"): ONE}, [], id="other seconds"
        ),
    ],
)
def test_items_of_an_acquisition_are_told_by_their_time(
    moments: dict[str, datetime], expected: list[list[str]]
) -> None:
    assert versions.lines(moments) == expected
    assert versions.superseded(moments) == {each for line in expected for each in line[:-1]}
