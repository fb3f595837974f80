"""Costs of compressing true colour, in bytes and error: `python tests/benchmarks/true_colour.py`.

Four frames of the sample's true-colour stream in 60 m are decoded, and written with each
compression. The table gives the mean size of a COG, and how far its bytes are from those of the
stream. It takes a minute. Segments of another stream in 60 m may be given instead.
"""

import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import get_args

import numpy as np
import rasterio

from stacgen.dunia import sample
from stacgen.dunia.answers import parse_stream
from stacgen.dunia.endpoints import find
from stacgen.dunia.playlist import parse
from stacgen.io.http import Http
from stacgen.model import bands, mgrs
from stacgen.model.cog_profile import CogProfile, Compression
from stacgen.model.raster import ColorImage
from stacgen.model.stream import Grid, Resource, Timeline
from stacgen.raster import cog, true_colour
from stacgen.video import decoder

TILE, YEAR, BAND = mgrs.parse("29PKR"), 2025, bands.find("TCI", resolution=60)
GRID = Grid(epsg=32629, left=199980, top=1600020, resolution=60, size=BAND.size)
QUALITIES = {"jpeg": (75, 90, 95), "webp": (75, 90, 95)}


def images(media: bytes) -> list[ColorImage]:
    """The decoded frames of a segment."""
    found = decoder.frames(
        media,
        numbers=range(1),
        timeline=Timeline(origin=Fraction(0), rate=4, is_relative=True),
        shape=(BAND.size, BAND.size),
        is_color=True,
        is_last=True,
    )
    return [true_colour.image(codes, GRID) for codes in found]


def segment() -> bytes:
    """The first segment of the sample's stream."""
    fetch = Http()
    with sample.serve() as base:
        url = find(base).metadata(TILE, BAND, YEAR)
        answer = fetch(Resource(url=url))
        stream = parse_stream(answer.body, url=url, tile=TILE, band=BAND, year=YEAR)
        playlist = fetch(Resource(url=stream.playlist_url)).body.decode()
        return fetch(parse(playlist, base=stream.playlist_url, rate=4).segments[0].media).body


def cost(frames: list[ColorImage], profile: CogProfile) -> tuple[float, float, int]:
    """Megabytes of a COG, and mean and 99.9th percentile of the error of valid bytes."""
    sizes, errors = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number, frame in enumerate(frames):
            path = Path(folder) / f"{number}.tif"
            sizes.append(cog.encode_color(frame, GRID, path, profile=profile).file.size)
            with rasterio.open(path) as file:
                found = file.read().transpose(1, 2, 0)
            errors.append(np.abs(found.astype(np.int16) - frame.pixels)[frame.valid].ravel())
    every = np.concatenate(errors)
    return float(np.mean(sizes)) / 1e6, float(every.mean()), int(np.percentile(every, 99.9))


def main() -> None:
    """Print the table."""
    media = [each.read_bytes() for each in map(Path, sys.argv[1:])] or [segment()]
    frames = [frame for each in media for frame in images(each)]
    sys.stdout.write("| `--compress` | `--level` | MB | mean error | 99.9 % within |\n")
    sys.stdout.write("| --- | --- | --- | --- | --- |\n")
    for compress in get_args(Compression):
        for level in QUALITIES.get(compress, (None,)):
            profile = CogProfile(compress=compress, level=level)
            size, mean, most = cost(frames, profile)
            shown = "" if level is None else level
            line = f"| `{compress}` | {shown} | {size:.1f} | {mean:.1f} | {most} |\n"
            sys.stdout.write(line.replace("| 0.0 | 0 |", "| 0 | 0 |"))


if __name__ == "__main__":
    main()
