"""What is asked of a catalog: nouns, and the reading of them. Pure, and light."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stacgen.errors import UsageError
from stacgen.model.stream import timestamp

Bbox = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SortKey:
    """A field by which Items are put in order; those that lack it come last."""

    field: str
    """`id`, `collection`, or a property: `eo:cloud_cover`."""

    descending: bool = False


BY_TIME = (SortKey(field="datetime"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which Items are wanted, and in what order; what is None does not restrict."""

    bbox: Bbox | None = None
    """(west, south, east, north) in degrees that footprints must meet; west may be above east."""

    intersects: Mapping[str, Any] | None = None
    """A GeoJSON geometry that footprints must meet."""

    start: datetime | None = None
    """The earliest sensing time, itself included, in UTC."""

    end: datetime | None = None
    """The latest sensing time, itself included, in UTC."""

    max_cloud: float | None = None
    """Percent; an Item that does not say does not pass."""

    collections: tuple[str, ...] | None = None
    ids: tuple[str, ...] | None = None
    deprecated: bool = True
    """Whether Items answer of which there is a higher baseline."""

    filter: Mapping[str, Any] | bool | None = None
    """An expression in CQL2-JSON (OGC 21-065r2) that must be true of Items."""

    order: tuple[SortKey, ...] = BY_TIME
    """What is equal in all of them is in the order of ids."""

    limit: int | None = None
    """How many at most, the first of the order."""

    def __post_init__(self) -> None:
        """Refuse what nothing could ever answer to.

        Raises:
            UsageError: The box is none, the end lies before the start, a figure is out of range.
        """
        if self.bbox is not None:
            if self.intersects is not None:
                raise UsageError("Say a bbox or a geometry to intersect, not both.")
            _check_bbox(self.bbox)
        check_limits(self.start, self.end, {"cloud": self.max_cloud}, self.limit)

    @property
    def boxes(self) -> tuple[Bbox, ...]:
        """The bbox as boxes of which none crosses the antimeridian; none where there is none.

        >>> Query(bbox=(170, -5, -170, 5)).boxes
        ((170, -5, 180, 5), (-180, -5, -170, 5))
        """
        if self.bbox is None:
            return ()
        west, south, east, north = self.bbox
        if west <= east:
            return (self.bbox,)
        return (west, south, 180, north), (-180, south, east, north)


def check_limits(
    start: datetime | None,
    end: datetime | None,
    percentages: Mapping[str, float | None],
    limit: int | None,
) -> None:
    """Refuse an interval, percentages by name, or a number that nothing could ever answer to.

    Raises:
        UsageError: The end lies before the start, a percentage is none, or the number is below 1.
    """
    if start is not None and end is not None and end < start:
        raise UsageError(
            f"The end {timestamp(end)} lies before the start {timestamp(start)}; swap them."
        )
    for name, value in percentages.items():
        if value is not None and not 0 <= value <= 100:  # noqa: PLR2004 - percent
            raise UsageError(f"The {name} limit {value} is no percentage from 0 to 100.")
    if limit is not None and limit < 1:
        raise UsageError(f"The limit {limit} asks for nothing; it starts at 1.")


def parse_bbox(values: Sequence[float]) -> Bbox:
    """A box of four numbers, or of six with heights, which are left out.

    Raises:
        UsageError: There are not so many.

    >>> parse_bbox([-12, 13, 0, -10, 15, 9000])
    (-12, 13, -10, 15)
    """
    match tuple(values):
        case (west, south, east, north) | (west, south, _, east, north, _):
            return west, south, east, north
    raise UsageError(f"A bbox has four numbers, west south east north, not {len(values)}.")


def geometries(document: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401 - JSON
    """The geometries of a GeoJSON document; opens Features and collections, skips null ones.

    Raises:
        KeyError, TypeError, AttributeError: It is not GeoJSON.

    >>> point = {"type": "Point", "coordinates": [0, 0]}
    >>> list(geometries({"type": "Feature", "geometry": point})) == [point]
    True
    """
    match document["type"]:
        case "Feature":
            if document["geometry"] is not None:
                yield from geometries(document["geometry"])
        case "FeatureCollection":
            for each in document["features"]:
                yield from geometries(each)
        case "GeometryCollection":
            for each in document["geometries"]:
                yield from geometries(each)
        case _:
            yield document


def _check_bbox(bbox: Bbox) -> None:
    west, south, east, north = bbox
    if not all(map(math.isfinite, bbox)) or not -90 <= south <= north <= 90:  # noqa: PLR2004
        raise UsageError(
            f"The bbox {_said(bbox)} is none: south to north must rise, from -90 to 90."
        )
    if not (-180 <= west <= 180 and -180 <= east <= 180):  # noqa: PLR2004
        raise UsageError(f"The bbox {_said(bbox)} is none: west and east lie from -180 to 180.")


def _said(bbox: Bbox) -> str:
    return " ".join(f"{value:g}" for value in bbox)
