"""Where the segments of a stream are: by the URLs that the API gave, or gives now."""

from dataclasses import replace
from threading import Lock

from stacgen.dunia import answers, playlist
from stacgen.dunia.endpoints import Endpoint
from stacgen.errors import AnswerError, DeniedError, PlaylistError
from stacgen.model.protocols import Fetch
from stacgen.model.stream import Frame, Resource, Segment, Stream
from stacgen.pipeline.placement import placed

_MASTERS = 3
"""Master playlists that are followed one into the next before it is called a loop."""

_VAIN = 3
"""Times that the API is asked for new URLs which then are refused, too, until it is believed."""


class Renewal:
    """New URLs for the segments of a stream whose own were good for a while only.

    All segments of a stream share them: who is denied first asks for all. It may be used by
    several threads; in another process it begins anew.
    """

    def __init__(self, stream: Stream, endpoint: Endpoint) -> None:
        """Ask the API at the endpoint about the stream, but not yet."""
        self._stream, self._endpoint = stream, endpoint
        self._lock = Lock()
        self._now: dict[int, Segment] = {}
        """The newest segments, by their first frames."""

        self._left = _VAIN
        self._change: AnswerError | None = None

    def __reduce__(self) -> tuple[type["Renewal"], tuple[Stream, Endpoint]]:
        """As it was when nothing had been denied."""
        return Renewal, (self._stream, self._endpoint)

    def current(self, segment: Segment) -> Segment:
        """The segment by its newest URL that is known."""
        now = self._now.get(segment.start)
        return segment if now is None or now.stop != segment.stop else now

    def following(self, segment: Segment) -> Segment | None:
        """The segment after it by its newest URL, if any was asked for."""
        return self._now.get(segment.stop)

    def after(self, denied: Segment, *, fetch: Fetch) -> Segment | None:
        """A segment that was denied by another URL, or None where the API has no other.

        Raises:
            AnswerError: The stream is not what it was: the same place holds other frames now.
            UpstreamError: The API or the playlist cannot be had.
        """
        with self._lock:
            if self.current(denied) != denied:
                return self.current(denied)  # another thread has asked meanwhile
            if self._change is not None:
                raise AnswerError(str(self._change))
            if not self._left:
                return None
            self._left -= 1
            try:
                _, found = _asked(self._stream, self._endpoint, fetch=fetch)
            except AnswerError as error:
                self._change = error
                raise
            self._now = {segment.start: segment for segment in found}
            return None if self.current(denied) == denied else self.current(denied)

    def was_good(self) -> None:
        """Have it ask again should the new URLs run out, too."""
        self._left = _VAIN


def segments(
    stream: Stream, endpoint: Endpoint, *, fetch: Fetch
) -> tuple[Stream, tuple[Segment, ...]]:
    """The segments of a stream, by new URLs where its playlist's has run out, and their timeline.

    Raises:
        UpstreamError: They cannot be had, or the stream has changed.
    """
    try:
        return _followed(stream, fetch=fetch)
    except DeniedError:
        return _asked(stream, endpoint, fetch=fetch)


def _asked(
    stream: Stream, endpoint: Endpoint, *, fetch: Fetch
) -> tuple[Stream, tuple[Segment, ...]]:
    url = endpoint.metadata(stream.tile, stream.band, stream.year)
    answer = fetch(Resource(url=url, is_text=True))
    now = answers.parse_stream(
        answer.body, url=answer.url, tile=stream.tile, band=stream.band, year=stream.year
    )
    asked = replace(stream, playlist_url=now.playlist_url, timeline=now.timeline)
    found, segments = _followed(asked, fetch=fetch)
    if not _goes_on(stream, replace(now, timeline=found.timeline)):
        raise AnswerError(
            f"The API has changed {stream} meanwhile: its frames are others than at first. Run it"
            " again."
        )
    return found, segments


def _goes_on(stream: Stream, now: Stream) -> bool:
    """Whether every frame is what it was; further ones may have come behind them."""
    facts = {frame.number: _facts(frame) for frame in now.frames}
    is_same_beat = stream.timeline.is_relative or (
        stream.timeline.number_at(now.timeline.origin) == 0
    )
    return is_same_beat and all(facts.get(frame.number) == _facts(frame) for frame in stream.frames)


def _facts(frame: Frame) -> Frame:
    """What pixels depend on: the figures may have come from elsewhere, or only now."""
    return replace(frame, cloud_cover=None, nodata_percentage=None, unknown_reason="")


def _followed(stream: Stream, *, fetch: Fetch) -> tuple[Stream, tuple[Segment, ...]]:
    resource = Resource(url=stream.playlist_url, is_text=True)
    for _ in range(_MASTERS):
        answer = fetch(resource)
        text = answer.body.decode("utf-8", "replace")
        best = playlist.variant(text, base=answer.url)
        if best is None:
            listing = playlist.parse(text, base=answer.url, rate=stream.timeline.rate)
            return placed(stream, listing, fetch=fetch)
        resource = Resource(url=best, named_by=answer.url, is_text=True)
    raise PlaylistError(f"The playlist of {stream} names only further playlists.")
