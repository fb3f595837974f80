"""One segment, from bytes to published Items: all of its frames, or none.

This is the unit of work. It needs nothing but its arguments, so it runs as well in a thread as in
another process or on another machine.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from stacgen import __version__
from stacgen.errors import DeniedError, SegmentError, UpstreamError, WrongStreamError
from stacgen.model.outcomes import Built, Failed, FrameRef
from stacgen.model.protocols import Coded, Decode, Fetch
from stacgen.model.raster import Cog, Coverage, Footprint, Reflectance, Statistics, StoredFile
from stacgen.model.stream import ByteRange, Codes, Segment
from stacgen.pipeline.placement import HEAD
from stacgen.pipeline.plan import Task
from stacgen.pipeline.task import Context, Done, Recipe, Result
from stacgen.raster import cog, footprint, png, rescale, thumbnail, true_colour
from stacgen.stac import item, stac_json
from stacgen.stac.inventory import read_item
from stacgen.stac.layout import CollectionPlace
from stacgen.video import mpegts, worker

_TRIES = 3
"""How often a segment is fetched before its frames are given up."""

_NO_GROUND = "It shows no ground: every pixel decodes to nodata."

_FAR = 5.0
"""Points of percent between the nodata of a frame and the API's figure that are odd. Of nine frames
of real pixels none was off by more than 0.5."""


def process(
    task: Task, context: Context, *, fetch: Fetch, decode: Decode | None = None
) -> list[Result]:
    """Fetch, decode and publish the wanted frames of a segment.

    Whatever is amiss with the segment, nothing of it is used: it is fetched anew, and after three
    tries its frames have failed.

    Args:
        task: The segment.
        context: What it has in common with others.
        fetch: Gets it.
        decode: Decodes it; None for the children of this process.

    Returns:
        One result a wanted frame, in their order.

    Raises:
        OutputError: The store cannot be written.
    """
    reason = ""
    for _ in range(_TRIES):
        with context.store.scratch() as folder:
            try:
                task, media, initialization = _fetched(task, context, fetch)
                decoded = (decode or worker.shared())(_coded(task, context, media, initialization))
                staged = list(_staged(task, context, decoded, folder))
                if context.recipe.strict and not all(map(_has_hash, staged)):
                    _check_second_fetch(task, context, media + initialization, fetch)
                if not initialization:
                    _check_end(task, media, fetch)
            except WrongStreamError as error:
                reason = f"{task.segment} is of another stream: {error}."
                break
            except SegmentError as error:
                reason = f"{task.segment} cannot be trusted in {_TRIES} tries: {error}."
                continue
            except UpstreamError as error:
                reason = str(error)
                break  # tried often enough already, with pauses
            origin = _origin(task.segment, media)
            return [
                each
                if isinstance(each, Failed)
                else _published(each, task, context, origin, media=media)
                for each in staged
            ]
    return [Failed(ref=ref, reason=reason[:1].upper() + reason[1:]) for ref in task.frames]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Staged:
    """A frame whose files wait in the scratch folder until the whole segment is known good."""

    ref: FrameRef
    statistics: tuple[Statistics, ...]
    """Of each band of the COG."""

    footprint: Footprint
    saturated: int
    cleaned: int
    cog: Cog
    software: Mapping[str, str]
    """What decoded it."""

    thumbnail: bytes
    picture_hash: str | None
    warnings: tuple[str, ...]


def _fetched(task: Task, context: Context, fetch: Fetch) -> tuple[Task, bytes, bytes]:
    """The segment and its initialization, by other URLs if those at hand have run out."""
    renewal = context.renewal
    segment = renewal.current(task.segment)
    try:
        media, initialization = _bytes(segment, fetch)
    except DeniedError as error:
        newer = renewal.after(segment, fetch=fetch)
        if newer is None:
            raise
        try:
            media, initialization = _bytes(newer, fetch)
        except DeniedError:
            raise error from None
        segment = newer
        renewal.was_good()
    following = renewal.following(segment)
    after = task.following if following is None else following.media
    return replace(task, segment=segment, following=after), media, initialization


def _has_hash(staged: "_Staged | Failed") -> bool:
    return isinstance(staged, Failed) or staged.picture_hash is not None


def _check_second_fetch(task: Task, context: Context, content: bytes, fetch: Fetch) -> None:
    """Fetch a segment again, and compare its bytes.

    Raises:
        SegmentError: They are others.
    """
    _, media, initialization = _fetched(task, context, fetch)
    if media + initialization != content:
        raise SegmentError("it was fetched twice, and the bytes differ")


def _check_end(task: Task, media: bytes, fetch: Fetch) -> None:
    """Where the last picture may have been cut off, look at how the next segment goes on."""
    after = task.following
    if after is None or mpegts.check(media).closed[-1]:
        return
    offset = 0 if after.part is None else after.part.offset
    try:
        head = fetch(replace(after, part=ByteRange(offset=offset, length=HEAD))).body
    except UpstreamError:
        return  # it is the next segment's trouble
    if not mpegts.goes_on(media, head):
        raise SegmentError("its end is missing: the next segment counts on from later packets")


def _bytes(segment: Segment, fetch: Fetch) -> tuple[bytes, bytes]:
    start = segment.initialization
    return fetch(segment.media).body, fetch(start).body if start is not None else b""


def _origin(segment: Segment, media: bytes) -> item.Origin:
    """Where the frames come from, with the checksum by which a later change can be noticed."""
    whole = StoredFile.of(media)
    stop = segment.stop
    if segment.is_last and segment.initialization is None:  # the playlist may round its end
        stop = segment.start + len(mpegts.check(media).times)
    return item.Origin(
        url=segment.media.url,
        frames=range(segment.start, stop),
        file=whole if segment.media.part is None else None,
    )


def _coded(task: Task, context: Context, media: bytes, initialization: bytes) -> Coded:
    return Coded(
        media=media,
        initialization=initialization,
        numbers=range(task.segment.start, task.segment.stop),
        is_color=context.stream.band.is_color,
        is_last=task.segment.is_last,
        wanted=frozenset(ref.frame.number for ref in task.frames),
        timeline=context.stream.timeline,
        shape=context.grid.shape,
        twice=context.recipe.strict,
    )


def _staged(
    task: Task, context: Context, decoded: Iterator[Codes], folder: Path
) -> Iterator[_Staged | Failed]:
    wanted = {ref.frame.number: ref for ref in task.frames}
    last = task.segment.start - 1
    for codes in decoded:
        if context.stopped is not None and context.stopped.is_set():
            raise KeyboardInterrupt
        last = codes.number
        yield _stage(wanted.pop(last), codes, context, folder)
    for number, ref in wanted.items():  # none, unless this is the last segment of the stream
        if number < task.segment.stop:
            raise SegmentError(f"frame {number} is missing: it ends with frame {last} or before it")
        yield Failed(ref=ref, reason=f"The stream ends before it, with frame {number - 1}.")


def _stage(ref: FrameRef, codes: Codes, context: Context, folder: Path) -> _Staged | Failed:
    if context.stream.band.is_color:
        return _stage_color(ref, codes, context, folder)
    recipe = context.recipe
    reflectance = _reflectance(ref, recipe)
    raster = rescale.to_digital_numbers(
        codes,
        ref.frame,
        context.grid,
        reflectance=reflectance,
        clean_nodata=recipe.clean_nodata,
    )
    shape = footprint.outline(raster.coverage, context.grid)
    if raster.statistics is None or shape is None:
        return Failed(ref=ref, reason=_NO_GROUND)
    warnings = tuple(_oddities(ref, codes, raster.coverage))
    if warnings and recipe.strict:
        return Failed(ref=ref, reason=" ".join(warnings))
    labels = cog.Labels(band=context.stream.band, reflectance=reflectance)
    file = folder / f"{ref.item_id}.tif"
    written = cog.encode(raster, context.grid, labels, file, profile=recipe.profile)
    return _Staged(
        ref=ref,
        statistics=(raster.statistics,),
        footprint=shape,
        saturated=raster.saturated,
        cleaned=raster.cleaned,
        cog=written,
        software=codes.software,
        thumbnail=thumbnail.encode(written.preview),
        picture_hash=codes.verified,
        warnings=warnings,
    )


def _stage_color(ref: FrameRef, codes: Codes, context: Context, folder: Path) -> _Staged | Failed:
    recipe, frame = context.recipe, true_colour.image(codes, context.grid)
    shape = footprint.outline(frame.coverage, context.grid)
    if not frame.statistics or shape is None:
        return Failed(ref=ref, reason=_NO_GROUND)
    warnings = tuple(_oddities(ref, codes, frame.coverage))
    if warnings and recipe.strict:
        return Failed(ref=ref, reason=" ".join(warnings))
    file = folder / f"{ref.item_id}.tif"
    written = cog.encode_color(frame, context.grid, file, profile=recipe.profile)
    return _Staged(
        ref=ref,
        statistics=frame.statistics,
        footprint=shape,
        saturated=0,
        cleaned=0,
        cog=written,
        software=codes.software,
        thumbnail=png.encode(written.preview[..., :3], written.preview[..., 3]),
        picture_hash=codes.verified,
        warnings=warnings,
    )


def _oddities(ref: FrameRef, codes: Codes, coverage: Coverage) -> Iterator[str]:
    """What speaks against a frame without proving it wrong."""
    if codes.jump is not None:
        yield (
            f"{ref}: in one row of its blocks, {100 * codes.jump:.0f} % do not fit to those above,"
            " as where bits have flipped, and its video has no picture hash that would tell."
        )
    said = ref.frame.nodata_percentage
    found = 100 - 100 * float(coverage.valid.mean())
    if said is not None and abs(found - said) > _FAR:
        yield (
            f"{ref}: {found:.1f} % of it shows no ground, coding noise in nodata included; the API"
            f" says {said:.1f} %."
        )


def _reflectance(ref: FrameRef, recipe: Recipe) -> Reflectance:
    return recipe.reflectance or Reflectance.of(ref.frame.baseline)


def _published(
    staged: _Staged, task: Task, context: Context, origin: item.Origin, *, media: bytes
) -> Done:
    """Put COG, thumbnail and Item in place, in this order."""
    stream, store, ref = context.stream, context.store, staged.ref
    place = CollectionPlace(tile=stream.tile, band=stream.band).item(
        ref.item_id, ref.frame.sensing_time.year
    )
    previous = read_item(store, place)
    quicklook = StoredFile.of(staged.thumbnail)
    document = item.build(
        stream,
        ref.frame,
        context.grid,
        item.Pixels(
            statistics=staged.statistics,
            footprint=staged.footprint,
            reflectance=_reflectance(ref, context.recipe),
            profile=context.recipe.profile,
            saturated=staged.saturated,
            clean_nodata=context.recipe.clean_nodata,
            cleaned=staged.cleaned,
            cog=staged.cog.file,
            thumbnail=quicklook,
            thumbnail_shape=staged.cog.preview.shape[:2],
            picture_hash=staged.picture_hash,
            origin=origin,
        ),
        item_id=ref.item_id,
        software={"stacgen": __version__, **staged.software, **staged.cog.software},
        now=context.now(),
    )
    document = item.succeeding(document, previous)
    store.write(place.cog_key, staged.cog.path, stac_json.COG)
    store.write(place.thumbnail_key, staged.thumbnail, stac_json.PNG)
    store.write(place.key, stac_json.to_bytes(document), stac_json.GEOJSON)
    earlier = item.segment_file(previous) if previous is not None else None
    known = task.known | ({earlier} if earlier is not None else set())
    is_changed = origin.file is not None and not all(
        each == origin.file or _begins(media, each) for each in known
    )
    changed = (
        f"{ref}: {task.segment} is no longer what was fetched before; Items made of it then still"
        " show that."
    )
    return Done(
        built=Built(
            ref=ref,
            size=staged.cog.file.size,
            saturated=staged.saturated,
            cleaned=staged.cleaned,
            warnings=(*staged.warnings, *([changed] * is_changed)),
            changed_source=str(task.segment) if is_changed else None,
        ),
        document=document,
        replaced=previous is not None,
    )


def _begins(media: bytes, known: StoredFile) -> bool:
    """Whether a segment is what it was, or that and more: the last of a year grows."""
    return sha256(media[: known.size]).hexdigest() == known.sha256
