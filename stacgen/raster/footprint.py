"""The ground that a frame shows, as longitude and latitude. Pure."""

import numpy as np
import shapely
import shapely.geometry
from numpy.typing import NDArray

from stacgen.model import geometry
from stacgen.model.raster import Coverage, Footprint
from stacgen.model.stream import Grid


def outline(coverage: Coverage, grid: Grid) -> Footprint | None:
    """The largest connected area of valid pixels, holes dropped; None where there is none.

    Specks and seams that video coding leaves at the edge of nodata are removed first, by opening
    the mask with a square of three cells. A frame without nodata gives the corners of the tile.
    """
    if coverage.valid.all():
        left, bottom, right, top = grid.bounds
        return geometry.published(
            geometry.to_degrees(shapely.geometry.box(left, bottom, right, top), grid.epsg)
        )
    from stacgen.raster import gdal  # noqa: PLC0415 - slow to load, and needed only where there is nodata

    cell = coverage.step * grid.resolution
    polygons = gdal.outlines(opened(coverage.valid), (cell, 0, grid.left, 0, -cell, grid.top))
    shells = [shapely.Polygon(polygon["coordinates"][0]) for polygon in polygons]
    if not shells:
        return None
    return geometry.published(
        geometry.to_degrees(max(shells, key=lambda shell: float(shell.area)), grid.epsg)
    )


def opened(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask without what is narrower than three cells; outside it counts as inside.

    Args:
        mask: (rows, columns), True inside.

    >>> speck = np.zeros((5, 5), bool); speck[2, 2] = True
    >>> bool(opened(speck).any()), bool(opened(~np.zeros((5, 5), bool)).all())
    (False, True)
    """
    return _dilated(~_dilated(~mask))


def _dilated(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask grown by one cell in all eight directions."""
    wide = mask.copy()
    wide[:, 1:] |= mask[:, :-1]
    wide[:, :-1] |= mask[:, 1:]
    grown = wide.copy()
    grown[1:] |= wide[:-1]
    grown[:-1] |= wide[1:]
    return grown
