"""Many streams at once, and work shared by processes and machines."""

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, TypeVar

import pytest
from obstore.store import MemoryStore

import crashes
import dunia
import stacgen
from stacgen.api import plan_file, run
from stacgen.api.build import Labour, Pixels, Upstream, build_all, recipe, requests
from stacgen.cli import PARTLY
from stacgen.dunia import endpoints
from stacgen.errors import (
    ClusterError,
    EmptySelectionError,
    NotStreamedError,
    OutputError,
    UsageError,
)
from stacgen.io.bucket import Bucket
from stacgen.io.folder import Folder
from stacgen.io.http import Http
from stacgen.model import bands
from stacgen.model.bands import Band
from stacgen.model.outcomes import Event, Planned, Report, Watch
from stacgen.model.protocols import Fetch
from stacgen.model.request import Shard
from stacgen.model.selection import parse_moment
from stacgen.model.stream import Selection
from stacgen.model.urls import Gate
from stacgen.pipeline.executor import Threads, workers_for
from stacgen.pipeline.plan import Plan
from stacgen.pipeline.request import Order
from test_build import HASTY, assert_links_resolve, linked_items, timeless, tree

if TYPE_CHECKING:
    from distributed import Client

Made = TypeVar("Made")


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    """29PKR B09 of 2024 and 2025, eight frames each, and B01 of 2025."""
    frames = [dunia.landscape(number) for number in range(8)]
    with dunia.Server().running() as server:
        dunia.publish(server, frames)
        dunia.publish(server, frames[:2], band="B01")
        earlier = dunia.images(8)
        for image in earlier:
            image["sensing_time"] = image["sensing_time"].replace("2025", "2024")
        dunia.publish(server, frames, year=2024, metadata=earlier)
        yield Upstream(api=server.base, patience=HASTY)


def ids(report: Report) -> list[str]:
    return [each.ref.item_id for each in report.built]


def test_tiles_bands_and_years_are_built_at_once(upstream: Upstream, tmp_path: Path) -> None:
    asked = [*requests("29PKR", "B09", years=[2024, 2025]), *requests("T29PKR", "b1", years=[2025])]
    report = build_all(asked, upstream=upstream, output=tmp_path)
    assert len(report.built) == 18
    assert len(linked_items(tmp_path)) == 18
    assert_links_resolve(tmp_path)


def test_a_lost_stream_stops_no_other(upstream: Upstream, tmp_path: Path) -> None:
    report = stacgen.build(
        "29PKR,29PLR", "B01,B09", years=[2025], upstream=upstream, output=tmp_path
    )
    assert len(report.built) == 10
    assert [lost.stream for lost in report.lost] == ["29PLR B01 2025", "29PLR B09 2025"]
    assert "no stream for 29PLR B01 2025" in report.lost[0].reason


def test_if_all_streams_are_lost_the_first_is_raised(upstream: Upstream, tmp_path: Path) -> None:
    with pytest.raises(NotStreamedError, match="29PLR B01 2025"):
        stacgen.build("29PLR", "B01,B09", years=[2025], upstream=upstream, output=tmp_path)


def test_if_no_stream_has_a_wanted_frame_that_is_raised(upstream: Upstream, tmp_path: Path) -> None:
    with pytest.raises(EmptySelectionError, match="lies between"):
        stacgen.build(
            "29PKR",
            "B01,B09",
            years=[2025],
            wanted=Selection(start=parse_moment("2025-12-01")),
            upstream=upstream,
            output=tmp_path,
        )


def test_years_of_an_open_interval_without_a_stream_are_no_loss(
    upstream: Upstream, tmp_path: Path
) -> None:
    report = stacgen.build(
        "29PKR",
        "B09",
        wanted=Selection(start=parse_moment("2023-06-01")),
        upstream=upstream,
        output=tmp_path,
    )
    assert len(report.built) == 16
    assert not report.lost
    with pytest.raises(NotStreamedError):
        stacgen.build(
            "29PKR",
            "B01",
            wanted=Selection(end=parse_moment("2022-06-01")),
            upstream=upstream,
            output=tmp_path,
        )


def test_a_limit_counts_over_the_years_of_a_collection(upstream: Upstream, tmp_path: Path) -> None:
    report = stacgen.build(
        "29PKR",
        "B09",
        years=[2024, 2025],
        wanted=Selection(limit=10),
        upstream=upstream,
        output=tmp_path,
    )
    assert [each.ref.frame.sensing_time.year for each in report.built] == [2024] * 8 + [2025] * 2


