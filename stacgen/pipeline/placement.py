"""Segments paired with frames: by the durations of the playlist, or by the times in the segments.

Durations that add up to whole frames say which frames each segment holds, and decoding refuses a
segment that holds others. Where durations are rounded, or segments are gone, the presentation
times in the segments settle it: those in the first packets of MPEG-TS, and those of the decoded
pictures of fragmented MP4, whose first bytes hold none.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from stacgen.dunia.playlist import MOST_FRAMES, Playlist
from stacgen.errors import MissingError, PlaylistError, SegmentError
from stacgen.model.protocols import Coded, Fetch
from stacgen.model.stream import ByteRange, Segment, Stream, Timeline
from stacgen.model.urls import public_url
from stacgen.video import mpegts, worker

HEAD = 16 * mpegts.PACKET
"""Bytes at the beginning of a segment: its tables, and the first packet of its video."""

_TRIED = 3
"""Segments whose beginning is asked for where those before are missing."""

_MOST = 1_000
"""Segments whose beginnings are asked for; a year has some 40."""

_AT_ONCE = 8
"""Beginnings of segments that are fetched side by side."""


def placed(
    stream: Stream, listing: Playlist, *, fetch: Fetch
) -> tuple[Stream, tuple[Segment, ...]]:
    """The segments of a stream, numbered on its timeline, and the stream with that.

    Args:
        stream: Gives the timeline; one that is relative is settled by the first segment.
        listing: Its playlist.
        fetch: Gets the first packets of segments, only where durations don't settle their frames.

    Raises:
        PlaylistError: A segment is off the beat of the stream, or two begin with the same frame.
        UpstreamError: The beginning of a segment cannot be had or read.
    """
    if stream.timeline.is_relative:
        stream = replace(stream, timeline=_settled(stream, listing, fetch))
    return stream, _numbered(stream, listing, fetch)


def _settled(stream: Stream, listing: Playlist, fetch: Fetch) -> Timeline:
    """The timeline of images without times, of which number 0 (or else 1) is the first frame.

    Numbers that begin with 0 are counted as the services count them. Others must fit the frames
    that there are in one way: from 0, from 1, or as many from the first of them.

    Raises:
        PlaylistError: They fit in no way, or in two.
    """
    numbers = [frame.number for frame in stream.frames]
    segments, first, last = listing.segments, min(numbers), max(numbers)
    start, rate = _first_time(segments[0], stream, fetch), stream.timeline.rate
    bases = [0]
    if first or listing.is_sliding:
        ends = _times(segments[-1], stream, fetch)
        count = round((ends[0] - start) * rate) + len(ends)
        bases = _bases(first, last, count)
    if listing.is_sliding and count != last - first + 1:
        raise PlaylistError(
            f"The playlist of {stream} begins with a later segment, and the API gives no times:"
            " which frames it holds is not known."
        )
    if len(bases) != 1:
        raise PlaylistError(
            f"The API numbers the images of {stream} from {first} to {last} and gives no times, and"
            f" its playlist holds {count} frames: which is which is not known."
        )
    base = bases[0]
    return replace(
        stream.timeline,
        origin=start - Fraction(base, rate),
        begins_at_zero=base == 0,
        is_relative=False,
    )


def _bases(first: int, last: int, count: int) -> list[int]:
    """Numbers that the first of so many frames may have, where images have these."""
    if first == 0:
        return [0]
    bases = [base for base in (0, 1) if 0 <= last - base < count]
    return bases or ([first] if last - first + 1 == count else [])


def _times(segment: Segment, stream: Stream, fetch: Fetch) -> list[Fraction]:
    """Presentation times of all pictures of a segment, in seconds, the earliest first."""
    media = fetch(segment.media).body
    try:
        if segment.initialization is None:
            times = mpegts.check(media).times
            return sorted(Fraction(time, mpegts.CLOCK) for time in times if time is not None)
        coded = Coded(
            media=media,
            initialization=fetch(segment.initialization).body,
            numbers=range(segment.stop - segment.start),
            is_last=True,
            wanted=frozenset(range(MOST_FRAMES)),
            timeline=replace(stream.timeline, origin=Fraction(0), is_relative=True),
            shape=(stream.band.size, stream.band.size),
            is_color=stream.band.is_color,
        )
        with worker.temporary() as decode:
            return [codes.seconds for codes in decode(coded)]
    except SegmentError as error:
        raise PlaylistError(
            f"{_name(segment)} does not tell which frames it holds: {error}."
        ) from error


def _numbered(stream: Stream, listing: Playlist, fetch: Fetch) -> tuple[Segment, ...]:
    segments = listing.segments
    if not listing.is_even:
        return tuple(_by_times(segments, stream, fetch))
    if listing.is_sliding or not stream.timeline.begins_at_zero:
        shift = _shift(segments, stream, fetch)
        segments = tuple(
            replace(each, start=each.start + shift, stop=each.stop + shift) for each in segments
        )
    if listing.is_coarse and _first_if_there(segments[-1], stream, fetch) != segments[-1].start:
        return tuple(_by_times(segments, stream, fetch))
    return segments


def _shift(segments: Sequence[Segment], stream: Stream, fetch: Fetch) -> int:
    """Frames of the stream before the first segment, from the first segment that is there."""
    for segment in segments[:_TRIED]:
        try:
            return _first(segment, stream, fetch) - segment.start
        except MissingError as error:
            missing = error
    raise missing


def _by_times(segments: Sequence[Segment], stream: Stream, fetch: Fetch) -> Iterator[Segment]:
    """Segments that begin where their times say, and end where the next begins."""
    if len(segments) > _MOST:
        raise PlaylistError(
            f"The playlist of {stream} cannot be followed: its durations are no whole frames, and"
            f" it has more than {_MOST} segments to look into."
        )
    is_decoded = segments[0].initialization is not None  # and each decoder takes memory
    with ThreadPoolExecutor(1 if is_decoded else _AT_ONCE) as pool:
        starts = list(pool.map(lambda each: _first_if_there(each, stream, fetch), segments))
    found = _with_missing(segments, starts, stream, fetch)
    for (one, start), (_, stop) in pairwise(found):
        if stop <= start:
            raise PlaylistError(
                f"The playlist of {stream} cannot be followed: {_name(one)} begins with frame"
                f" {start}, and the next segment with frame {stop}."
            )
        yield replace(one, start=start, stop=stop)
    last, start = found[-1]
    yield replace(last, start=start, stop=start + max(1, last.stop - last.start), is_last=True)


def _with_missing(
    segments: Sequence[Segment], starts: Sequence[int | None], stream: Stream, fetch: Fetch
) -> list[tuple[Segment, int]]:
    """Segments with their first frames; one that is missing begins where that before it ends.

    Of several in a row the first stands for all.

    Raises:
        MissingError: All are missing.
    """
    if not any(start is not None for start in starts):
        _first(segments[0], stream, fetch)
    found: list[tuple[Segment, int]] = []
    before, is_missing = 0, False
    for index, (segment, start) in enumerate(zip(segments, starts, strict=True)):
        if start is not None:
            if is_missing and found[-1][1] >= start:
                found.pop()  # no frame lies between its neighbours
            found.append((segment, start))
        elif not is_missing:
            if index:
                before = found[-1][1] + len(_times(segments[index - 1], stream, fetch))
            found.append((segment, before))
        is_missing = start is None
    return found


def _first_if_there(segment: Segment, stream: Stream, fetch: Fetch) -> int | None:
    """The same as `_first`, or None where the segment is missing."""
    try:
        return _first(segment, stream, fetch)
    except MissingError:
        return None


def _first(segment: Segment, stream: Stream, fetch: Fetch) -> int:
    """Number of the first frame of a segment."""
    seconds = _first_time(segment, stream, fetch)
    number = stream.timeline.number_at(seconds)
    if number is None:
        raise PlaylistError(
            f"The playlist of {stream} cannot be followed: {_name(segment)} begins at"
            f" {float(seconds):.6g} s, between two frames of the stream."
        )
    return number


def _first_time(segment: Segment, stream: Stream, fetch: Fetch) -> Fraction:
    """Presentation time of the first picture of a segment, in seconds.

    Raises:
        PlaylistError: It is neither MPEG-TS nor fragmented MP4, or holds no time.
        UpstreamError: It cannot be had.
    """
    if segment.initialization is not None:
        return _times(segment, stream, fetch)[0]
    media = segment.media
    offset = 0 if media.part is None else media.part.offset
    head = fetch(replace(media, part=ByteRange(offset=offset, length=HEAD))).body
    try:
        return mpegts.first_time(head)
    except SegmentError as error:
        raise PlaylistError(
            f"The first packets of {_name(segment)} do not tell which frames it holds: {error}."
        ) from error


def _name(segment: Segment) -> str:
    return public_url(segment.media.url)[:200]
