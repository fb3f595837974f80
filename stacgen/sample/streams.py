"""What the sample platform holds, by value: the answers of its API and its playlists.

Nothing here knows HTTP, and nothing here encodes.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from stacgen import tiles
from stacgen.sample import landscape, passes, weather
from stacgen.tiles import TileId

FRAMES: Final = 4
"""Frames a segment; the last one of a year may hold fewer."""

RATE: Final = 25
"""Frames a second."""

TCI: Final = "TCI"
"""The true colour stream: its metadata is answered, its pictures are not made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One tile, band and year."""

    tile: TileId
    band: str
    year: int

    @property
    def path(self) -> str:
        """Where it is served, without a slash at the end."""
        return f"/streams/{self.tile}/{self.band}/{self.year}"

    @property
    def numbers(self) -> list[range]:
        """The frame numbers of each segment."""
        count = len(passes.of_year(self.tile, self.year))
        return [range(at, min(at + FRAMES, count)) for at in range(0, count, FRAMES)]


def band_metadata(stream: Stream, *, base: str) -> bytes:
    """The answer to `band_metadata`: where the stream is, and how to read each of its frames."""
    images = [
        _image(of) | {"scale_factor": landscape.scale(of, stream.band), "add_offset": 0.0}
        for of in passes.of_year(stream.tile, stream.year)
    ]
    return _json(
        {"metadata": {"stream_full": f"{base}{stream.path}/stream.m3u8"}, "images": images}
    )


def tci_metadata(stream: Stream, *, base: str) -> bytes:
    """The answer to `metadata`: how much of each picture is cloud, and how much is missing."""
    images = [
        _image(of) | {"cloudy_pixel_percentage": cloudy, "nodata_pixel_percentage": nodata}
        for of, (cloudy, nodata) in zip(
            passes.of_year(stream.tile, stream.year),
            figures(stream.tile, stream.year),
            strict=True,
        )
    ]
    return _json(
        {"metadata": {"stream_full": f"{base}{stream.path}/stream.m3u8"}, "images": images}
    )


def bounds(tile: TileId) -> bytes:
    """The answer to `utm-bounds`."""
    return _json({"utm": {"epsg": f"EPSG:{tiles.epsg(tile)}", "bbox": tiles.bounds(tile)}})


def playlist(stream: Stream) -> bytes:
    """The stream's HLS playlist; its segments stand beside it."""
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        "#EXT-X-TARGETDURATION:0",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
    ]
    for index, numbers in enumerate(stream.numbers):
        lines += [f"#EXTINF:{len(numbers) / RATE:.6f},", f"seg_{index:03d}.ts"]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""]).encode()


@lru_cache(maxsize=16)
def figures(tile: TileId, year: int) -> tuple[tuple[float, float], ...]:
    """Cloud and nodata percentages of each acquisition, counted on the 60 m grid."""
    skies = (weather.sky(of) for of in passes.of_year(tile, year))
    return tuple((sky.cloudy_percentage, sky.nodata_percentage) for sky in skies)


def _image(of: passes.Pass) -> dict[str, object]:
    return {
        "sensing_time": of.time.replace(tzinfo=None).isoformat(timespec="microseconds"),
        "image_number": of.number,
        "pts_time": round(1.4 + of.number / RATE, 6),
        "baseline": of.baseline,
    }


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1).encode()
