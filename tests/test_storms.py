"""Storms: each request fails with a chance of one in five; nothing wrong and no gap unnamed."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

import dunia
from conftest import Figures
from dunia import Reply, Request
from stacgen.api import run as api_run
from stacgen.api.build import Labour, Pixels, recipe, requests
from stacgen.dunia import endpoints
from stacgen.errors import UpstreamError
from stacgen.io.folder import Folder
from stacgen.io.http import Http
from stacgen.model.outcomes import Report
from stacgen.model.stream import Selection
from stacgen.model.urls import Gate
from stacgen.pipeline.request import Order
from test_build import timeless, tree
from test_faults import HASTY, body_of, lasting, passing, to

CHANCE = 0.2
FRAMES = 4
FIGURES = dunia.tci_path()
"""Of cloud and nodata. Where the API says that there are none, it is believed, and told."""


@dataclass(kw_only=True)
class Storm:
    """Breaks one answer in five, which and how being told by the seed alone."""

    server: dunia.Server
    seed: int
    struck: Counter[str] = field(default_factory=Counter)
    """How often by each kind of fault."""

    _bodies: dict[str, bytes] = field(default_factory=dict)

    def __call__(self, request: Request) -> Reply | None:
        """A fault, or None for the truth."""
        chance = Random(f"{self.seed} {request.path} {request.count}")
        if chance.random() >= CHANCE:
            return None
        faults = self._faults(request.path)
        name = chance.choice(sorted(faults))
        self.struck[name] += 1
        reply = faults[name]
        if reply is not None and "Location" in reply.headers:
            here = f"{self.server.base}{request.path}"
            return to(reply.headers["Location"].replace("@SELF@", here), reply.status)
        return reply

    def _faults(self, path: str) -> dict[str, Reply | None]:
        body = body_of(self.server, path)
        kinds = {**passing(body), **lasting(body)}
        found = {name: answers[0] for name, answers in kinds.items()}
        if path == FIGURES:
            found = {name: each for name, each in found.items() if name[:3] not in ("404", "410")}
        return found


@pytest.fixture(scope="module")
def upstream() -> Iterator[dunia.Server]:
    """Four frames in as many segments."""
    with dunia.Server().running() as server:
        dunia.publish(server, [dunia.landscape(number) for number in range(FRAMES)], each=1)
        yield server


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a build came to."""

    report: Report | None
    error: str
    slept: float
    """Seconds that it was told to wait, altogether."""


def build(server: dunia.Server, root: Path) -> Run:
    waits: list[float] = []
    order = Order(
        requests=tuple(requests("29PKR", "B09", years=[2025])),
        selection=Selection(),
        endpoint=endpoints.find(server.base),
        recipe=recipe(Pixels()),
    )
    fetch = Http(patience=HASTY, gate=Gate(home=server.base), sleep=waits.append)
    try:
        report = api_run.build(
            order,
            fetch=fetch,
            store=Folder(root),
            watch=lambda _: None,
            hire=Labour(workers=2).crew,
        )
    except UpstreamError as error:
        return Run(report=None, error=str(error), slept=sum(waits))
    return Run(report=report, error="", slept=sum(waits))


@pytest.fixture(scope="module")
def quiet(upstream: dunia.Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The tree when nothing goes wrong."""
    root = tmp_path_factory.mktemp("quiet")
    report = build(upstream, root).report
    assert report is not None
    assert len(report.built) == FRAMES
    return timeless(tree(root))


def weather(server: dunia.Server, quiet: dict[str, object], seed: int) -> tuple[str, Storm]:
    """A build in a storm, and one after it; what became of the first."""
    server.requests.clear()
    server._counts.clear()
    storm = Storm(server=server, seed=seed)
    server.faults = dict.fromkeys(server.content, storm)
    with TemporaryDirectory() as folder:
        root, began = Path(folder), time.monotonic()
        run = build(server, root)
        assert len(server.requests) <= 100, f"seed {seed}"
        assert run.slept <= HASTY.longest_named * len(server.requests)
        assert time.monotonic() - began < 60
        server.faults = {}
        server.over.set()  # those who have been left waiting may go
        server.over = threading.Event()
        outcome = judged(run, root, quiet, seed)
        again = build(server, root)
        assert again.report is not None
        assert not again.report.failed
        assert timeless(tree(root)) == quiet, f"seed {seed}"
    return outcome, storm


def judged(run: Run, root: Path, quiet: dict[str, object], seed: int) -> str:
    """Whole, or lacking what is named, or nothing at all."""
    found = timeless(tree(root))
    if run.report is None:
        assert run.error[-1:] in ".?", f"seed {seed}: {run.error}"
        assert not any(key.endswith(".tif") for key in found)
        return "an error"
    assert not run.report.lost
    failed = {each.ref.item_id for each in run.report.failed}
    assert all(each.reason.endswith(".") for each in run.report.failed)
    assert len(failed) + len(run.report.built) == FRAMES
    lacks_figures = any("known for 0 of" in note for note in run.report.notes)
    if not failed and not lacks_figures:
        assert found == quiet, f"seed {seed}"
        return "whole"
    frames = {key for key in quiet if key.endswith(".tif")}
    there = {key for key in found if key.endswith(".tif")}
    assert {Path(key).stem for key in frames - there} == failed, f"seed {seed}"
    assert there <= frames
    assert all(found[key] == quiet[key] for key in there), f"seed {seed}"
    return "frames named" if failed else "whole but for figures"


def storms(
    server: dunia.Server, quiet: dict[str, object], seeds: range
) -> tuple[Counter[str], Counter[str]]:
    outcomes: Counter[str] = Counter()
    struck: Counter[str] = Counter()
    for seed in seeds:
        outcome, storm = weather(server, quiet, seed)
        outcomes[outcome] += 1
        struck += storm.struck
    return outcomes, struck


def test_what_a_storm_leaves_is_whole_or_what_is_missing_is_named(
    upstream: dunia.Server, quiet: dict[str, object]
) -> None:
    outcomes, struck = storms(upstream, quiet, range(20))
    assert outcomes.total() == 20
    assert outcomes["whole"] < 20  # some had an effect
    assert struck.total() > 20


@pytest.mark.full
@pytest.mark.parametrize("first", range(1000, 2000, 100))
def test_a_hundred_storms(
    upstream: dunia.Server, quiet: dict[str, object], first: int, figures: Figures
) -> None:
    outcomes, struck = storms(upstream, quiet, range(first, first + 100))
    for outcome, count in outcomes.items():
        figures(f"storms from {first}: {outcome}", count)
    figures("requests struck", struck.total())
    figures("kinds of fault", len(struck))
