"""A build from order to report."""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from threading import Event as Flag
from zlib import crc32

from stacgen.catalog import commit as filing
from stacgen.catalog.index import recover
from stacgen.catalog.journal import Journal
from stacgen.catalog.pending import PendingChanges
from stacgen.catalog.root import known_url
from stacgen.errors import EmptySelectionError, NotStreamedError, UpstreamError, UsageError
from stacgen.model import selection
from stacgen.model.bands import Band
from stacgen.model.outcomes import Lost, Noted, Planned, Report, Watch
from stacgen.model.protocols import Fetch, Store
from stacgen.model.raster import Reflectance
from stacgen.model.request import Request, Shard
from stacgen.model.stream import Frame, Resource, Stream
from stacgen.pipeline import plan as planning
from stacgen.pipeline.executor import Crew
from stacgen.pipeline.plan import Plan, Task
from stacgen.pipeline.recorder import Recorder
from stacgen.pipeline.request import Order
from stacgen.pipeline.signed_urls import Renewal
from stacgen.pipeline.task import Context, Done, Result
from stacgen.stac import stac_json
from stacgen.stac.inventory import Inventory, linked_ids
from stacgen.stac.layout import Pass

_DEFAULT = Reflectance()

_ANSWERS = 32
"""Of the API that are kept: bounds and cloud figures of a tile are those of all its bands."""

Clock = Callable[[], datetime]
Hire = Callable[[Band, Fetch, Watch], Crew]
"""Makes a crew for frames of a band and smaller ones, which fetches so, and tells of what it
received."""

Measure = Callable[[Resource], int | None]
"""The size of a resource in bytes, without fetching it; None where the server does not say."""


def utc_now() -> datetime:
    """The clock of the machine."""
    return datetime.now(UTC)


def list_frames(order: Order, *, fetch: Fetch, watch: Watch) -> Iterator[tuple[Stream, Frame]]:
    """The frames that answer to an order, stream by stream; no segment is touched.

    Raises:
        UsageError: The selection cannot be answered, or answers to nothing.
        UpstreamError: The API answers badly, or not.
    """
    for request in order.requests:
        for stream, chosen in _chosen(request, order, fetch=fetch, watch=watch):
            for doubt in selection.doubtful(stream, order.selection):
                watch(Noted(text=f"{stream}, {doubt.frame}: {doubt.reason}"))
            yield from ((stream, frame) for frame in chosen)


def build(
    order: Order,
    *,
    fetch: Fetch,
    store: Store,
    watch: Watch,
    hire: Hire,
    now: Clock = utc_now,
) -> Report:
    """Build what is ordered, and file it into the catalog.

    Frames are published as their segments are done. The catalogs above them are written when a
    stream is finished, and scenes when all are; both also when the build is interrupted, so that
    what was finished is linked.

    A stream that cannot be had stops no other; it is in the report, and raised only where nothing
    else was ordered, or nothing else could be had either.

    Args:
        order: What to build.
        fetch: Asks the API, and gets playlists and segments.
        store: Holds the catalog.
        watch: Is told of each event.
        hire: Makes the crew, called once there is work.
        now: The clock.

    Raises:
        UsageError: The selection cannot be answered, or answers to nothing.
        UpstreamError: No stream can be had.
        OutputError: The store cannot be written, or holds a catalog that is not ours.
    """
    recorder = Recorder(watch)
    filing.check_root(store)
    is_whole = order.shard is None  # a shard leaves to others what is derived
    if is_whole:
        recover(store, {request.tile for request in order.requests})
    crew: Crew | None = None
    sites: list[_Site] = []
    running: dict[Future[list[Result]], _Site] = {}
    stopped = Flag()
    with Journal(store) as journal:
        pending = PendingChanges(store, journal)
        work = _work(
            order, sites, pending, journal, fetch=fetch, store=store, watch=recorder, now=now
        )
        try:
            for site, task in work:
                crew = crew or hire(_largest(order), fetch, recorder)
                running[crew.submit(task, replace(site.context, stopped=stopped))] = site
                while len(running) >= crew.capacity:
                    pending.load()
                    _collect(running, recorder)
            while running:
                _collect(running, recorder)
        finally:
            stopped.set()
            if crew is not None:
                crew.stop()
            _collect_done(running, recorder)
            if is_whole:
                for site in sites:
                    site.commit(order, pending)
                pending.close()
        if is_whole:
            journal.finish()
    return recorder.report(store.address)


