"""An HLS playlist, turned into segments that know which frames they hold. Pure.

The playlist is read here rather than by FFmpeg: what is fetched, and from where, is then our
decision, and FFmpeg is only ever given bytes.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from urllib.parse import quote, urljoin, urlsplit

import m3u8

from stacgen.errors import PlaylistError
from stacgen.model.stream import ByteRange, Frame, Resource, Segment
from stacgen.model.urls import public_url

_TOLERANCE = Fraction(1, 4)
"""Frames by which the end of a segment may be off the beat before durations count as rounded."""

_IN_URIS = "%/:=&?~#+!$,;'@()*[]"
"""Characters that stay in a URI; others, such as a blank, are percent-encoded."""

_LONGEST, _MOST, _MOST_LINES = 16_384, 100_000, 500_000
"""Characters in a line, segments, and lines beyond which a playlist is no playlist but an attack. A
year has some 150 frames."""

_EACH = frozenset({"#EXTINF", "#EXT-X-BYTERANGE", "#EXT-X-PROGRAM-DATE-TIME", "#EXT-X-BITRATE"})
_MOST_ELSE = 1_000
"""Tags that each segment may have, and how many others there may be: m3u8 compares every key with
all that came before."""

MOST_FRAMES = 1_000
"""In a segment, of which DUNIA's hold four."""

_MOST_IN_ALL = 1_000_000
"""Frames in a stream."""

_BYTE_RANGE = re.compile(r"([1-9]\d{0,14})(?:@(\d{1,15}))?", re.ASCII)
"""Length, and where it starts unless it follows the range before."""


def variant(text: str, *, base: str) -> str | None:
    """The URL of the best variant of a master playlist, or None if this is no master playlist.

    The best has the most pixels, then the highest bandwidth: the full-resolution stream.

    Raises:
        PlaylistError: It is no playlist.
    """
    playlist = _load(text, base)
    if not playlist.is_variant:
        return None
    if not playlist.playlists:
        raise PlaylistError(f"The master playlist {_named(base)} names no stream.")

    def quality(entry: m3u8.Playlist) -> tuple[int, int]:
        width, height = entry.stream_info.resolution or (0, 0)
        return width * height, entry.stream_info.bandwidth or 0

    return _url(max(playlist.playlists, key=quality), base)


@dataclass(frozen=True, slots=True, kw_only=True)
class Playlist:
    """A media playlist, whose durations say which frames each segment holds."""

    segments: tuple[Segment, ...]
    """At least one, in order; the frames of the first are counted from 0."""

    is_even: bool
    """True if each segment ends on a frame, within a quarter of one, and holds one at least.
    Otherwise its durations are rounded, and only the segments themselves know their frames."""

    is_coarse: bool
    """True if all durations are whole tenths of a second: they may be rounded, though even."""

    is_sliding: bool
    """True if segments before the first may be gone: EXT-X-MEDIA-SEQUENCE is above 0."""


def parse(text: str, *, base: str, rate: int) -> Playlist:
    """The segments of a media playlist, each with the numbers of its frames.

    Durations are added up as exact fractions and every boundary is rounded to a frame, so that
    nothing drifts over a year of 0.16 s segments.

    Args:
        text: The playlist.
        base: The URL that it finally came from; relative URIs are resolved against it.
        rate: Frames per second of the stream.

    Raises:
        PlaylistError: It is no media playlist, it is encrypted, has a gap or a discontinuity, a
            URI that is not http(s), or a segment without a duration.
    """
    playlist = _load(text, base)
    if playlist.is_variant:
        raise PlaylistError(f"The playlist {_named(base)} names streams, not segments.")
    segments: list[Segment] = []
    ends = list(_ends(playlist.segments, base, rate))
    start, last = 0, len(ends) - 1
    parts = _Parts(base)
    for index, (entry, stop) in enumerate(zip(playlist.segments, map(round, ends), strict=True)):
        _check(entry, index, base)
        section = entry.init_section
        segments.append(
            Segment(
                media=parts.resource(entry, entry.byterange),
                start=start,
                stop=stop,
                is_last=index == last,
                initialization=section and _Parts(base).resource(section, section.byterange),
            )
        )
        start = stop
    if not segments:
        raise PlaylistError(f"The playlist {_named(base)} holds no segment.")
    return Playlist(
        segments=tuple(segments),
        is_even=all(each.start < each.stop for each in segments)
        and all(abs(end - round(end)) <= _TOLERANCE for end in ends),
        is_coarse=all(round(each.duration, 1) == each.duration for each in playlist.segments),
        is_sliding=bool(playlist.media_sequence),
    )


def locate(
    segments: Iterable[Segment], frames: Iterable[Frame]
) -> tuple[dict[Segment, tuple[Frame, ...]], tuple[Frame, ...]]:
    """The segments that hold wanted frames, and the frames that no segment holds.

    The last segment is also asked for the frame behind its end, since it may hold one more.

    Args:
        segments: In playlist order, without gaps.
        frames: The wanted ones, in the order of their numbers.
    """
    held: dict[Segment, list[Frame]] = {}
    left: list[Frame] = []
    ordered = list(segments)
    ends = [each.stop + each.is_last for each in ordered]
    for frame in frames:
        place = bisect_right(ends, frame.number)
        if place < len(ordered) and frame.number >= ordered[place].start:
            held.setdefault(ordered[place], []).append(frame)
        else:
            left.append(frame)
    return {segment: tuple(several) for segment, several in held.items()}, tuple(left)


