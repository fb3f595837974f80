"""What the sample platform holds, by value: the answers of its API and its playlists.

Nothing here knows HTTP, and nothing here encodes.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from stacgen.dunia.sample import landscape, passes, weather
from stacgen.model import mgrs
from stacgen.model.mgrs import TileId

FRAMES: Final = 4
"""Frames in a segment; the last one of a year may hold fewer."""

_HEAVY: Final = 8_000
"""Pixels in a row from which a segment holds one frame, which takes seconds to encode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Pixels and clock of a stream."""

    painted: str
    """FFmpeg's name of the format in which frames are made."""

    coded: str
    """FFmpeg's name of the format that is encoded."""

    data_type: str
    """Of the frames that are made, as numpy names it."""

    colours: int
    """Components of a pixel."""

    rate: int
    """Frames per second."""

    ticks: int
    """Per second, in which times are counted; 1.4 s and the time of a frame are whole numbers."""

    def shape(self, size: int) -> tuple[int, ...]:
        """Shape of a frame of so many rows and columns, numpy order."""
        return (size, size) if self.colours == 1 else (size, size, self.colours)

    def pts(self, number: int) -> int:
        """Ticks at which a frame is shown: the first at 1.4 s, as ffmpeg's muxer begins."""
        return self.ticks * 7 // 5 + self.ticks // self.rate * number


BAND: Final = Kind(
    painted="gray12le", coded="gray12le", data_type="<u2", colours=1, rate=25, ticks=25
)
"""Twelve bits a pixel in two bytes, nothing but luma."""

TCI: Final = Kind(painted="rgb24", coded="yuv420p", data_type="u1", colours=3, rate=4, ticks=20)
"""True colour in eight bits, chroma in half the rows and columns."""

_TCI_STREAMS = {"stream_2k": "TCI_60m", "stream_4k": "TCI_20m", "stream_full": "TCI_10m"}
"""The sizes of the true-colour stream, by their keys in the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One tile, band and year."""

    tile: TileId
    band: str
    """Of `landscape.bands`, or a size of true colour, of `landscape.pictures`."""

    year: int

    @property
    def path(self) -> str:
        """Where it is served, without a slash at the end."""
        return f"/streams/{self.tile}/{self.band}/{self.year}"

    @property
    def kind(self) -> Kind:
        """How its frames are coded."""
        return TCI if self.band in landscape.pictures() else BAND

    @property
    def playlist_path(self) -> str:
        """Where its playlist is served."""
        return f"{self.path}/stream.m3u8"

    @property
    def numbers(self) -> list[range]:
        """The frame numbers of each segment."""
        count = len(passes.of_year(self.tile, self.year))
        few = 1 if landscape.size(self.band) >= _HEAVY else FRAMES
        return [range(at, min(at + few, count)) for at in range(0, count, few)]


def band_metadata(stream: Stream, *, base: str) -> bytes:
    """The answer to `band_metadata`: where the stream is, and how to read each of its frames."""
    images = [
        {
            "sensing_time": _time(of, "microseconds"),
            "image_number": of.number,
            "pts_time": round(1.4 + of.number / BAND.rate, 6),
            "baseline": of.baseline,
            "scale_factor": landscape.scale(of, stream.band),
            "add_offset": 0.0,
        }
        for of in passes.of_year(stream.tile, stream.year)
    ]
    return _json({"metadata": {"stream_full": f"{base}{stream.playlist_path}"}, "images": images})


def tci_metadata(tile: TileId, year: int, *, base: str) -> bytes:
    """The answer to `metadata/s2`: the true-colour streams, and cloud and nodata of each image."""
    images = [
        {
            "sensing_time": _time(of, "seconds"),
            "image_number": of.number,
            "cloudy_pixel_percentage": cloudy,
            "nodata_pixel_percentage": nodata,
        }
        for of, (cloudy, nodata) in zip(
            passes.of_year(tile, year), figures(tile, year), strict=True
        )
    ]
    urls = {
        key: f"{base}{Stream(tile=tile, band=name, year=year).playlist_path}"
        for key, name in _TCI_STREAMS.items()
    }
    return _json({"metadata": urls, "images": images})


def bounds(tile: TileId) -> bytes:
    """The answer to `utm-bounds`."""
    return _json({"utm": {"epsg": f"EPSG:{mgrs.epsg(tile)}", "bbox": mgrs.bounds(tile)}})


def playlist(stream: Stream) -> bytes:
    """The stream's HLS playlist; its segments stand beside it."""
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        f"#EXT-X-TARGETDURATION:{FRAMES // stream.kind.rate}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
    ]
    for index, numbers in enumerate(stream.numbers):
        lines += [f"#EXTINF:{len(numbers) / stream.kind.rate:.6f},", f"seg_{index:03d}.ts"]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""]).encode()


@lru_cache(maxsize=16)
def figures(tile: TileId, year: int) -> tuple[tuple[float, float], ...]:
    """Cloud and nodata percentages of each acquisition, counted on the 60 m grid."""
    skies = (weather.sky(of) for of in passes.of_year(tile, year))
    return tuple((sky.cloudy_percentage, sky.nodata_percentage) for sky in skies)


def _time(of: passes.Pass, timespec: str) -> str:
    return of.time.replace(tzinfo=None).isoformat(timespec=timespec)


def _json(value: dict[str, object]) -> bytes:
    """An answer, which says of itself that nothing of it was sensed."""
    return json.dumps({"synthetic": True, **value}, indent=1).encode()
