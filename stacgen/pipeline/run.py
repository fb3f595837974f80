"""A build from request to report."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice

from stacgen import selection
from stacgen.api import Endpoint
from stacgen.bands import FIRST_YEAR, Band
from stacgen.errors import EmptySelectionError, UsageError
from stacgen.layout import CollectionPlace
from stacgen.models import Frame, Grid, Reflectance, Resource, Selection, Stream
from stacgen.outcomes import (
    Event,
    Noted,
    Outcome,
    Planned,
    Received,
    Report,
    Watch,
)
from stacgen.pipeline import commit as filing
from stacgen.pipeline import plan as planning
from stacgen.pipeline.plan import Plan, Task
from stacgen.pipeline.segment import Context, Done, Recipe, Result, process
from stacgen.ports import Answer, Fetch, Store
from stacgen.tiles import TileId


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to build, from where and how."""

    tile: TileId
    band: Band
    years: tuple[int, ...]
    selection: Selection = field(default_factory=Selection)
    endpoint: Endpoint = field(default_factory=Endpoint)
    recipe: Recipe
    base_url: str | None = None
    """Public URL of the output root, where it is known."""

    force: bool = False
    """Build anew what is there."""

    verify: bool = False
    """Read what is there and compare checksums, rather than sizes and times."""

    workers: int | None = None
    """Segments decoded side by side; None for one a core."""


_AHEAD = 2
"""Segments fetched, or being fetched, beyond those being decoded."""

_DEFAULT = Reflectance()

Measure = Callable[[Resource], int | None]
"""The size of a resource in bytes, without fetching it; None where the server does not say."""


def list_frames(request: Request, *, fetch: Fetch, watch: Watch) -> Iterator[Frame]:
    """The frames that answer to a request, in time; no segment is touched.

    Raises:
        UsageError: The selection cannot be answered, or answers to nothing.
        UpstreamError: The API answers badly, or not.
    """
    for _, chosen in _chosen(request, fetch=fetch, watch=watch):
        yield from chosen


