"""Segments paired with frames: by the durations of the playlist, or by the times in the segments.

Durations that add up to whole frames say which frames each segment holds, and decoding refuses a
segment that holds others. Where durations are rounded, or segments are gone, the first packets of
the segments are fetched: their presentation times settle it.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from stacgen import transport
from stacgen.errors import MissingError, PlaylistError, SegmentError
from stacgen.gate import public_url
from stacgen.models import ByteRange, Segment, Stream
from stacgen.playlist import Playlist
from stacgen.ports import Fetch

HEAD = 16 * transport.PACKET
"""Bytes at the beginning of a segment: its tables, and the first packet of its video."""

_TRIED = 3
"""Segments whose beginning is asked for where those before are missing."""

_AT_ONCE = 8
"""Beginnings of segments that are fetched side by side."""


def placed(stream: Stream, listing: Playlist, *, fetch: Fetch) -> tuple[Segment, ...]:
    """The segments of a stream, numbered on its timeline.

    Args:
        stream: Gives the timeline.
        listing: Its playlist.
        fetch: Gets the first packets of segments, only where durations don't settle their frames.

    Raises:
        PlaylistError: A segment is off the beat of the stream, or two begin with the same frame.
        UpstreamError: The beginning of a segment cannot be had or read.
    """
    segments = listing.segments
    if not listing.is_even:
        return tuple(_by_times(segments, stream, fetch))
    if segments[0].initialization is not None:
        return segments  # fragmented MP4 has no times in its first bytes; decoding compares them
    if listing.is_sliding or not stream.timeline.begins_at_zero:
        shift = _shift(segments, stream, fetch)
        segments = tuple(
            replace(each, start=each.start + shift, stop=each.stop + shift) for each in segments
        )
    if listing.is_coarse and _first(segments[-1], stream, fetch) != segments[-1].start:
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
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        starts = list(pool.map(lambda each: _first(each, stream, fetch), segments))
    for (one, start), (_, stop) in pairwise(zip(segments, starts, strict=True)):
        if stop <= start:
            raise PlaylistError(
                f"The playlist of {stream} cannot be followed: {_name(one)} begins with frame"
                f" {start}, and the next segment with frame {stop}."
            )
        yield replace(one, start=start, stop=stop)
    last = segments[-1]
    yield replace(last, start=starts[-1], stop=starts[-1] + max(1, last.stop - last.start))


def _first(segment: Segment, stream: Stream, fetch: Fetch) -> int:
    """Number of the first frame of a segment."""
    seconds = first_time(segment, fetch)
    number = stream.timeline.number_at(seconds)
    if number is None:
        raise PlaylistError(
            f"The playlist of {stream} cannot be followed: {_name(segment)} begins at"
            f" {float(seconds):.6g} s, between two frames of the stream."
        )
    return number


def first_time(segment: Segment, fetch: Fetch) -> Fraction:
    """Presentation time of the first picture of a segment, in seconds.

    Raises:
        PlaylistError: It is no MPEG-TS, or its first packets hold no time.
        UpstreamError: They cannot be had.
    """
    media = segment.media
    offset = 0 if media.part is None else media.part.offset
    head = fetch(replace(media, part=ByteRange(offset=offset, length=HEAD))).body
    try:
        return transport.first_time(head)
    except SegmentError as error:
        raise PlaylistError(
            f"The first packets of {_name(segment)} do not tell which frames it holds: {error}."
        ) from error


def _name(segment: Segment) -> str:
    return public_url(segment.media.url)[:200]
