"""The Sentinel-2 tiles that show a place on the ground. Needs no network."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import shapely
import shapely.errors
import shapely.geometry
from numpy.typing import NDArray

from stacgen.errors import UsageError
from stacgen.model import geometry, mgrs, query
from stacgen.model.mgrs import TileId
from stacgen.model.query import Bbox, Query

_TURN = 360
_HALF_TURN = 180
_RIGHT_ANGLE = 90
_STEP = 0.5
"""Degrees between the positions at which the edges of a place are compared with a tile's."""

_TALLEST = 1.2
"""Degrees of latitude that no tile reaches."""

_REST = 1e-6
"""Share of a place that counts as nothing: rounding in sums of areas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileMatch:
    """A tile that shows a place, or a part of it."""

    tile: TileId
    epsg: int
    """Code of the tile's UTM zone."""

    bounds: tuple[int, int, int, int]
    """(left, bottom, right, top) in metres of the UTM zone."""

    bbox: Bbox
    """(west, south, east, north) in degrees; west is above east across 180 degrees."""

    coverage: float
    """Percent of the place that the tile shows: of its area, its length, or its points."""

    edge_distance: float | None
    """Metres from the place to the nearest edge of the tile; None where it reaches beyond."""


def find_tiles(
    *,
    point: tuple[float, float] | None = None,
    bbox: Sequence[float] | None = None,
    intersects: Mapping[str, Any] | None = None,
    fewest: bool = False,
) -> list[TileMatch]:
    """Find the Sentinel-2 tiles that show a place; tiles overlap, so there may be several.

    The grid is ESA's, all of it. Tiles of open sea are part of it, though few have a stream.

    Args:
        point: Longitude and latitude, in degrees.
        bbox: West, south, east, north in degrees; west is above east across 180 degrees.
        intersects: GeoJSON in degrees (`--geojson`): a geometry, a Feature or a FeatureCollection.
        fewest: Return only tiles that are needed to show all of the place: the one in which it
            lies most central, or else each time the one that shows most of what is still missing.

    Returns:
        Tiles that show the whole place, the one in which it lies most central first; then the
        others, the largest share first.

    Raises:
        UsageError: There is no place, more than one, or one that is not given in degrees; or it
            lies beyond the grid, which ends 84 degrees north and south.
    """
    place = _place(point, bbox, intersects)
    near = {tile for part in shapely.get_parts(place) for tile in mgrs.near(*part.bounds)}
    matches = sorted(filter(None, (_match(tile, place) for tile in near)), key=_rank)
    if not matches:
        raise UsageError(
            "No Sentinel-2 tile shows that place: the grid ends about 84 degrees north and south."
        )
    return _needed(matches, place) if fewest else matches


def bounds_in_degrees(tile: TileId) -> Bbox:
    """(west, south, east, north) of a tile; west is above east across 180 degrees."""
    west, south, east, north = _outline(tile).bounds
    west -= _TURN * (west >= _HALF_TURN)
    east -= _TURN * (east > _HALF_TURN)
    return round(west, 6), round(south, 6), round(east, 6), round(north, 6)


def _rank(match: TileMatch) -> tuple[bool, float, float, str]:
    """Sort key: whole places before parts, central before marginal, large before small."""
    return (
        match.edge_distance is None,
        -(match.edge_distance or 0),
        -match.coverage,
        match.tile,
    )


def _match(tile: TileId, place: shapely.Geometry) -> TileMatch | None:
    edge_distance = _edge_distance(tile, place)
    if edge_distance >= 0:
        coverage = 100.0
    elif place.geom_type == "Point":
        return None
    else:
        shown = shapely.intersection(_level(place), _ground(tile))
        coverage = 100 * _size(shown, of=place) / _size(_level(place), of=place)
    if not coverage:
        return None
    return TileMatch(
        tile=tile,
        epsg=mgrs.epsg(tile),
        bounds=mgrs.bounds(tile),
        bbox=bounds_in_degrees(tile),
        coverage=coverage,
        edge_distance=round(edge_distance, 1) if edge_distance >= 0 else None,
    )


def _needed(matches: Sequence[TileMatch], place: shapely.Geometry) -> list[TileMatch]:
    """Those of the matches that show the place together; see `find_tiles`."""
    if matches[0].edge_distance is not None:
        return [matches[0]]
    level = missing = _level(place)
    least = _REST * _size(level, of=place)
    chosen: list[TileMatch] = []
    most = dict.fromkeys(matches, math.inf)
    while most:
        # A tile shows no more of what is missing than before, so few are measured each time.
        best = max(most, key=most.__getitem__)
        most[best] = _size(shapely.intersection(missing, _ground(best.tile)), of=place)
        if most[best] <= least:
            del most[best]
        elif most[best] == max(most.values()):
            del most[best]
            chosen.append(best)
            missing = shapely.difference(missing, _ground(best.tile))
    for each in tuple(chosen):  # later ones may together show all that an earlier one does
        ground = _ground(each.tile)
        others = [_ground(other.tile) for other in chosen if other != each]
        beside = shapely.union_all([other for other in others if other.intersects(ground)])
        lost = shapely.difference(shapely.intersection(level, ground), beside)
        if _size(lost, of=place) <= least:
            chosen.remove(each)
    return sorted(chosen, key=_rank)


