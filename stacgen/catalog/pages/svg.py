"""Shapes and dates as SVG: path data and labels in user units. Pure; draws no pixel itself."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

WIDTH = 320
"""Of a map, in user units."""

SPAN = 1000
"""Of a time line, in user units; it is stretched to the width of the page."""

DEPTH = 100
"""Of a time line, in user units: one a percent."""

_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 45)
"""Degrees between the lines of a graticule; the finest that gives no more than `_LINES`."""

_LINES = 5
_ROOM = 24
"""User units that half a name takes; nearer to the edge it would be cut off."""

_TURN = 360
_HALF_TURN = 180
_RIGHT_ANGLE = 90
_FLATTEST = 0.2
"""The least that a degree of longitude is drawn of one of latitude, so that poles stay narrow."""

Bbox = tuple[float, float, float, float]
"""(west, south, east, north) in degrees; west is above east across the antimeridian."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A line of the graticule by name."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """A piece of ground in plate carrée, its longitudes shrunk as they are in its middle."""

    west: float
    """Longitude of the left edge; those in the window may go on beyond 180."""

    north: float
    x_scale: float
    """User units a degree of longitude."""

    y_scale: float
    """User units a degree of latitude."""

    height: float
    """In user units; the width is `WIDTH`."""

    @classmethod
    def around(cls, bbox: Bbox, *, margin: float, least: float = 0) -> "Map":
        """A map of a box with a margin, a part of its size, and at least so many degrees high."""
        west, south, east, north = bbox
        east += _TURN * (west > east)
        middle = (south + north) / 2
        squeeze = max(math.cos(math.radians(middle)), _FLATTEST)
        side = max(east - west, (north - south) / squeeze, least / squeeze)
        width = side * (1 + 2 * margin)
        high = max(north - south, least / 2) + 2 * margin * side * squeeze
        scale = WIDTH / width
        return cls(
            west=(west + east - width) / 2,
            north=middle + high / 2,
            x_scale=scale,
            y_scale=scale / squeeze,
            height=round(high * scale / squeeze, 1),
        )

    def path(self, geometry: Mapping[str, Any]) -> str:
        """Path data of the outer rings of a Polygon or MultiPolygon, to a tenth of a unit."""
        polygons = geometry["coordinates"]
        if geometry["type"] == "Polygon":
            polygons = [polygons]
        return "".join(self._ring(polygon[0]) for polygon in polygons)

    def box(self, bbox: Bbox) -> str:
        """Path data of a box."""
        west, south, east, north = bbox
        east += _TURN * (west > east)
        corners = ((west, north), (east, north), (east, south), (west, south), (west, north))
        return self._ring(corners)

    def graticule(self) -> tuple[str, tuple[Label, ...]]:
        """Path data of meridians and parallels at round degrees, and their names."""
        east = self.west + WIDTH / self.x_scale
        south = self.north - self.height / self.y_scale
        step = next((s for s in _STEPS if (east - self.west) / s <= _LINES), _STEPS[-1])
        path, labels = [], []
        for longitude in _multiples(self.west, east, step):
            x = round((longitude - self.west) * self.x_scale, 1)
            path.append(f"M{x},0V{self.height}")
            if _ROOM < x < WIDTH - _ROOM:
                labels.append(Label(x=x, y=self.height, text=_meridian(longitude)))
        for latitude in _multiples(south, self.north, step):
            if abs(latitude) <= _RIGHT_ANGLE:
                y = round((self.north - latitude) * self.y_scale, 1)
                path.append(f"M0,{y}H{WIDTH}")
                labels.append(Label(x=0, y=y, text=_named(latitude, "N", "S")))
        return "".join(path), tuple(labels)

    def _ring(self, ring: Iterable[Any]) -> str:
        west, north, across, down = self.west, self.north, self.x_scale, self.y_scale
        corners = [
            f"{(x - west + _TURN * (west - x > _HALF_TURN)) * across:.1f},{(north - y) * down:.1f}"
            for x, y, *_ in ring
        ]
        return f"M{'L'.join(corners[:-1])}z"  # the last is the first


def dots(points: Iterable[tuple[datetime, float]], start: datetime, end: datetime) -> str:
    """Path data of points of no length, which round caps make dots; 0 percent lies at the bottom.

    Args:
        points: Times, and percentages from 0 to 100.
        start: The time at the left edge.
        end: The time at the right edge.
    """
    length = max((end - start).total_seconds(), 1)
    return "".join(
        f"M{(moment - start).total_seconds() * SPAN / length:.0f},{DEPTH - percent:.0f}h0"
        for moment, percent in points
    )


def _multiples(low: float, high: float, step: float) -> Iterator[float]:
    first = math.ceil(low / step)
    for number in range(first, math.floor(high / step) + 1):
        yield round(number * step, 6)


def _meridian(longitude: float) -> str:
    return _named((longitude + _HALF_TURN) % _TURN - _HALF_TURN, "E", "W")


def _named(degrees: float, positive: str, negative: str) -> str:
    side = (positive if degrees > 0 else negative) if degrees else ""
    return f"{abs(round(degrees, 6)):g}° {side}".strip()