def build(
    request: Request,
    *,
    fetch: Fetch,
    store: Store,
    watch: Watch,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Report:
    """Build what a request asks for, and file it into the catalog.

    Frames are published as their segments are done. The catalogs above them are written when a
    stream is finished, and also when it is interrupted, so that they link what was finished.

    Raises:
        UsageError: The request cannot be meant, or answers to nothing.
        UpstreamError: API or playlist cannot be had or used.
        OutputError: The store cannot be written, or holds a catalog that is not ours.
    """
    recorder = _Recorder(watch)
    filing.check_root(store, is_sample=request.recipe.source.is_sample)
    plans = list(_plans(request, fetch=fetch, store=store, watch=recorder))
    for each in plans:
        recorder(_planned(each))
        _build_stream(each, request, fetch=fetch, store=store, watch=recorder, now=now)
    return recorder.report(store.address)


def dry_run(
    request: Request, *, fetch: Fetch, store: Store, watch: Watch, measure: Measure
) -> Report:
    """What `build` would do, with the bytes that it would fetch; nothing is written."""
    recorder = _Recorder(watch)
    filing.check_root(store, is_sample=request.recipe.source.is_sample)
    for each in _plans(request, fetch=fetch, store=store, watch=recorder):
        sizes = [_size(task, measure) for task in each.tasks]
        known = None if None in sizes else sum(size for size in sizes if size is not None)
        recorder(replace(_planned(each), size=known))
        for existing in each.existing:
            recorder(existing.skipped)
        for failed in each.failed:
            recorder(failed)
    return recorder.report(store.address)


class _Recorder:
    """Keeps what is told, and passes it on, one event at a time."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._lock = threading.Lock()
        self._outcomes: list[Outcome] = []
        self._notes: list[str] = []
        self._planned: list[Planned] = []

    def __call__(self, event: Event) -> None:
        with self._lock:
            match event:
                case Noted(text=text):
                    self._notes.append(text)
                case Planned():
                    self._planned.append(event)
                case Received():
                    pass
                case _:
                    self._outcomes.append(event)
            self._watch(event)

    def report(self, address: str) -> Report:
        streams = list(dict.fromkeys(planned.stream for planned in self._planned))
        outcomes = sorted(
            self._outcomes,
            key=lambda each: (streams.index(each.ref.stream), each.ref.frame.number),
        )
        return Report(
            address=address,
            outcomes=tuple(outcomes),
            notes=tuple(self._notes),
            planned=tuple(self._planned),
        )


def _check(request: Request) -> None:
    selection.check(request.selection)
    for year in request.years:
        if year < FIRST_YEAR:
            raise UsageError(
                f"There is no stream for {request.tile} {request.band.name} {year}: DUNIA's begin"
                f" with {FIRST_YEAR}."
            )
    if not request.years:
        raise UsageError("Say which years: --year 2025, or a start and an end.")


def _chosen(
    request: Request, *, fetch: Fetch, watch: Watch
) -> Iterator[tuple[Stream, tuple[Frame, ...]]]:
    """The wanted frames, a stream a year; one without any is an error only if all are."""
    _check(request)
    wanted, found = request.selection, False
    empty: EmptySelectionError | None = None
    for year in request.years:
        if wanted.limit == 0:
            return
        stream = planning.describe(
            request.endpoint, request.tile, request.band, year, fetch=fetch, watch=watch
        )
        try:
            chosen = selection.choose(stream, wanted)
        except EmptySelectionError as error:
            empty = error
            continue
        if wanted.limit is not None:
            wanted = replace(wanted, limit=wanted.limit - len(chosen))
        found = True
        yield stream, chosen
    if empty is not None and not found:
        raise empty


def _plans(request: Request, *, fetch: Fetch, store: Store, watch: Watch) -> Iterator[Plan]:
    grid: Grid | None = None
    for stream, chosen in _chosen(request, fetch=fetch, watch=watch):
        grid = grid or planning.place_on_ground(
            request.endpoint, request.tile, request.band, fetch=fetch
        )
        yield planning.plan(
            stream,
            grid,
            chosen,
            fetch=fetch,
            store=store,
            force=request.force,
            verify=request.verify,
        )


def _planned(each: Plan) -> Planned:
    frames = tuple(ref for task in each.tasks for ref in task.frames)
    return Planned(stream=str(each.stream), frames=frames, segments=len(each.tasks))


def _size(task: Task, measure: Measure) -> int | None:
    part = task.segment.media.part
    return part.length if part is not None else measure(task.segment.media)


def _build_stream(
    each: Plan,
    request: Request,
    *,
    fetch: Fetch,
    store: Store,
    watch: Watch,
    now: Callable[[], datetime],
) -> None:
    for text in each.notes:
        watch(Noted(text=text))
    documents = [existing.document for existing in each.existing]
    for existing in each.existing:
        watch(existing.skipped)
    for failed in each.failed:
        watch(failed)
    replaced = False
    context = Context(
        stream=each.stream, grid=each.grid, recipe=request.recipe, store=store, now=now
    )
    workers = request.workers or os.cpu_count() or 1
    try:
        for result in _results(each.tasks, context, fetch=_told(fetch, watch), workers=workers):
            if isinstance(result, Done):
                documents.append(result.document)
                replaced |= result.replaced
                watch(result.built)
            else:
                watch(result)
    finally:
        filing.commit(
            documents,
            filing.Filing(
                place=CollectionPlace(tile=each.stream.tile, band=each.stream.band),
                grid=each.grid,
                scale=(request.recipe.reflectance or _DEFAULT).scale,
                is_sample=request.recipe.source.is_sample,
                base_url=request.base_url,
            ),
            store,
            recount=replaced,
        )


def _results(
    tasks: Sequence[Task], context: Context, *, fetch: Fetch, workers: int
) -> Iterator[Result]:
    """What becomes of each wanted frame, segment by segment as they are done.

    Fetching runs ahead of decoding by a bounded number of segments. Left early, by an error or an
    interrupt, what has not begun is dropped, and what runs stops before its next frame.
    """
    rest = iter(tasks)
    with (
        ThreadPoolExecutor(_AHEAD, "stacgen-fetch") as fetchers,
        ThreadPoolExecutor(workers, "stacgen-decode") as decoders,
    ):

        def submit(task: Task) -> Future[list[Result]]:
            media = fetchers.submit(fetch, task.segment.media)
            ahead = _Ahead(task.segment.media, media, fetch)
            return decoders.submit(process, task, context, fetch=ahead)

        running = {submit(task) for task in islice(rest, workers + _AHEAD)}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield from future.result()
                running |= {submit(task) for task in islice(rest, len(done))}
        finally:
            context.stopped.set()
            for future in running:
                future.cancel()


class _Ahead:
    """A fetch that has one answer at hand already, or on its way, and gives it once."""

    def __init__(self, resource: Resource, answer: Future[Answer], fetch: Fetch) -> None:
        self._resource = resource
        self._answer: Future[Answer] | None = answer
        self._fetch = fetch

    def __call__(self, resource: Resource) -> Answer:
        if resource == self._resource and self._answer is not None:
            answer, self._answer = self._answer, None
            return answer.result()
        return self._fetch(resource)


def _told(fetch: Fetch, watch: Watch) -> Fetch:
    """A fetch that tells of the bytes which arrive."""

    def told(resource: Resource) -> Answer:
        answer = fetch(resource)
        watch(Received(size=len(answer.body)))
        return answer

    return told