def _edge_distance(tile: TileId, place: shapely.Geometry) -> float:
    """Metres from the place to the tile's nearest edge, negative where it reaches beyond."""
    west, south, east, north = place.bounds
    if north - south > _TALLEST or east - west > _HALF_TURN:
        return -math.inf
    positions = shapely.get_coordinates(shapely.segmentize(place, _STEP))
    x, y = geometry.to_metres(positions, mgrs.epsg(tile)).T
    left, bottom, right, top = mgrs.bounds(tile)
    return float(np.min([x - left, right - x, y - bottom, top - y]))


def _size(shape: shapely.Geometry, *, of: shapely.Geometry) -> float:
    """Area, length or number of points of a shape, whichever the place has."""
    match shapely.get_dimensions(of):
        case 2:
            return float(shape.area)
        case 1:
            return float(shape.length)
        case _:
            return int(shapely.get_num_coordinates(shape))


def _level(shape: shapely.Geometry) -> shapely.Geometry:
    """A shape in degrees, in Lambert's cylindrical projection, which keeps areas."""
    return shapely.transform(shape, _cylindrical)


def _cylindrical(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    sines = np.degrees(np.sin(np.radians(degrees[:, 1])))
    return np.column_stack([degrees[:, 0], sines])


@lru_cache(maxsize=1024)
def _outline(tile: TileId) -> shapely.Polygon:
    """A tile in degrees; across 180 degrees its longitudes go on beyond."""
    return geometry.to_degrees(shapely.box(*mgrs.bounds(tile)), mgrs.epsg(tile))


@lru_cache(maxsize=1024)
def _ground(tile: TileId) -> shapely.Geometry:
    """A tile in the projection of `_level`, with what lies beyond 180 degrees on the other side."""
    level = _level(_outline(tile))
    if level.bounds[2] <= _HALF_TURN:
        return level
    beyond = shapely.transform(level, lambda corners: corners - (_TURN, 0))
    return shapely.MultiPolygon([level, beyond])


def _place(
    point: tuple[float, float] | None,
    bbox: Sequence[float] | None,
    intersects: Mapping[str, Any] | None,
) -> shapely.Geometry:
    """The place in degrees: of its parts, those of the highest dimension."""
    if [point, bbox, intersects].count(None) != 2:  # noqa: PLR2004 - one of three
        raise UsageError("Say one place: --point LON LAT, --bbox W S E N or --geojson FILE.")
    if point is not None:
        return _checked(shapely.Point(point))
    if bbox is not None:
        boxes = Query(bbox=query.parse_bbox(bbox)).boxes
        shapes = [shapely.make_valid(shapely.box(*each)) for each in boxes]  # a line, if flat
    else:
        shapes = _shapes(intersects)
    parts = shapely.get_parts(shapely.union_all(shapes))
    dimension = max(map(shapely.get_dimensions, parts), default=-1)
    if dimension < 0:
        raise UsageError("The GeoJSON holds no place.")
    kept = [part for part in parts if shapely.get_dimensions(part) == dimension]
    return shapely.union_all(kept)


def _shapes(document: Mapping[str, Any] | None) -> list[shapely.Geometry]:
    try:
        shapes = [shapely.geometry.shape(each) for each in query.geometries(document)]
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, RecursionError) as error:
        raise UsageError("The place is not GeoJSON.") from error
    except shapely.errors.ShapelyError as error:
        raise UsageError(f"The place is not GeoJSON: {error}.") from error
    valid = [shapely.make_valid(_checked(shape)) for shape in shapes if not shape.is_empty]
    return [shapely.segmentize(_cut(shape), _STEP) for shape in valid]


def _cut(shape: shapely.Geometry) -> shapely.Geometry:
    """The shape cut at 180 degrees, where its longitudes leap from one side to the other."""
    if shape.bounds[2] - shape.bounds[0] <= _HALF_TURN:
        return shape
    eastward = shapely.make_valid(shapely.transform(shape, geometry.eastward))
    west, _, east, _ = eastward.bounds
    if east - west > _HALF_TURN:  # it really is as wide as that
        return shape
    beyond = shapely.intersection(eastward, shapely.box(_HALF_TURN, -90, _TURN, 90))
    return shapely.union(
        shapely.intersection(eastward, shapely.box(0, -90, _HALF_TURN, 90)),
        shapely.transform(beyond, lambda degrees: degrees - (_TURN, 0)),
    )


def _checked(shape: shapely.Geometry) -> shapely.Geometry:
    for longitude, latitude in shapely.get_coordinates(shape):
        if not (abs(longitude) <= _HALF_TURN and abs(latitude) <= _RIGHT_ANGLE):
            raise UsageError(
                f"{longitude:g} {latitude:g} is no place in degrees: longitude comes first, from"
                " -180 to 180, then latitude, from -90 to 90."
            )
    return shape
