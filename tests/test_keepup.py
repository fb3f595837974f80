"""A catalog follows what the API has: real HTTP, real HEVC, real processes."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import crashes
import dunia
import stacgen
from stacgen import layout, pipeline
from stacgen.errors import BusyError, OutputError
from stacgen.library import Upstream
from stacgen.outcomes import Updated
from stacgen.store.folder import Folder
from test_build import linked_items

THIS_YEAR = datetime.now(UTC).year
FRAMES = [dunia.landscape(number) for number in range(4)]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "catalogs"


def publish(server: dunia.Server, count: int, *, year: int = 2025, band: str = "B09") -> None:
    """Serve that many frames of a year, two a segment."""
    start = datetime(year, 3, 2, 11, 21, 9, 24000, tzinfo=UTC)
    metadata = dunia.images(count, start=start)
    dunia.publish(server, FRAMES[:count], year=year, band=band, each=2, metadata=metadata)


def build(server: dunia.Server, root: Path, *, years: Sequence[int] = (2025,)) -> None:
    stacgen.build("29PKR", "B09", years=years, output=root, upstream=Upstream(api=server.base))


def update(server: dunia.Server, root: Path | str, **changes: Any) -> Updated:  # noqa: ANN401
    return stacgen.update(root, upstream=Upstream(api=server.base), **changes)


def assert_sound(root: Path) -> None:
    """Nothing is wrong with it, down to its pixels."""
    found = pipeline.validate(Folder(root), problems=None, deep=True)
    assert found.documents > 3
    assert found.findings == ()


def files(root: Path) -> dict[str, bytes]:
    """Every file of the catalog."""
    return crashes.tree(Folder(root))


def tree(root: Path) -> dict[str, tuple[bytes, int]]:
    """The same, each with the time at which it was written."""
    return {key: (raw, (root / key).stat().st_mtime_ns) for key, raw in files(root).items()}


@pytest.fixture
def run(server: dunia.Server, tmp_path: Path) -> Run:
    """Run stacgen beside the catalog against the server."""

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "stacgen", *arguments],
            cwd=tmp_path,
            env={**os.environ, "STACGEN_API": server.base},
            capture_output=True,
            text=True,
            check=False,
        )

    return call


def test_a_frame_that_is_new_upstream_is_added(server: dunia.Server, root: Path) -> None:
    publish(server, 2)
    build(server, root)
    before = files(root)
    publish(server, 3)
    server.requests.clear()
    done = update(server, root)
    assert [each.collection for each in done.changes] == ["29PKR B09"]
    assert [each.ref.frame.number for each in done.changes[0].built] == [2]
    assert len(done.report.skipped) == 2
    assert len(linked_items(root)) == 3
    pixels = {key: before[key] for key in before if key.endswith((".tif", "_60m.json"))}
    assert pixels.items() <= files(root).items()
    assert not any(path.endswith("seg_000.ts") for path in server.paths())
    assert_sound(root)


def test_a_second_update_changes_nothing(server: dunia.Server, root: Path) -> None:
    publish(server, 2)
    build(server, root)
    publish(server, 3)
    update(server, root)
    before = tree(root)
    done = update(server, root)
    assert done.changes == ()
    assert len(done.report.skipped) == 3
    assert tree(root) == before


def test_every_collection_of_the_catalog_is_asked_for(server: dunia.Server, root: Path) -> None:
    for band in ("B01", "B09"):
        publish(server, 1, band=band)
        stacgen.build("29PKR", band, years=[2025], output=root, upstream=Upstream(api=server.base))
    for band in ("B01", "B09"):
        publish(server, 2, band=band)
    done = update(server, root)
    assert [(each.collection, len(each.built)) for each in done.changes] == [
        ("29PKR B01", 1),
        ("29PKR B09", 1),
    ]
    assert_sound(root)


def test_this_year_is_added_to_a_collection_that_has_the_last(
    server: dunia.Server, root: Path
) -> None:
    publish(server, 1, year=THIS_YEAR - 1)
    build(server, root, years=[THIS_YEAR - 1])
    assert update(server, root).changes == ()  # there is no stream yet, and that is no loss
    publish(server, 1, year=THIS_YEAR)
    done = update(server, root)
    assert [each.ref.stream for each in done.report.built] == [f"29PKR B09 {THIS_YEAR}"]
    assert_sound(root)


def test_this_year_is_not_added_to_a_collection_that_ended_earlier(
    server: dunia.Server, root: Path
) -> None:
    for year in (THIS_YEAR - 2, THIS_YEAR):
        publish(server, 1, year=year)
    build(server, root, years=[THIS_YEAR - 2])
    assert update(server, root).changes == ()


def test_a_year_that_is_gone_upstream_is_lost_and_the_others_go_on(
    server: dunia.Server, root: Path
) -> None:
    for year in (2024, 2025):
        publish(server, 1, year=year)
    build(server, root, years=[2024, 2025])
    del server.content["/api/streaming/band_metadata/29PKR/B09/2024"]
    publish(server, 2)
    (change,) = update(server, root).changes
    assert [each.stream for each in change.lost] == ["29PKR B09 2024"]
    assert len(change.built) == 1
    assert len(linked_items(root)) == 3


def test_where_there_is_no_catalog_there_is_nothing_to_update(
    server: dunia.Server, root: Path
) -> None:
    with pytest.raises(OutputError, match=r"There is no catalog at .*; build one first"):
        update(server, root)
    assert not root.exists()


def test_cron_hears_only_of_what_changed(server: dunia.Server, root: Path, run: Run) -> None:
    publish(server, 2)
    build(server, root)
    quiet = run("update", "catalogs", "-q")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    assert run("update", "catalogs").stderr == (
        "no Collections changed, 2 frames there already: catalogs\n"
    )
    publish(server, 3)
    told = run("update", "catalogs", "-q")
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "29PKR B09: 1 built.\n")
    publish(server, 4)
    machine = run("update", "catalogs", "-q", "--json")
    (line,) = machine.stdout.splitlines()
    assert json.loads(line) == {
        "collection": "29PKR B09",
        "built": ["T29PKR_20250317T112109_05.11_B09_60m"],
        "failed": [],
        "lost": [],
    }
    assert machine.stderr == ""


def test_a_frame_that_fails_is_named_and_told_by_the_exit_code(
    server: dunia.Server, root: Path, run: Run
) -> None:
    publish(server, 2)
    build(server, root)
    publish(server, 4)
    server.content["/streams/29PKR/B09/2025/seg_001.ts"] = b"no video"
    done = run("update", "catalogs", "-q")
    assert done.returncode == 1
    assert "FAILED  T29PKR_20250312T112109_05.11_B09_60m" in done.stderr
    assert "29PKR B09: 2 failed." in done.stderr


@dataclass(frozen=True, slots=True, kw_only=True)
class Stalled:
    """A segment that the server gives only when told."""

    asked: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def __call__(self, _: dunia.Request) -> None:
        """Wait."""
        self.asked.set()
        self.go_on.wait(20)


@pytest.fixture
def stalled(server: dunia.Server, root: Path) -> Iterator[Stalled]:
    """A catalog to which two frames will be added, of a segment that stalls."""
    publish(server, 2)
    build(server, root)
    publish(server, 4)
    server.faults["/streams/29PKR/B09/2025/seg_001.ts"] = stalled = Stalled()
    try:
        yield stalled
    finally:
        stalled.go_on.set()


@pytest.fixture
def first(server: dunia.Server, root: Path, stalled: Stalled) -> Iterator[subprocess.Popen[str]]:
    """An update that runs, and waits for the segment."""
    command = [sys.executable, "-m", "stacgen", "update", "catalogs", "--api", server.base]
    with subprocess.Popen(command, cwd=root.parent, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert stalled.asked.wait(20)
            yield process
        finally:
            process.kill()


def test_of_two_updates_at_once_one_does_it_and_the_other_is_refused(
    root: Path, run: Run, stalled: Stalled, first: subprocess.Popen[str]
) -> None:
    before = tree(root)
    second = run("update", "catalogs", "-q")
    assert second.returncode == 5
    assert f"catalogs is being updated by process {first.pid} on " in second.stderr
    assert tree(root) == before
    stalled.go_on.set()
    said = first.communicate(timeout=60)[1]
    assert said.startswith("29PKR B09: 2 built.\n1 Collection changed, 2 frames there already")
    assert len(linked_items(root)) == 4
    assert_sound(root)


def test_the_lock_of_an_update_that_was_killed_is_free_at_once(
    server: dunia.Server, root: Path, first: subprocess.Popen[str]
) -> None:
    with pytest.raises(BusyError):
        update(server, root)
    first.kill()
    first.wait()
    server.faults.clear()
    assert len(update(server, root).report.built) == 2
    assert_sound(root)


def test_a_folder_in_which_updates_ran_holds_nothing_of_their_lock(
    server: dunia.Server, root: Path
) -> None:
    publish(server, 1)
    build(server, root)
    update(server, root)
    assert Folder(root).read(layout.ROOT) is not None
    assert not any(path.name.startswith(".") for path in root.rglob("*"))