def dry_run(order: Order, *, fetch: Fetch, store: Store, watch: Watch, measure: Measure) -> Report:
    """What `build` would do, with the bytes that it would fetch; nothing is written."""
    recorder = Recorder(watch)
    filing.check_root(store)
    for each in _plans(order, fetch=fetch, store=store, watch=recorder):
        sizes = [_size(task, measure) for task in each.tasks]
        known = None if None in sizes else sum(size for size in sizes if size is not None)
        recorder(replace(_planned(each), size=known))
        for existing in each.existing:
            recorder(existing.skipped)
        for failed in each.failed:
            recorder(failed)
    return recorder.report(store.address)


@dataclass(slots=True, kw_only=True, eq=False)
class _Site:
    """A stream under construction: what is to be filed when its last segment is done."""

    plan: Plan
    context: Context
    open_tasks: int
    documents: list[stac_json.Document] = field(default_factory=list)
    """Items that are to be linked."""

    replaced: bool = False

    def commit(self, order: Order, pending: PendingChanges) -> None:
        """Link what is there."""
        target = filing.Filing(
            place=self.plan.place,
            grid=self.plan.grid,
            scale=(order.recipe.reflectance or _DEFAULT).scale,
            is_sample=self.plan.stream.is_sample,
            base_url=order.base_url,
        )
        if self.documents:
            pending.link(self.documents, target, replaced=self.replaced)


def _largest(order: Order) -> Band:
    """The band with the largest frames: one crew does all streams, in whatever order they come."""
    return max(
        (request.band for request in order.requests), key=lambda band: (band.size, band.is_color)
    )


def _work(
    order: Order,
    sites: list[_Site],
    pending: PendingChanges,
    journal: Journal,
    *,
    fetch: Fetch,
    store: Store,
    watch: Watch,
    now: Clock,
) -> Iterator[tuple[_Site, Task]]:
    """Every segment to do, planned a stream at a time; a stream is filed when its last is done."""
    is_moved = order.base_url is not None and order.base_url.rstrip("/") != known_url(store)
    for each in _plans(order, fetch=fetch, store=store, watch=watch):
        for site in [site for site in sites if not site.open_tasks]:
            if order.shard is None:
                site.commit(order, pending)
            sites.remove(site)  # with its documents: a thousand streams are not kept in memory
        if order.shard is None:
            pending.settle(but={each.place, *(site.plan.place for site in sites)})
        unlinked = [] if order.shard is not None else _unlinked(each, store, is_moved=is_moved)
        if each.tasks or unlinked:
            tile = each.stream.tile
            journal.note(tile, {it.band.name for it in order.requests if it.tile == tile})
        watch(_planned(each))
        for text in each.notes:
            watch(Noted(text=text))
        for existing in each.existing:
            watch(existing.skipped)
        for failed in each.failed:
            watch(failed)
        context = Context(
            stream=each.stream,
            grid=each.grid,
            renewal=Renewal(each.stream, order.endpoint),
            recipe=order.recipe,
            store=store,
            now=now,
        )
        site = _Site(plan=each, context=context, open_tasks=len(each.tasks), documents=unlinked)
        sites.append(site)
        yield from ((site, task) for task in each.tasks)


def _unlinked(each: Plan, store: Store, *, is_moved: bool) -> list[stac_json.Document]:
    """Items that are there and that their year does not link, as where a shard has built them.

    All that are there, if the catalog is to say another public address (`is_moved`).
    """
    documents = [existing.document for existing in each.existing]
    if is_moved:
        return documents
    years = {Pass.of(document["id"]).year for document in documents}
    linked = {item_id for year in years for item_id in linked_ids(store, each.place, year)}
    return [document for document in documents if document["id"] not in linked]


def _collect(running: "dict[Future[list[Result]], _Site]", watch: Watch) -> None:
    """Wait for a segment, and take what became of its frames."""
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        _take(future, running.pop(future), watch)


