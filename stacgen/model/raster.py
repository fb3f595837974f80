"""Nouns of pixels and of the files that hold them, each field with its unit and axis order.

They follow on those of `stacgen.model.stream`: `Codes` become a `Raster` or a `ColorImage`, and
that a `Cog`.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Exact figures of the valid pixels of a frame, in digital numbers."""

    minimum: int
    maximum: int
    mean: float
    stddev: float
    """Of the population: divided by the count."""

    count: int
    """Valid pixels: those that are not nodata."""

    valid_percent: float
    """Valid pixels, in percent of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Which ground a frame shows, seen on every `step`-th pixel."""

    valid: NDArray[np.bool_]
    """(rows, columns); True where the sensor saw the ground."""

    step: int
    """Pixels of the frame a cell, along either axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Where the valid pixels are."""

    geometry: Mapping[str, Any]
    """GeoJSON Polygon, counter-clockwise; MultiPolygon where it crosses the antimeridian."""

    bbox: tuple[float, float, float, float]
    """(west, south, east, north); west is above east where it crosses the antimeridian."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raster:
    """One frame as digital numbers."""

    pixels: NDArray[np.uint16]
    """(rows, columns); 0 is nodata."""

    statistics: Statistics | None
    """None where no pixel is valid."""

    coverage: Coverage
    saturated: int
    """Pixels whose digital number did not fit 0..65535 and was set to the nearer end."""

    cleaned: int
    """Pixels set to nodata that video coding had blurred; 0 with `--clean-nodata none`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColorImage:
    """One frame in true colour."""

    pixels: NDArray[np.uint8]
    """(rows, columns, 3) of red, green and blue, as the decoder gives them."""

    valid: NDArray[np.bool_]
    """(rows, columns); True where the sensor saw the ground."""

    statistics: tuple[Statistics, ...]
    """Of red, green and blue, in bytes; none where no pixel is valid."""

    coverage: Coverage


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """Size and checksum of a file as it was written."""

    size: int
    """Bytes."""

    sha256: str
    """Lower-case hexadecimal."""

    @classmethod
    def of(cls, content: bytes | Path) -> Self:
        """Those of a content, or of a file."""
        if isinstance(content, bytes):
            return cls(size=len(content), sha256=hashlib.sha256(content).hexdigest())
        with content.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return cls(size=file.tell(), sha256=digest)

    @property
    def multihash(self) -> str:
        """The STAC file extension's checksum: `12` sha2-256, `20` its 32 bytes, the digest."""
        return f"1220{self.sha256}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reflectance:
    """Digital numbers to surface reflectance: `number * scale + offset`."""

    scale: float = 0.0001
    offset: float = 0.0

    @classmethod
    def of(cls, baseline: str | None) -> "Reflectance":
        """As ESA defines it: from baseline 04.00 on, 1000 is added to every number.

        Source: *Sentinel-2 Products Specification Document*, QUANTIFICATION_VALUE 10000 and
        BOA_ADD_OFFSET -1000.

        >>> Reflectance.of("05.11").offset, Reflectance.of("03.01").offset
        (-0.1, 0.0)
        """
        return cls(offset=-0.1) if baseline is not None and baseline >= "04.00" else cls()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a raster file says of its pixels: of the one band, or of all of them alike."""

    epsg: int
    """A projected CRS in metres."""

    transform: tuple[float, float, float, float, float, float]
    """North up, as in `Grid.transform`."""

    nodata: int | None
    """None where a mask tells what is valid."""

    description: str
    scale: float
    offset: float
    tags: Mapping[str, str]
    """GDAL metadata of the band, such as `STATISTICS_MEAN`."""

    more: tuple[str, ...] = ()
    """Descriptions of the bands after the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cog:
    """A finished Cloud-Optimized GeoTIFF in a scratch folder."""

    path: Path
    file: StoredFile
    software: Mapping[str, str]
    """What wrote it, name and version."""

    preview: NDArray[Any]
    """The smallest overview: (rows, columns) of digital numbers, of which 0 is nodata; or (rows,
    columns, 4) of red, green, blue and opacity."""


def row_blocks(rows: int, height: int) -> Iterator[slice]:
    """Slices of at most `height` rows that together are all of them, in order."""
    for first in range(0, rows, height):
        yield slice(first, min(first + height, rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What a raster file is, by itself and by its pixels."""

    problems: tuple[str, ...]
    """Why it is no valid COG; none, where it is."""

    epsg: int | None
    transform: tuple[float, float, float, float, float, float]
    shape: tuple[int, int]
    data_type: str
    nodata: float | None
    scale: float
    offset: float
    statistics: tuple[Mapping[str, float], ...]
    """Of the pixels of each band that are not nodata, by the names that Items have for them."""


AUTO: Final = "auto"
NONE: Final = "none"

Cleaning = int | Literal["auto", "none"]
"""`auto`: nodata is what cannot be ground; an integer: codes up to it; `none`: code 0 alone."""
