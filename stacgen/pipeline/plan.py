"""The work on a stream: which frames are wanted, which are there, and where the others are."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from stacgen.dunia import answers, figures, playlist
from stacgen.dunia.endpoints import Endpoint
from stacgen.errors import MissingError, NotStreamedError, UpstreamError, UsageError
from stacgen.model import selection
from stacgen.model.bands import Band
from stacgen.model.mgrs import TileId
from stacgen.model.outcomes import Failed, FrameRef, Noted, Skipped, Watch
from stacgen.model.protocols import Fetch, Store
from stacgen.model.raster import StoredFile
from stacgen.model.stream import Doubt, Frame, Grid, Resource, Segment, Stream, item_ids
from stacgen.pipeline import signed_urls
from stacgen.stac import catalogs, stac_json, versions
from stacgen.stac.inventory import Inventory, Standing
from stacgen.stac.item import segment_file
from stacgen.stac.layout import CollectionPlace


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
    failed: tuple[Failed, ...]
    """Frames that the metadata name and the playlist does not hold."""

    notes: tuple[str, ...]
    """Remarks about the stream for people, one sentence each."""

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
    url = endpoint.metadata(tile, band, year)
    try:
        answer = fetch(Resource(url=url, is_text=True))
    except MissingError as error:
        raise NotStreamedError(
            f"There is no stream for {tile} {band.name} {year} ({url})."
        ) from error
    stream = replace(
        answers.parse_stream(answer.body, url=answer.url, tile=tile, band=band, year=year),
        service=endpoint.name,
    )
    if not (band.is_color or all(frame.has_figures for frame in stream.frames)):
        stream = _with_figures(stream, endpoint, fetch)
    text = selection.unknown_figures(stream)
    if text:
        watch(Noted(text=text))
    return stream


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
    return answers.parse_grid(answer.body, url=answer.url, tile=tile, band=band)


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
    doubtful: Sequence[Doubt] = (),
    endpoint: Endpoint,
    fetch: Fetch,
    inventory: Inventory,
    force: bool = False,
    verify: bool = False,
    newest: bool = False,
) -> Plan:
    """Find out what is to be done for the wanted frames of a stream.

    The years that they were sensed in are listed; the last acquisition of one may come in the
    stream of the next.

    Args:
        stream: As the API describes it.
        grid: Of its frames.
        wanted: Which frames of it, in the order of their numbers.
        doubtful: Which of the frames that the stream cannot be paired with would be wanted.
        endpoint: Gives a new URL of the playlist where that of the stream has run out.
        fetch: Gets the playlist, and only where something is to be built.
        inventory: Finds what is there.
        force: Build what is there, too.
        verify: Read every COG that is there and compare its checksum.
        newest: Build no frame of which there is a higher baseline, in the catalog or the stream.

    Raises:
        UpstreamError: The playlist cannot be had or followed.
        UsageError: The Collection holds true colour of another resolution.
    """
    store = inventory.store
    _check_resolution(stream, store)
    refs = references(stream, store)
    frames = [refs[frame.number] for frame in wanted]
    place = CollectionPlace(tile=stream.tile, band=stream.band)
    items = {ref.item_id: place.item(ref.item_id, ref.frame.sensing_time.year) for ref in frames}
    listing = inventory.files(place, {ref.frame.sensing_time.year for ref in frames})
    rivals = inventory.rivals(place, items, listing) if newest else []
    outdated = _outdated(frames, rivals) if newest else set()
    there = {} if force else inventory.sound(place, items.values(), listing, verify=verify)
    existing = [
        Existing(skipped=Skipped(ref=ref), document=found.document)
        for ref in frames
        if (found := there.get(ref.item_id)) is not None
        and (ref.item_id in outdated or _shows_figures(found.document, ref.frame))
    ]
    settled = outdated | {each.skipped.ref.item_id for each in existing}
    missing = [ref for ref in frames if ref.item_id not in settled]
    tasks: tuple[Task, ...] = ()
    failed: tuple[Failed, ...] = ()
    if missing:
        stream, segments = _segments(stream, endpoint, fetch=fetch)
        tasks, failed = _tasks(missing, existing, segments)
    return Plan(
        stream=stream,
        grid=grid,
        tasks=tasks,
        existing=tuple(existing),
        failed=(*failed, *_refused(stream, doubtful, store)),
        notes=tuple(_notes(stream, refs, tasks)),
    )


def _check_resolution(stream: Stream, store: Store) -> None:
    """Refuse true colour of two resolutions in one Collection, which has one grid."""
    place = CollectionPlace(tile=stream.tile, band=stream.band)
    raw = store.read(place.key) if stream.band.is_color else None
    if raw is None:
        return
    found = catalogs.resolution_of(stac_json.from_bytes(raw, name=f"{store.address}/{place.key}"))
    if found != stream.band.resolution:
        raise UsageError(
            f"{store.address}/{place.tile}/{place.name} holds true colour of {found} m. Take"
            f" --resolution {found}, or another output: -o FOLDER."
        )


def _segments(
    stream: Stream, endpoint: Endpoint, *, fetch: Fetch
) -> tuple[Stream, tuple[Segment, ...]]:
    """See `renewal.segments`; the error names the sizes of true colour that are there instead."""
    try:
        return signed_urls.segments(stream, endpoint, fetch=fetch)
    except MissingError as error:
        others = [
            str(size)
            for size, url in sorted(stream.sizes.items())
            if url != stream.playlist_url and _is_there(url, fetch)
        ]
        if not others:
            raise
        raise NotStreamedError(
            f"The true-colour stream of {stream.tile} {stream.year} is missing in"
            f" {stream.band.resolution} m ({error}) Take --resolution {' or '.join(others)}."
        ) from error


def _is_there(url: str, fetch: Fetch) -> bool:
    try:
        fetch(Resource(url=url, is_text=True))
    except UpstreamError:
        return False
    return True


def _refused(stream: Stream, doubtful: Sequence[Doubt], store: Store) -> Iterator[Failed]:
    """The frames that the stream cannot be paired with."""
    for doubt in doubtful:
        alone = replace(stream, frames=(doubt.frame,))
        yield Failed(ref=references(alone, store)[doubt.frame.number], reason=doubt.reason)


def _outdated(frames: Iterable[FrameRef], rivals: Iterable[Standing]) -> set[str]:
    """Ids of the frames, and rivals, of which there is a higher baseline among these."""
    moments = {ref.item_id: ref.frame.sensing_time for ref in frames}
    moments |= {each.document["id"]: stac_json.moment(each.document) for each in rivals}
    return versions.superseded(moments)


def _shows_figures(document: stac_json.Document, frame: Frame) -> bool:
    """True unless the API knows cloud or nodata of a frame whose Item was made without."""
    shown = document.get("properties", {})
    return (frame.cloud_cover is None or "eo:cloud_cover" in shown) and (
        frame.nodata_percentage is None or "s2:nodata_pixel_percentage" in shown
    )


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
        if number not in refs and not (task.segment.is_last and number > max(refs))
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
    return tasks, tuple(
        Failed(ref=refs[frame.number], reason=_absence(frame, segments)) for frame in unplaced
    )


def _absence(frame: Frame, segments: Sequence[Segment]) -> str:
    """Why no segment holds a frame."""
    if frame.number < segments[0].start:
        return f"The playlist begins after it, with frame {segments[0].start}."
    return f"The playlist ends before it, at frame {segments[-1].stop - 1}."


def _with_figures(stream: Stream, endpoint: Endpoint, fetch: Fetch) -> Stream:
    """The stream with figures of the TCI stream; no frame is lost for a figure."""
    url = endpoint.tci_metadata(stream.tile, stream.year)
    if url is None:
        return stream
    try:
        answer = fetch(Resource(url=url, is_text=True))
        return answers.with_tci_figures(stream, answer.body, url=answer.url)
    except MissingError:
        reason = f"{endpoint.name} has no TCI metadata at {url} (--tci-path names another path)"
    except UpstreamError as error:
        reason = str(error).removesuffix(".")
    return figures.unpaired(stream, reason)
