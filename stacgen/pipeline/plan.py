"""What has to be done for a stream: which frames are wanted, which are there, where the rest is."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from stacgen import api, playlist, stac, succession
from stacgen.api import Endpoint
from stacgen.bands import Band
from stacgen.errors import (
    MissingError,
    NotStreamedError,
    OutputError,
)
from stacgen.item import segment_file
from stacgen.layout import CollectionPlace, ItemPlace
from stacgen.models import (
    Frame,
    Grid,
    Resource,
    Segment,
    StoredFile,
    Stream,
    item_ids,
)
from stacgen.outcomes import Failed, FrameRef, Noted, Skipped, Watch
from stacgen.pipeline import renewal
from stacgen.ports import Fetch, Store
from stacgen.tiles import TileId


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One segment to fetch and decode, and the frames of it that are wanted."""

    segment: Segment
    frames: tuple[FrameRef, ...]
    following: Resource | None = None
    """The segment after it; None behind the last."""

    known: frozenset[StoredFile] = frozenset()
    """The segment as it was when other frames of it were published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An Item that the catalog holds."""

    document: stac.Document
    modified: datetime
    """When it was written, in UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Existing(Standing):
    """A frame that the catalog already holds, with its Item."""

    skipped: Skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The work on one stream."""

    stream: Stream
    grid: Grid
    tasks: tuple[Task, ...]
    existing: tuple[Existing, ...]
    beside: tuple[Standing, ...] = ()
    """Items of the same acquisitions in other baselines, where these matter."""

    failed: tuple[Failed, ...]
    """Frames that the metadata name and the playlist does not hold."""

    notes: tuple[str, ...]
    """What people should know about the stream, a sentence each."""

    @property
    def place(self) -> CollectionPlace:
        """Of its Collection."""
        return CollectionPlace(tile=self.stream.tile, band=self.stream.band)


def describe(
    endpoint: Endpoint, tile: TileId, band: Band, year: int, *, fetch: Fetch, watch: Watch
) -> Stream:
    """The stream and its frames, with cloud and nodata figures where the API has any.

    Raises:
        NotStreamedError: The API has no such stream.
        UpstreamError: It answers badly, or not.
    """
    url = endpoint.band_metadata(tile, band, year)
    try:
        answer = fetch(Resource(url=url, is_text=True))
    except MissingError as error:
        raise NotStreamedError(
            f"There is no stream for {tile} {band.name} {year} ({url})."
        ) from error
    stream = api.parse_stream(answer.body, url=answer.url, tile=tile, band=band, year=year)
    if all(_has_figures(frame) for frame in stream.frames):
        return stream
    return _with_figures(stream, endpoint, fetch=fetch, watch=watch)


def place_on_ground(endpoint: Endpoint, tile: TileId, band: Band, *, fetch: Fetch) -> Grid:
    """The grid of a band on a tile.

    Raises:
        NotStreamedError: The API does not know the tile.
        UpstreamError: It answers badly, or not.
    """
    url = endpoint.tile_bounds(tile)
    try:
        answer = fetch(Resource(url=url, is_text=True))
    except MissingError as error:
        raise NotStreamedError(f"The API knows no bounds of tile {tile} ({url}).") from error
    return api.parse_grid(answer.body, url=answer.url, tile=tile, band=band)


def references(stream: Stream, store: Store) -> dict[int, FrameRef]:
    """Each frame of a stream by its number, with its Item's id and place."""
    ids = item_ids(stream)
    place = CollectionPlace(tile=stream.tile, band=stream.band)

    def ref(frame: Frame) -> FrameRef:
        item_id = ids[frame.number]
        key = place.item(item_id, frame.sensing_time.year).key
        href = f"{store.address}/{key}"
        return FrameRef(stream=str(stream), frame=frame, item_id=item_id, href=href)

    return {frame.number: ref(frame) for frame in stream.frames}


def plan(  # noqa: PLR0913 - each says what is to be done, apart from the others
    stream: Stream,
    grid: Grid,
    wanted: Sequence[Frame],
    *,
    endpoint: Endpoint,
    fetch: Fetch,
    store: Store,
    force: bool = False,
    verify: bool = False,
    beside: Sequence[Standing] | None = None,
) -> Plan:
    """What is to be done for the wanted frames of a stream.

    Args:
        stream: As the API describes it.
        grid: Of its frames.
        wanted: Which frames of it, in the order of their numbers.
        endpoint: Gives a new URL of the playlist where that of the stream has run out.
        fetch: Gets the playlist, and only where something is to be built.
        store: Tells what is there.
        force: Build what is there anew.
        verify: Read every COG that is there and compare its checksum.
        beside: Items of the same seconds in other baselines. Frames of which there is a higher
            baseline, there or here, are then not built. None builds all.

    Raises:
        UpstreamError: The playlist cannot be had or followed.
    """
    refs = references(stream, store)
    frames = [refs[frame.number] for frame in wanted]
    place = CollectionPlace(tile=stream.tile, band=stream.band)
    outdated = set() if beside is None else _outdated(frames, beside)
    existing: list[Existing] = []
    missing: list[FrameRef] = []
    for ref in frames:
        item_place = place.item(ref.item_id, ref.frame.sensing_time.year)
        sound = None if force else sound_item(store, item_place, stream.band, verify=verify)
        if sound is not None:
            document, modified = sound
            skipped = Skipped(ref=ref)
            existing.append(Existing(skipped=skipped, document=document, modified=modified))
        elif ref.item_id not in outdated:
            missing.append(ref)
    tasks: tuple[Task, ...] = ()
    failed: tuple[Failed, ...] = ()
    if missing:
        segments = renewal.segments(stream, endpoint, fetch=fetch)
        tasks, failed = _tasks(missing, existing, segments)
    return Plan(
        stream=stream,
        grid=grid,
        tasks=tasks,
        existing=tuple(existing),
        beside=tuple(beside or ()),
        failed=failed,
        notes=tuple(_notes(stream, refs, tasks)),
    )


