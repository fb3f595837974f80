"""Streams to measure on, made on the spot from the package's own sample and kept in memory."""

import json
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stacgen.dunia import endpoints, sample
from stacgen.dunia.answers import parse_stream
from stacgen.dunia.playlist import parse
from stacgen.io.http import Http
from stacgen.model.bands import Band, find
from stacgen.model.mgrs import TileId
from stacgen.model.mgrs import parse as parse_tile
from stacgen.model.stream import Resource, Segment, Stream

TILE: TileId = parse_tile("29PKR")
YEAR = 2025
FRAMES_A_SEGMENT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """The first frames of a stream, and their segments as files."""

    band: Band
    stream: Stream
    segments: tuple[Segment, ...]
    files: tuple[Path, ...]
    """One a segment, in their order."""

    bounds: bytes
    metadata: bytes
    tci: bytes

    @property
    def frames(self) -> int:
        """How many the segments hold."""
        return self.segments[-1].stop


def make(band: str, frames: int, folder: Path) -> Material:
    """Encode the first frames of a band; a 10 m frame takes a few seconds."""
    wanted = find(band)
    fetch = Http()
    with sample.serve() as base:
        endpoint = endpoints.find(base)
        url = endpoint.band_metadata(TILE, wanted, YEAR)
        metadata = fetch(Resource(url=url)).body
        stream = parse_stream(metadata, url=url, tile=TILE, band=wanted, year=YEAR)
        playlist = fetch(Resource(url=stream.playlist_url))
        listing = parse(playlist.body.decode(), base=stream.playlist_url, rate=stream.timeline.rate)
        segments = listing.segments[: frames // FRAMES_A_SEGMENT]
        files = []
        for index, segment in enumerate(segments):
            path = folder / f"{band}_{index:03}.ts"
            path.write_bytes(fetch(segment.media).body)
            files.append(path)
        return Material(
            band=wanted,
            stream=stream,
            segments=segments,
            files=tuple(files),
            bounds=fetch(Resource(url=endpoint.tile_bounds(TILE))).body,
            metadata=metadata,
            tci=fetch(Resource(url=endpoint.tci_metadata(TILE, YEAR) or "")).body,
        )


@contextmanager
def served(material: Material) -> Iterator[str]:
    """The material behind a DUNIA of its own, so that nothing but serving is done meanwhile."""
    import dunia  # noqa: PLC0415 - beside the tests, on whose path it is then

    name = material.band.name
    images = json.loads(material.metadata)["images"][: material.frames]
    with dunia.Server().running() as server:
        folder = f"/streams/{TILE}/{name}/{YEAR}"
        for index, path in enumerate(material.files):
            server.content[f"{folder}/seg_{index:03}.ts"] = path.read_bytes()
        lengths = [segment.stop - segment.start for segment in material.segments]
        server.content[f"{folder}/stream.m3u8"] = dunia.playlist(lengths)
        server.put_json(
            f"/api/streaming/band_metadata/{TILE}/{name}/{YEAR}",
            {"metadata": {"stream_full": f"@BASE@{folder}/stream.m3u8"}, "images": images},
        )
        server.content[f"/api/streaming/s2-tiles/utm-bounds/{TILE}"] = material.bounds
        server.content[dunia.tci_path(TILE, YEAR)] = material.tci
        yield server.base


if __name__ == "__main__":
    name, number, target = sys.argv[1:]
    made = make(name, int(number), Path(target).parent)
    # Under the name by which others will know it.
    import streams

    Path(target).write_bytes(
        pickle.dumps(
            streams.Material(**{field: getattr(made, field) for field in Material.__slots__})
        )
    )
