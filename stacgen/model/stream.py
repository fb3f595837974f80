"""The nouns that travel between the stages: frozen, typed, each field with its unit and order.

They go one way: `Stream` and its `Frame`s, `Segment`, `Codes`, `Raster`, `Cog`; then an Item,
which is a document and lives in `stacgen.stac.item`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from stacgen.model.bands import Band
from stacgen.model.mgrs import TileId

Unknown = Literal["refuse", "keep", "drop"]
"""Treatment of frames whose cloud or nodata is not known where a limit is set: an error that names
them, or they pass, or they do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The even beat of a stream: frame `n` is shown at `origin + n / rate`."""

    origin: Fraction
    """Presentation time of frame 0, in seconds; 1.4 in most streams, 1.48 in some."""

    rate: int = 25
    """Frames per second."""

    TOLERANCE: ClassVar[Fraction] = Fraction(1, 10)
    """Frames by which a time may be off its beat."""

    begins_at_zero: bool = False
    """True if frame 0 is known to be the first of the stream. Otherwise the first segment tells by
    its own time which frame it begins with."""

    is_relative: bool = False
    """True if the API gives no times: `origin` is 0 and counts from the beginning of the stream, of
    which the first segment tells the presentation time."""

    def number_at(self, seconds: Fraction) -> int | None:
        """The number of the frame shown at that time, or None between two beats.

        MPEG-TS counts in 1/90000 s and the API rounds to the hundredth or finer; a tenth of a
        frame is far more than both together.

        >>> Timeline(origin=Fraction("1.4")).number_at(Fraction("1.48"))
        2
        """
        beats = (seconds - self.origin) * self.rate
        number = round(beats)
        return number if abs(beats - number) < self.TOLERANCE else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One acquisition as the API describes it; its pixels are one frame of the video."""

    number: int
    """Place on the beat of the stream. It follows from the presentation time; `image_number`, which
    begins with 0 or 1 or anywhere, is a label that agrees with it in most streams."""

    sensing_time: datetime
    """When the satellite saw the tile, in UTC."""

    baseline: str | None
    """Version of ESA's processor, `05.11`; None for true colour, of which the API does not say."""

    scale: float
    """Digital numbers per code; 1 for true colour."""

    offset: float
    """Digital number of code 0; 0 for true colour."""

    cloud_cover: float | None
    """Cloudy pixels in percent, from the API; None where it does not say."""

    nodata_percentage: float | None
    """Nodata pixels in percent, from the API; None where it does not say."""

    unknown_reason: str = ""
    """Why one of the two is not known, `no TCI image is of that second`; empty where both are known
    or the API was not asked."""

    @property
    def has_figures(self) -> bool:
        """True if both cloud and nodata are known."""
        return self.cloud_cover is not None and self.nodata_percentage is not None

    def __str__(self) -> str:
        """Number and time, as messages name a frame."""
        return f"frame {self.number} ({timestamp(self.sensing_time)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A frame that is refused before it is fetched, since no pixels can be paired with it."""

    frame: Frame
    reason: str
    """A sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """All frames of a tile, band and year, and where their video is."""

    tile: TileId
    band: Band
    year: int
    playlist_url: str
    """Absolute URL of the HLS playlist, as the API gave it."""

    sizes: Mapping[int, str] = field(default_factory=dict)
    """URLs of the playlists of all resolutions, in metres, that a true-colour stream comes in."""

    frames: tuple[Frame, ...]
    """In the order of their numbers, which are unique."""

    doubtful: tuple["Doubt", ...] = ()
    """Frames that the API lists and whose place in the stream is not certain."""

    timeline: Timeline
    service: str = "ESA DUNIA"
    """Name of the service that distributes it, as documents give it."""

    is_sample: bool = False
    """True if the pixels are a synthetic landscape, as the answer itself says."""

    def __str__(self) -> str:
        """Tile, band and year, as a user types them."""
        return f"{self.tile} {self.band.name} {self.year}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Where the pixels of a frame lie: north up, square pixels."""

    epsg: int
    left: float
    """Easting of the outer edge of the first column."""

    top: float
    """Northing of the outer edge of the first row."""

    resolution: int
    """Ground size of one pixel, in metres."""

    size: int
    """Rows, and columns."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns), numpy order."""
        return self.size, self.size

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(left, bottom, right, top) in the CRS.

        >>> Grid(epsg=32629, left=199980, top=1600020, resolution=60, size=1830).bounds
        (199980, 1490220, 309780, 1600020)
        """
        extent = self.size * self.resolution
        return self.left, self.top - extent, self.left + extent, self.top

    @property
    def transform(self) -> tuple[float, float, float, float, float, float]:
        """(a, b, c, d, e, f) of x = a·column + b·row + c, y = d·column + e·row + f."""
        return self.resolution, 0, self.left, 0, -self.resolution, self.top


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteRange:
    """A part of a resource."""

    offset: int
    """First byte, from 0."""

    length: int

    @property
    def header(self) -> str:
        """The value of an HTTP Range header.

        >>> ByteRange(offset=100, length=50).header
        'bytes=100-149'
        """
        return f"bytes={self.offset}-{self.offset + self.length - 1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Something to fetch: a URL, whole or a part of it."""

    url: str
    """Absolute."""

    part: ByteRange | None = None
    """None for the whole."""

    named_by: str | None = None
    """URL of the playlist that named it; None where the user or the API did."""

    is_text: bool = False
    """Whether it is JSON or a playlist, which are small, rather than video."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A piece of the video that decodes by itself, and the frames it holds."""

    media: Resource
    start: int
    """Number of its first frame."""

    stop: int
    """One more than the number of its last frame."""

    is_last: bool = False
    """True for the last of the playlist, which may hold a frame more or less than `stop` says:
    packagers round its duration."""

    initialization: Resource | None = None
    """Headers to put before the media (EXT-X-MAP), for fragmented MP4."""

    def __contains__(self, number: int) -> bool:
        """Whether the frame of that number lies in here."""
        return self.start <= number < self.stop

    def __str__(self) -> str:
        """The file name and the frames, as messages name a segment."""
        name = self.media.url.partition("?")[0].rpartition("/")[2]
        return f"segment {name} (frames {self.start} to {self.stop - 1})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """One decoded frame: what the video holds, before it means anything."""

    number: int
    """Number of the frame in the stream."""

    pixels: NDArray[np.uint16] | NDArray[np.uint8]
    """(rows, columns), read-only: the decoder's own memory, which later frames refer to. Of true
    colour (rows, columns, 3) of red, green and blue."""

    bits: int
    """Bits a code; codes run from 0 to 2**bits - 1."""

    seconds: Fraction = Fraction(0)
    """Presentation time."""

    verified: str | None = None
    """Kind of the picture hash in the stream that the pixels fit: `md5`, `crc` or `checksum`; None
    where the stream has none."""

    jump: float | None = None
    """Share of the edges between two rows of blocks, 0 to 1, that are steeper than in any sound
    frame known, where the stream has no picture hash; None where there is nothing to tell.
    """

    software: Mapping[str, str] = field(default_factory=dict)
    """What decoded it, name and version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which frames are wanted; what is None does not restrict."""

    start: datetime | None = None
    """The earliest sensing time, itself included, in UTC."""

    end: datetime | None = None
    """The latest sensing time, itself included, in UTC."""

    max_cloud: float | None = None
    """Percent."""

    max_nodata: float | None = None
    """Percent."""

    unknown: Unknown = "refuse"
    """Frames that `max_cloud` or `max_nodata` cannot judge."""

    limit: int | None = None
    """How many, the earliest first."""

    def spans(self, moment: datetime) -> bool:
        """True if a sensing time is within the interval."""
        return (self.start is None or self.start <= moment) and (
            self.end is None or moment <= self.end
        )


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, with a fraction only where there is one.

    >>> timestamp(datetime(2025, 3, 2, 11, 21, 9, 24000, tzinfo=UTC))
    '2025-03-02T11:21:09.024Z'
    """
    moment = moment.astimezone(UTC).replace(tzinfo=None)
    timespec = "milliseconds" if moment.microsecond % 1000 == 0 else "microseconds"
    return f"{moment.isoformat(timespec=timespec if moment.microsecond else 'seconds')}Z"


def item_ids(stream: Stream) -> dict[int, str]:
    """The Item id of each frame by its number: the file name of ESA's notebook.

    True colour has no baseline in it. Where a later frame would share it (two acquisitions in one
    second, of one baseline), its frame number is added; the first keeps its id, so that what is
    published stays what it was.
    """
    ids: dict[int, str] = {}
    taken: set[str] = set()
    for frame in stream.frames:
        second = frame.sensing_time.strftime("%Y%m%dT%H%M%S")
        band = stream.band
        baseline = "" if frame.baseline is None else f"_{frame.baseline}"
        stem = f"T{stream.tile}_{second}{baseline}_{band.name}_{band.resolution}m"
        ids[frame.number] = f"{stem}_{frame.number}" if stem in taken else stem
        taken.add(stem)
    return ids