def _outdated(frames: Iterable[FrameRef], beside: Iterable[Standing]) -> set[str]:
    moments = {ref.item_id: ref.frame.sensing_time for ref in frames}
    moments |= {
        each.document["id"]: datetime.fromisoformat(each.document["properties"]["datetime"])
        for each in beside
    }
    return succession.superseded(moments)


def sound_item(
    store: Store, place: ItemPlace, band: Band, *, verify: bool = False
) -> tuple[stac.Document, datetime] | None:
    """The Item at a place and when it was written, if it and its files are as published.

    Sizes are compared always. Checksums are where `verify` says so, and wherever a file is newer
    than its Item, which it never is when stacgen has written both.
    """
    document = read_item(store, place)
    entry = store.stat(place.key)
    if document is None or entry is None:
        return None
    for asset, key in ((band.name, place.cog_key), ("thumbnail", place.thumbnail_key)):
        facts = document.get("assets", {}).get(asset, {})
        found = store.stat(key)
        if found is None or found.size != facts.get("file:size"):
            return None
        if not verify and found.modified <= entry.modified:
            continue
        if facts.get("file:checksum") != f"1220{store.sha256(key)}":
            return None
    return document, entry.written


def read_item(store: Store, place: ItemPlace) -> stac.Document | None:
    """The Item at a place, or None where there is none that can be read and has that id."""
    raw = store.read(place.key)
    if raw is None:
        return None
    try:
        document = stac.from_bytes(raw, name=place.key)
    except OutputError:
        return None
    return document if document.get("id") == place.id else None


def _notes(stream: Stream, refs: Mapping[int, FrameRef], tasks: Sequence[Task]) -> Iterator[str]:
    place = CollectionPlace(tile=stream.tile, band=stream.band)
    numbered = [ref for ref in refs.values() if place.is_numbered(ref.item_id)]
    if numbered:
        names = ", ".join(ref.item_id for ref in numbered)
        yield (
            f"{stream} has acquisitions of one second and baseline; their frame number was added"
            f" to their ids: {names}."
        )
    nameless = [
        number
        for task in tasks
        for number in range(task.segment.start, task.segment.stop)
        if number not in refs
    ]
    if nameless:
        yield (
            f"{len(nameless)} frames in the fetched segments of {stream} have no metadata and are"
            f" left out: {', '.join(map(str, nameless[:10]))}{', ...' if nameless[10:] else ''}."
        )


def _tasks(
    missing: list[FrameRef], existing: list[Existing], segments: tuple[Segment, ...]
) -> tuple[tuple[Task, ...], tuple[Failed, ...]]:
    refs = {ref.frame.number: ref for ref in missing}
    held, unplaced = playlist.locate(segments, [ref.frame for ref in missing])
    sums = {each.skipped.ref.frame.number: segment_file(each.document) for each in existing}
    following = {segment.start: segment.media for segment in segments}
    tasks = tuple(
        Task(
            segment=segment,
            frames=tuple(refs[frame.number] for frame in frames),
            following=following.get(segment.stop),
            known=frozenset(
                known
                for number in range(segment.start, segment.stop)
                if (known := sums.get(number)) is not None
            ),
        )
        for segment, frames in held.items()
    )
    end = segments[-1].stop - 1
    failed = tuple(
        Failed(ref=refs[frame.number], reason=f"The playlist ends before it, at frame {end}.")
        for frame in unplaced
    )
    return tasks, failed


def _has_figures(frame: Frame) -> bool:
    return frame.cloud_cover is not None and frame.nodata_percentage is not None


def _with_figures(stream: Stream, endpoint: Endpoint, *, fetch: Fetch, watch: Watch) -> Stream:
    url = endpoint.tci_metadata(stream.tile, stream.year)
    if url is None:
        return stream
    try:
        answer = fetch(Resource(url=url, is_text=True))
    except MissingError:
        watch(
            Noted(
                text=f"The API has no TCI metadata at {url}: cloud and nodata figures of {stream}"
                " are left out. If they are elsewhere, say where with --tci-path."
            )
        )
        return stream
    return api.with_tci_figures(stream, answer.body, url=answer.url)
