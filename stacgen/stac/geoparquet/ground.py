"""Areas on the ground that Items are compared with, as shapely geometries. Pure."""

from typing import Any

import numpy as np
import shapely
from shapely.errors import ShapelyError

from stacgen.errors import UsageError
from stacgen.model.query import Query, parse_bbox

Geometry = Any
"""A shapely geometry in degrees."""


def of_geojson(geometry: object) -> Geometry:
    """The area of a GeoJSON geometry.

    Raises:
        UsageError: It is none, is empty, or is not valid.
    """
    try:
        area = shapely.geometry.shape(geometry)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, ShapelyError) as error:
        raise UsageError(f"The geometry to intersect is no GeoJSON ({error}).") from error
    if area.is_empty or not np.isfinite(area.bounds).all():
        raise UsageError("The geometry to intersect is empty.")
    if not area.is_valid:
        reason = shapely.is_valid_reason(area)
        raise UsageError(f"The geometry to intersect is not valid: {reason}.")
    return area


def of_bbox(values: object) -> Geometry:
    """The area of a box of four or six numbers; west is above east across the antimeridian.

    Raises:
        UsageError: There are not so many numbers, or they are none of a box.
    """
    if not isinstance(values, list) or not all(isinstance(each, int | float) for each in values):
        raise UsageError("A bbox has four numbers, west south east north.")
    return shapely.union_all([shapely.box(*box) for box in Query(bbox=parse_bbox(values)).boxes])