@pytest.mark.parametrize(
    ("tile", "band", "meant"),
    [
        ("29PKR", "B01,B1", ["29PKR B01 2025"]),
        ("29PKR,T29PKR, 29pkr", "B09", ["29PKR B09 2025"]),
        ("T29PKR,29PKR", "b8a,B09,B8A,b9", ["29PKR B8A 2025", "29PKR B09 2025"]),
    ],
)
def test_a_stream_that_is_named_twice_is_meant_once(tile: str, band: str, meant: list[str]) -> None:
    assert [str(each) for each in requests(tile, band, years=[2025, 2025])] == meant


def test_a_plan_is_a_table_of_streams(tmp_path: Path) -> None:
    plan = tmp_path / "plan.csv"
    plan.write_text("tile,band,year\n29PKR,B09,2025\nt29pkr, b9 ,2024\n29PLR,B8A,2025\n")
    assert [str(each) for each in plan_file.read(plan)] == [
        "29PKR B09 2024, 2025",
        "29PLR B8A 2025",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("tile,band\n29PKR,B09\n", "has no column year"),
        ("tile,band,year\n", "holds no line"),
        ("tile,band,year\n29PKR,B09,soon\n", "line 2: "),
        ("tile,band,year\n29PKR,B09,2025\n29PKR,B10,2025\n", "line 3: Band B10"),
        ("tile,band,year\n29PKR\n", "line 2: "),
        ("", "has no column band, tile, year"),
    ],
)
def test_a_wrong_plan_names_the_line(tmp_path: Path, text: str, sentence: str) -> None:
    plan = tmp_path / "plan.csv"
    plan.write_text(text)
    with pytest.raises(UsageError, match=sentence):
        plan_file.read(plan)


def test_a_plan_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        plan_file.read(tmp_path / "plan.csv")


