"""Outlines on the ground as longitude and latitude, as STAC has them: across 180 degrees, too."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import antimeridian
import numpy as np
import shapely
import shapely.geometry
from numpy.typing import NDArray
from pyproj import Transformer

from stacgen.model.raster import Footprint

_TOLERANCE = 0.005
"""Degrees by which simplifying may move the outline; STAC readers expect no finer footprint."""

_ANTIMERIDIAN = 180
"""In degrees east."""

_STEP = 5_000
"""Metres between the points of a side that are looked up."""

_DECIMALS = 6
"""Of a degree: a tenth of a metre."""


def united(geometries: Sequence[Mapping[str, Any]]) -> Footprint:
    """The ground that any of several outlines shows, holes dropped; their hull if they lie apart.

    Args:
        geometries: GeoJSON Polygons, or MultiPolygons that the antimeridian cuts.
    """
    shapes = [shapely.geometry.shape(geometry) for geometry in geometries]
    west, _, east, _ = shapely.total_bounds(shapes)
    if east - west > _ANTIMERIDIAN:  # one lies across, or they lie on both sides
        shapes = [shapely.transform(shape, eastward) for shape in shapes]
    whole = shapely.union_all(shapes)
    return published(whole if whole.geom_type == "Polygon" else whole.convex_hull)


def eastward(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Longitudes, of (corner, longitude and latitude), from 0 to 360."""
    return np.column_stack([corners[:, 0] % 360, corners[:, 1]])


def to_degrees(shell: shapely.Polygon, epsg: int) -> shapely.Polygon:
    """A shell in a UTM zone as longitude and latitude; across 180 degrees, longitudes go beyond."""
    # A straight side is bent in degrees: in 110 km by up to 4 km, at 84 degrees north.
    x, y = shapely.segmentize(shell, _STEP).exterior.coords.xy
    longitudes, latitudes = _to_geographic(epsg).transform(x, y)
    if max(longitudes) - min(longitudes) > _ANTIMERIDIAN:  # they jump, so it lies across
        longitudes = [value % 360 for value in longitudes]
    return shapely.Polygon(zip(longitudes, latitudes, strict=True))


def to_metres(degrees: NDArray[np.float64], epsg: int) -> NDArray[np.float64]:
    """Longitudes and latitudes, (positions, 2), as easting and northing of a UTM zone.

    Positions that the projection cannot reach are infinite.
    """
    return np.column_stack(
        _to_geographic(epsg).transform(degrees[:, 0], degrees[:, 1], direction="INVERSE")
    )


def published(shell: shapely.Polygon) -> Footprint:
    """A shell in degrees, whose longitudes may go on beyond 180, as documents have it."""
    degrees = _simplified(shell)
    fixed = antimeridian.fix_polygon(shapely.geometry.polygon.orient(degrees))
    geometry = shapely.geometry.mapping(fixed)
    return Footprint(
        geometry={
            "type": geometry["type"],
            "coordinates": _rounded(geometry["coordinates"]),
        },
        bbox=_bounds(degrees),
    )


def _simplified(shell: shapely.Polygon) -> shapely.Polygon:
    """A shell with fewer corners, rounded.

    Of a small and ragged one simplifying may leave nothing, or pieces; it then keeps its corners.
    Rounding may pinch a hole off, which is dropped.
    """
    simple = shapely.set_precision(shell.simplify(_TOLERANCE), 10**-_DECIMALS)
    if simple.is_empty or simple.geom_type != "Polygon":
        simple = shapely.set_precision(shell, 10**-_DECIMALS)
    return shapely.Polygon(simple.exterior)


def _bounds(degrees: shapely.Polygon) -> tuple[float, float, float, float]:
    """(west, south, east, north) of a shape whose longitudes may go on beyond 180.

    `antimeridian.bbox` leaves out parts of a shape that crosses the antimeridian more than once.
    """
    west, south, east, north = degrees.bounds
    west -= 360 * (west >= _ANTIMERIDIAN)  # what reached across may have been simplified away
    east -= 360 * (east > _ANTIMERIDIAN)
    return tuple(round(value, _DECIMALS) for value in (west, south, east, north))


def _rounded(coordinates: Any) -> Any:  # noqa: ANN401 - GeoJSON nests as deep as its type
    if isinstance(coordinates, float):
        return round(coordinates, _DECIMALS)
    return [_rounded(part) for part in coordinates]


@lru_cache(maxsize=8)
def _to_geographic(epsg: int) -> Transformer:
    return Transformer.from_crs(epsg, 4326, always_xy=True)