def _collect_done(running: "dict[Future[list[Result]], _Site]", watch: Watch) -> None:
    """Take what was finished of a build that is given up, so that it is filed."""
    for future, site in running.items():
        if future.done() and not future.cancelled() and future.exception() is None:
            _take(future, site, watch)


def _take(future: Future[list[Result]], site: _Site, watch: Watch) -> None:
    results = future.result()
    site.open_tasks -= 1
    for result in results:
        if isinstance(result, Done):
            site.documents.append(result.document)
            site.replaced |= result.replaced
            watch(result.built)
            for text in result.built.warnings:
                watch(Noted(text=text))
        else:
            watch(result)


def _chosen(
    request: Request, order: Order, *, fetch: Fetch, watch: Watch
) -> Iterator[tuple[Stream, tuple[Frame, ...]]]:
    """The wanted frames of each year's stream; having none is an error only if no year has any."""
    wanted, found = order.selection, False
    empty: EmptySelectionError | NotStreamedError | None = None
    for year in request.years:
        if wanted.limit == 0:
            return
        try:
            stream = planning.describe(
                order.endpoint, request.tile, request.band, year, fetch=fetch, watch=watch
            )
            chosen = selection.choose(stream, wanted)
            for text in selection.unjudged(stream, wanted):
                watch(Noted(text=text))
        except EmptySelectionError as error:
            empty = error
            continue
        except NotStreamedError as error:
            if not request.is_open:
                raise
            empty = empty or error
            continue
        if wanted.limit is not None:
            wanted = replace(wanted, limit=wanted.limit - len(chosen))
        found = True
        yield stream, chosen
    if empty is not None and not found:
        raise empty


def _plans(order: Order, *, fetch: Fetch, store: Store, watch: Watch) -> Iterator[Plan]:
    """Plan each stream; one that cannot be had is reported, and raised if there is no other."""
    errors: list[UpstreamError | UsageError] = []
    first: Stream | None = None
    planned = 0
    parts = list(_parts(order))
    inventory = Inventory(store)
    ask = lru_cache(_ANSWERS)(fetch)
    for part in parts:
        try:
            for stream, chosen in _chosen(part, order, fetch=ask, watch=watch):
                filing.check_kind(stream, store, beside=first)
                first = first or stream
                each = planning.plan(
                    stream,
                    planning.place_on_ground(order.endpoint, part.tile, part.band, fetch=ask),
                    chosen,
                    doubtful=selection.doubtful(stream, order.selection),
                    endpoint=order.endpoint,
                    fetch=fetch,
                    inventory=inventory,
                    force=order.force,
                    verify=order.verify,
                    newest=order.newest,
                )
                planned += 1
                yield each if order.shard is None else _part(each, order.shard)
        except (UpstreamError, UsageError) as error:
            errors.append(error)
            is_due = not isinstance(error, NotStreamedError) or not part.is_open
            if len(parts) > 1 and is_due and not isinstance(error, EmptySelectionError):
                watch(Lost(stream=str(part), reason=str(error)))
    if errors and not planned:
        raise errors[0]


def _parts(order: Order) -> Iterator[Request]:
    """Split requests into one for each stream, so that one that is lost takes no other with it.

    A limit counts over all years of a Collection, so then these stay together.
    """
    for request in order.requests:
        if order.selection.limit is not None:
            yield request
        else:
            yield from (replace(request, years=(year,)) for year in request.years)


def _part(each: Plan, shard: Shard) -> Plan:
    """The plan with the segments of one shard, which follow from stream and number alone."""

    def is_ours(task: Task) -> bool:
        place = f"{each.stream} {task.segment.start}"
        return crc32(place.encode()) % shard.count == shard.index - 1

    return replace(each, tasks=tuple(filter(is_ours, each.tasks)))


def _planned(each: Plan) -> Planned:
    frames = tuple(ref for task in each.tasks for ref in task.frames)
    return Planned(stream=str(each.stream), frames=frames, segments=len(each.tasks))


def _size(task: Task, measure: Measure) -> int | None:
    part = task.segment.media.part
    return part.length if part is not None else measure(task.segment.media)