def test_the_command_builds_a_plan_and_tells_of_lost_streams(
    upstream: Upstream, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.csv"
    plan.write_text("tile,band,year\n29PKR,B01,2025\n29PLR,B01,2025\n")
    command = [sys.executable, "-m", "stacgen", "build", "--plan", str(plan), "-o", "out"]
    command += ["--api", upstream.api]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == PARTLY
    assert "LOST    29PLR B01 2025: There is no stream" in done.stderr
    assert "Built 2 frames" in done.stderr
    assert "1 streams lost" in done.stderr


def test_shards_are_equal_to_one_build_when_indexed(upstream: Upstream, tmp_path: Path) -> None:
    whole, shared = tmp_path / "whole", tmp_path / "shared"
    asked = requests("29PKR", "B09", years=[2024, 2025])
    every = build_all(asked, upstream=upstream, output=whole)
    parts: list[str] = []
    for number in (1, 2, 3):
        labour = Labour(shard=Shard(index=number, count=3))
        parts += ids(build_all(asked, upstream=upstream, output=shared, labour=labour))
        assert not linked_items(shared)
    assert sorted(parts) == sorted(ids(every))
    assert stacgen.index(shared) == (1, 16)
    assert_links_resolve(shared)
    one, other = tree(whole), tree(shared)
    assert set(one) == set(other)
    for key in one:
        if key.endswith(("catalog.json", "collection.json", ".tif", ".png")):
            assert one[key] == other[key], key
    assert stacgen.index(shared) == (1, 16)
    assert tree(shared) == other


def test_a_shard_that_is_killed_is_done_by_the_next_run(upstream: Upstream, tmp_path: Path) -> None:
    asked = requests("29PKR", "B09", years=[2024, 2025])
    command = [sys.executable, "-m", "stacgen", "build", "29PKR", "B09", "--year", "2024"]
    command += ["--year", "2025", "-o", str(tmp_path), "--api", upstream.api, "--workers", "1"]
    processes = [subprocess.Popen([*command, "--shard", f"{n}/2"]) for n in (1, 2)]
    while not list(tmp_path.rglob("*60m.tif")):
        time.sleep(0.01)
    processes[0].send_signal(signal.SIGKILL)
    assert [process.wait() for process in processes] == [-signal.SIGKILL, 0]
    labour = Labour(shard=Shard(index=1, count=2))
    build_all(asked, upstream=upstream, output=tmp_path, labour=labour)
    assert stacgen.index(tmp_path) == (1, 16)
    assert_links_resolve(tmp_path)
    assert len(linked_items(tmp_path)) == 16


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/0"])
def test_a_shard_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stacgen", "build", "29PKR", "B09", "--year", "2025"]
    done = subprocess.run(
        [*command, "--shard", text], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "hard" in done.stderr


# Dask opens sockets and loops that it closes at its own pace, and says so.
@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_makes_the_same_catalog(upstream: Upstream, tmp_path: Path) -> None:
    asked = requests("29PKR", "B09", years=[2025])
    here = build_all(asked, upstream=upstream, output=tmp_path / "here")
    labour = Labour(dask="local", workers=2)
    there = build_all(asked, upstream=upstream, output=tmp_path / "there", labour=labour)
    assert ids(here) == ids(there)
    one, other = tree(tmp_path / "here"), tree(tmp_path / "there")
    assert timeless(one) == timeless(other)


@contextmanager
def dask_cluster(workers: int) -> Iterator[tuple[str, "Client"]]:
    """The address of a cluster of processes, and somebody else who uses it."""
    from distributed import Client, LocalCluster  # noqa: PLC0415 - only here

    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield cluster.scheduler_address, client


def when_a_frame_is_done(root: Path, act: Callable[[], Made]) -> "Future[Made]":
    """Do something as soon as there is a COG; the result raises what doing it raised."""

    def watch() -> Made:
        latest = time.monotonic() + 60
        while not list(root.rglob("*60m.tif")):
            assert time.monotonic() < latest
            time.sleep(0.01)
        return act()

    pool = ThreadPoolExecutor(1)
    future = pool.submit(watch)
    pool.shutdown(wait=False)
    return future


@pytest.mark.filterwarnings("ignore")
def test_a_killed_dask_worker_costs_no_frame(upstream: Upstream, tmp_path: Path) -> None:
    with dask_cluster(2) as (address, client):
        victim = min(client.run(os.getpid).values())
        killed = when_a_frame_is_done(tmp_path, lambda: os.kill(victim, signal.SIGKILL))
        report = build_all(
            requests("29PKR", "B09", years=[2024, 2025]),
            upstream=upstream,
            output=tmp_path,
            labour=Labour(dask=address),
        )
        killed.result(timeout=0)
        assert victim not in client.run(os.getpid).values()
    assert len(report.built) == 16
    assert len(linked_items(tmp_path)) == 16
    assert_links_resolve(tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_dask_workers_in_another_folder_write_where_the_client_looks(
    upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    with dask_cluster(1) as (address, client):
        client.run(os.chdir, there)
        asked = requests("29PKR", "B09", years=[2025])
        report = build_all(asked, upstream=upstream, labour=Labour(dask=address))
    assert len(report.built) == 8
    assert_links_resolve(here / "catalogs")
    assert not list(there.iterdir())


class Unshared(Folder):
    """A folder on a disk that each machine has its own of."""

    def __reduce__(self) -> tuple[type[Folder], tuple[Path]]:
        """For a worker, which has another disk."""
        return Folder, (self._root.with_name("elsewhere"),)


@pytest.mark.filterwarnings("ignore")
def test_what_dask_workers_write_elsewhere_is_not_linked(
    upstream: Upstream, tmp_path: Path
) -> None:
    from stacgen.pipeline.dask_executor import Dask  # noqa: PLC0415 - an extra

    store = Unshared(tmp_path / "here")
    with dask_cluster(1) as (address, _):

        def build(*, force: bool) -> None:
            order = Order(
                requests=tuple(requests("29PKR", "B09", years=[2025])),
                selection=Selection(),
                endpoint=endpoints.find(upstream.api),
                recipe=recipe(Pixels()),
                force=force,
            )
            run.build(
                order,
                fetch=Http(patience=HASTY, gate=Gate(home=upstream.api)),
                store=store,
                watch=lambda _: None,
                hire=lambda _, fetch, __: Dask(address, fetch, late=0),
            )

        with pytest.raises(OutputError, match=r"is not there.* a bucket\.$"):
            build(force=False)
        assert list((tmp_path / "elsewhere").rglob("*.tif"))
        assert not list(tmp_path.glob("here/[!.]*"))  # but for the entry of the journal
        rmtree(tmp_path / "elsewhere")
        build_all(
            requests("29PKR", "B09", years=[2025]), upstream=upstream, output=tmp_path / "here"
        )
        before = tree(tmp_path / "here")
        with pytest.raises(OutputError, match="write elsewhere"):
            build(force=True)
        assert tree(tmp_path / "here") == before


@pytest.mark.filterwarnings("ignore")
def test_frames_that_the_scheduler_lets_go_have_failed_for_that_reason(
    upstream: Upstream, tmp_path: Path
) -> None:
    with dask_cluster(1) as (address, client):
        restarted = when_a_frame_is_done(tmp_path, client.restart)
        report = build_all(
            requests("29PKR", "B09", years=[2024, 2025]),
            upstream=upstream,
            output=tmp_path,
            labour=Labour(dask=address),
        )
        restarted.result(timeout=60)
    assert report.failed
    for each in report.failed:
        assert each.reason.startswith("The Dask scheduler let go of segment ")
    assert len(report.failed) + len(report.built) == 16


def test_a_scheduler_that_is_killed_ends_the_build_with_a_sentence(
    upstream: Upstream, tmp_path: Path
) -> None:
    from distributed import Client  # noqa: PLC0415 - only here

    told, output = tmp_path / "scheduler.json", tmp_path / "out"
    dask = [sys.executable, "-m", "distributed.cli"]
    options = ["--scheduler-file", str(told), "--no-dashboard"]
    with ExitStack() as ended:

        def start(command: list[str]) -> "subprocess.Popen[str]":
            log = subprocess.PIPE if "build" in command else subprocess.DEVNULL
            process = subprocess.Popen(command, cwd=tmp_path, stderr=log, stdout=log, text=True)
            ended.callback(process.wait)
            ended.callback(process.kill)
            return process

        scheduler = start([*dask[:2], f"{dask[2]}.dask_scheduler", "--port", "0", *options])
        start([*dask[:2], f"{dask[2]}.dask_worker", "--nthreads", "1", "--no-nanny", *options])
        while not told.exists():
            time.sleep(0.01)
        with Client(scheduler_file=str(told)) as client:
            client.wait_for_workers(1)
            address = client.scheduler.address
        command = [sys.executable, "-m", "stacgen", "build", "29PKR", "B09", "--year", "2024"]
        command += ["--year", "2025", "-o", str(output), "--api", upstream.api, "--dask", address]
        build = start(command)
        while len(list(output.rglob("*60m.json"))) < 5:  # so the first segment has come back
            assert build.poll() is None
            time.sleep(0.01)
        scheduler.kill()
        began = time.monotonic()
        _, said = build.communicate()
    assert time.monotonic() - began < 20
    assert build.returncode == ClusterError.exit_code
    assert f"Error: The Dask scheduler at {address} is gone. What was finished stands" in said
    assert "Traceback" not in said
    assert "FAILED" not in said
    assert linked_items(output) <= {path.stem for path in output.rglob("*60m.json")}
    asked = requests("29PKR", "B09", years=[2024, 2025])
    assert not build_all(asked, upstream=upstream, output=output).failed
    assert_links_resolve(output)


@pytest.mark.parametrize("bound", ["--workers", "--memory"])
def test_workers_that_are_there_already_are_not_bounded(bound: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stacgen", "build", "29PKR", "B09", "--year", "2025"]
    command += ["--dask", "tcp://127.0.0.1:9?timeout", bound, "2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--workers and --memory are for this machine." in done.stderr
    assert Labour(dask="local", workers=2, memory=10**9).dask == "local"


def test_a_scheduler_that_is_not_there_is_a_usage_error(upstream: Upstream, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No Dask scheduler answers"):
        stacgen.build(
            "29PKR",
            "B09",
            years=[2025],
            upstream=upstream,
            output=tmp_path,
            labour=Labour(dask="tcp://127.0.0.1:9?timeout"),
        )


def test_memory_bounds_the_workers() -> None:
    small, large = bands.find("B01"), bands.find("B02")
    assert workers_for(small, memory=1_000_000_000, cores=4) == 4
    assert workers_for(large, memory=1_000_000_000, cores=4) == 1
    assert workers_for(large, memory=6_000_000_000, cores=4) == 3
    assert workers_for(small, memory=None) >= 1


@pytest.mark.parametrize("named", ["B02", "B01,B02", "B02,B01", "B01,B11,B04,B09"])
def test_memory_bounds_the_largest_frames_of_all_bands(named: str) -> None:
    hired: list[int] = []

    def hire(band: Band, fetch: Fetch, watch: Watch) -> crashes.Crew:
        hired.append(workers_for(band, memory=4_000_000_000, cores=8))
        return crashes.Crew(band, fetch, watch)

    work = crashes.Work(bands=dict.fromkeys(named.split(","), 2))
    work.run(Bucket(MemoryStore(), "memory://out"), hire=hire)
    assert hired == [2]


@pytest.mark.parametrize("shard", [None, Shard(), Shard(index=1, count=8)])
@pytest.mark.parametrize("force", [False, True], ids=["all there", "all built"])
def test_a_run_lets_go_of_streams_that_are_done(shard: Shard | None, *, force: bool) -> None:
    work = crashes.Work(bands=dict.fromkeys(bands.BANDS, 2))
    store = Bucket(MemoryStore(), "memory://out")
    work.run(store)
    before, held = count(Plan), list[int]()

    def watch(event: Event) -> None:
        if isinstance(event, Planned):
            held.append(count(Plan) - before)

    replace(work, force=force, shard=shard).run(store, watch)
    assert len(held) == 12
    assert max(held) <= 4  # this stream and the one before it; a shard makes its own of each


def count(kind: type) -> int:
    """How many of them are in memory."""
    gc.collect()
    return sum(type(each) is kind for each in gc.get_objects())


def test_a_crew_that_is_stopped_drops_what_has_not_begun() -> None:
    crew = Threads(1, Http(patience=HASTY), lambda _: None)
    assert crew.capacity == 3
    crew.stop()