def _load(text: str, base: str) -> m3u8.M3U8:
    excess = _excess(text)
    if excess:
        raise PlaylistError(f"The playlist {_named(base)} is refused: it has {excess}.")
    if not text.lstrip("\ufeff \r\n\t").startswith("#EXTM3U"):
        what = "a web page" if text.lstrip()[:1] == "<" else "no HLS playlist"
        raise PlaylistError(f"{_named(base)} is {what}: it does not begin with #EXTM3U.")
    try:
        return m3u8.loads(text)
    except (m3u8.ParseError, ValueError, LookupError, TypeError, OverflowError) as error:
        raise PlaylistError(f"The playlist {_named(base)} cannot be read: {error}.") from error


def _excess(text: str) -> str | None:
    """What a playlist has too much of to be read, or None; with lines as m3u8 sees them."""
    if text.count("\n") > _MOST_LINES:
        return f"more than {_MOST_LINES} lines"
    lines = text.splitlines()
    if max(map(len, lines), default=0) > _LONGEST:
        return f"a line of more than {_LONGEST} characters"
    if len(lines) > _MOST_LINES:
        return f"more than {_MOST_LINES} lines"
    tags = Counter(line.strip().partition(":")[0] for line in lines if "#EXT" in line)
    if tags["#EXTINF"] > _MOST:
        return f"more than {_MOST} segments"
    if sum(count for tag, count in tags.items() if tag not in _EACH) > _MOST_ELSE:
        return f"more than {_MOST_ELSE} tags that are not of a segment"
    return None


def _check(entry: m3u8.Segment, index: int, base: str) -> None:
    key = entry.key
    if key is not None and key.method not in (None, "NONE"):
        problem = f"is encrypted ({key.method})"
    elif entry.gap_tag:
        problem = "is a gap: the publisher says that its frames are missing"
    elif entry.discontinuity and index:
        problem = "begins a discontinuity, after which frame numbers are not known"
    else:
        return
    raise PlaylistError(f"Segment {index + 1} of {_named(base)} {problem}.")


def _ends(entries: Iterable[m3u8.Segment], base: str, rate: int) -> Iterator[Fraction]:
    """The end of each segment, in frames from the beginning of the first."""
    elapsed, previous = Fraction(0), 0
    for index, entry in enumerate(entries):
        where = f"Segment {index + 1} of {_named(base)}"
        try:
            elapsed += Fraction(repr(entry.duration))
        except ValueError as error:
            raise PlaylistError(f"{where} has no duration.") from error
        end = elapsed * rate
        stop = round(end)
        if entry.duration <= 0:
            raise PlaylistError(f"{where} lasts {entry.duration} s, and so holds no frame.")
        if stop - previous > MOST_FRAMES or stop > _MOST_IN_ALL:
            raise PlaylistError(
                f"{where} lasts {entry.duration} s from frame {previous} on, which is refused: a"
                f" segment holds {MOST_FRAMES} frames at most, and a stream {_MOST_IN_ALL}."
            )
        previous = stop
        yield end


class _Parts:
    """Turns URIs and byte ranges into resources; a range without offset follows the one before."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._next: tuple[str, int] = "", 0

    def resource(
        self, entry: m3u8.Segment | m3u8.model.InitializationSection, byterange: str | None
    ) -> Resource:
        url = _url(entry, self._base)
        if byterange is None:
            return Resource(url=url, named_by=self._base)
        form = _BYTE_RANGE.fullmatch(byterange)
        previous, end = self._next
        if form is None or (form[2] is None and previous != url):
            raise PlaylistError(
                f"The byte range {byterange!r} in {_named(self._base)} cannot be followed."
            )
        start = end if form[2] is None else int(form[2])
        length = int(form[1])
        self._next = url, start + length
        part = ByteRange(offset=start, length=length)
        return Resource(url=url, part=part, named_by=self._base)


def _url(entry: m3u8.Segment | m3u8.Playlist | m3u8.model.InitializationSection, base: str) -> str:
    uri: str | None = entry.uri
    if not uri:
        raise PlaylistError(f"The playlist {_named(base)} has an entry without URI.")
    try:
        parts = urlsplit(urljoin(base, uri))
        scheme = parts.scheme
        path, query = (quote(part, safe=_IN_URIS) for part in (parts.path, parts.query))
        url = parts._replace(path=path, query=query).geturl()
    except ValueError as error:
        raise PlaylistError(
            f"The playlist {_named(base)} points to {_named(uri)!r}, which is no URL."
        ) from error
    if scheme not in ("http", "https") or (urlsplit(base).scheme, scheme) == ("https", "http"):
        raise PlaylistError(
            f"The playlist {_named(base)} points to {_named(url)!r}, which is not fetched: only"
            " http(s), and no weaker than the playlist's own."
        )
    return url


def _named(url: str) -> str:
    """The URL as messages have it."""
    return public_url(url)[:200]
