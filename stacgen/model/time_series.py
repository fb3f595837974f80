"""Numbers of a Collection over time, and where on the ground they are taken. Pure."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacgen.model.query import geometries
from stacgen.model.raster import Reflectance
from stacgen.model.stream import timestamp

Polygon = Mapping[str, Any]
"""GeoJSON Polygon or MultiPolygon, in degrees."""

_EDGES = (180, 90)
"""Most degrees of longitude and latitude."""

_RING = 4
"""Fewest positions of a ring, the last being the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A place on the ground, in degrees."""

    longitude: float
    latitude: float

    def __post_init__(self) -> None:
        """Refuse what is no place.

        Raises:
            ValueError: A coordinate is out of range, as when both are swapped or are metres.
        """
        _check_position((self.longitude, self.latitude))

    def __str__(self) -> str:
        """As people write it.

        >>> str(Point(longitude=-10.5, latitude=13.9))
        '13.9° N 10.5° W'
        """
        north, east = "NS"[self.latitude < 0], "EW"[self.longitude < 0]
        return f"{abs(self.latitude):g}° {north} {abs(self.longitude):g}° {east}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the pixels at a place say."""

    mean: float | None
    """In digital numbers, of the valid pixels; None where none is valid."""

    valid: int
    """Pixels that are not nodata."""

    pixels: int
    """Pixels that the place has."""

    covered: float
    """Of them, percent within the footprint of the frame. Outside it a valid pixel is one that
    video coding has leaked into nodata."""

    reflectance: float | None = None
    """Of the mean; None where there is none, or where it was not asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One acquisition."""

    item_id: str
    moment: datetime
    """Sensing time in UTC."""

    cloud: float | None
    """Percent of the tile; None where it is not known."""

    valid: float | None
    """Valid pixels of the tile, in percent; None where it is not known."""

    measured: Measured | None = None
    """At the place that was asked for; None where none was."""


def measure(
    blocks: Iterable[NDArray[np.uint16]], reflectance: Reflectance | None, *, covered: float
) -> Measured:
    """The mean of pixels that come in blocks, nodata left out; exact up to the last division.

    Args:
        blocks: (pixels,) of digital numbers; 0 is nodata.
        reflectance: What turns digital numbers into reflectance, if that is wanted.
        covered: Percent of the pixels within the footprint of the frame.

    >>> blocks = [np.array([0, 10], np.uint16), np.array([20], np.uint16)]
    >>> measure(blocks, None, covered=100).mean
    15.0
    """
    total = valid = pixels = 0
    for block in blocks:
        total += int(block.sum(dtype=np.uint64))
        valid += int(np.count_nonzero(block))
        pixels += block.size
    mean = total / valid if valid else None
    converted = (
        None
        if mean is None or reflectance is None
        else mean * reflectance.scale + reflectance.offset
    )
    return Measured(mean=mean, valid=valid, pixels=pixels, covered=covered, reflectance=converted)


def as_record(reading: Reading) -> dict[str, Any]:
    """A reading as a JSON object; what is not known is null."""
    record: dict[str, Any] = {
        "id": reading.item_id,
        "datetime": timestamp(reading.moment),
        "cloud_cover": reading.cloud,
        "valid_percent": reading.valid,
    }
    measured = reading.measured
    if measured is not None:
        record |= {
            "mean": measured.mean,
            "reflectance": measured.reflectance,
            "valid_pixels": measured.valid,
            "pixels": measured.pixels,
            "covered_percent": measured.covered,
        }
    return record


def polygons(document: object) -> list[Polygon]:
    """All polygons of a GeoJSON document, features and collections opened.

    Raises:
        ValueError: It is no GeoJSON, or holds no polygon, or other shapes, or no degrees.

    >>> ring = [[0, 0], [1, 0], [1, 1], [0, 0]]
    >>> len(polygons({"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}}))
    1
    """
    try:
        found = list(_polygons(document))
        for each in found:
            _check_rings(each)
    except (KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise ValueError("it is not GeoJSON") from error
    if not found:
        raise ValueError("it holds no polygon")
    return found


def _polygons(document: object) -> Iterator[Polygon]:
    for each in geometries(document):
        if each["type"] not in ("Polygon", "MultiPolygon"):
            raise ValueError(f"it holds a {each['type']}, of which no area can be taken")
        yield {"type": each["type"], "coordinates": each["coordinates"]}


def _check_rings(polygon: Polygon) -> None:
    parts = polygon["coordinates"]
    for part in parts if polygon["type"] == "MultiPolygon" else [parts]:
        if not part:
            raise ValueError("a polygon of it has no ring")
        for ring in part:
            if len(ring) < _RING or ring[0] != ring[-1]:
                raise ValueError("a ring of it is not closed, or has fewer than 4 positions")
            for position in ring:
                _check_position((position[0], position[1]))


def _check_position(position: tuple[float, float]) -> None:
    for value, edge in zip(position, _EDGES, strict=True):
        if not (math.isfinite(value) and abs(value) <= edge):
            raise ValueError(
                f"{position[0]:g}, {position[1]:g} is no longitude and latitude in degrees"
            )
