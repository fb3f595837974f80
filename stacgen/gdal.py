"""The one door to GDAL: rasterio and rio-cogeo are used here and nowhere else.

Nothing here knows of Sentinel-2 or STAC; arrays go in, files and polygons come out.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import rasterio
import rasterio.features
import rasterio.shutil
from numpy.typing import NDArray
from rasterio import Affine
from rasterio._err import CPLE_BaseError
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.windows import Window
from rio_cogeo.cogeo import cog_validate

from stacgen.errors import OutputError
from stacgen.models import Facts, Inspected
from stacgen.profile import Overviews

SOFTWARE = {"gdal": rasterio.__gdal_version__}
"""The GDAL inside the rasterio wheel, and its version."""

_ENV: dict[str, Any] = {"GDAL_NUM_THREADS": "1", "GDAL_CACHEMAX": 64_000_000}
"""One thread a call, since whole segments run side by side; and a cache of 64 MB rather than of a
twentieth of the machine, since tiles are written once and never read again."""

_FAILURES = (RasterioError, CPLE_BaseError, SystemError, OSError)
"""What rasterio raises when it cannot write: GDAL's own errors as they are, which have no public
name, and SystemError where GDAL gives no reason."""

_ONE_AT_A_TIME = Lock()
"""Within `shapes` rasterio turns a warning off and on again for the whole process; two threads that
did so at once would let it slip through, or leave it off."""

Transform = tuple[float, float, float, float, float, float]
Polygon = Mapping[str, Any]
"""GeoJSON, in the coordinates of the transform it was made with."""


@contextmanager
def in_memory(pixels: NDArray[np.uint16], facts: Facts) -> Iterator[rasterio.io.DatasetWriter]:
    """A dataset over the array itself, with georeference and facts: no pixel is copied.

    Args:
        pixels: (rows, columns), C-contiguous; must stay alive and unchanged within the context.
        facts: Of the band.
    """
    rows, columns = pixels.shape
    address = pixels.__array_interface__["data"][0]
    placed = "/".join(map(str, Affine(*facts.transform).to_gdal()))
    name = (
        f"MEM:::DATAPOINTER={address},PIXELS={columns},LINES={rows},DATATYPE=UInt16"
        f",GEOTRANSFORM={placed}"
    )
    # GDAL opens memory by its address only when told that the caller may name one.
    with (
        rasterio.Env(GDAL_MEM_ENABLE_OPEN="YES", **_ENV),
        rasterio.open(name, "r+", driver="MEM") as dataset,
    ):
        dataset.crs = f"EPSG:{facts.epsg}"
        dataset.nodata = facts.nodata
        dataset.scales = (facts.scale,)
        dataset.offsets = (facts.offset,)
        dataset.descriptions = (facts.description,)
        dataset.update_tags(1, **facts.tags)
        yield dataset


def add_overviews(
    dataset: rasterio.io.DatasetWriter, overviews: Overviews, *, has_nodata: bool
) -> NDArray[np.uint16]:
    """Build the pyramid in memory and return its smallest level, (rows, columns).

    Where no pixel is nodata GDAL is not told of the value while it averages: the result is the
    same, in a quarter of the time.
    """
    nodata = dataset.nodata
    dataset.nodata = nodata if has_nodata else None
    dataset.build_overviews(list(overviews.factors), Resampling[overviews.resampling])
    dataset.nodata = nodata
    factor = overviews.factors[-1] if overviews.factors else 1
    shape = -(-dataset.height // factor), -(-dataset.width // factor)
    smallest: NDArray[np.uint16] = dataset.read(1, out_shape=shape)
    return smallest


def write_cog(dataset: rasterio.io.DatasetWriter, path: Path, options: Mapping[str, str]) -> None:
    """Write a dataset that has its overviews as a COG, compressing each tile once.

    Raises:
        OutputError: GDAL could not write it, or what it wrote is no valid COG.
    """
    try:
        with rasterio.Env(**_ENV):
            rasterio.shutil.copy(dataset, path, driver="COG", **options)
            _read_last_tile(path)
        valid, errors, remarks = cog_validate(path, strict=True, quiet=True)
    except _FAILURES as error:
        raise OutputError(f"The COG {path} cannot be written: {error}.") from error
    if not valid:
        problems = "; ".join([*errors, *remarks])
        raise OutputError(f"The file {path} is not a valid COG and is not published: {problems}.")


def _read_last_tile(path: Path) -> None:
    """Fail where the end of the file is missing.

    What GDAL writes on closing may be lost on a full disk without a word of it, and no check of
    the layout would notice.
    """
    with rasterio.open(path) as dataset:
        dataset.read(1, window=Window(dataset.width - 1, dataset.height - 1, 1, 1))


def inspect(path: Path) -> Inspected:
    """Read a raster file of one uint16 band from its first to its last pixel.

    Raises:
        OutputError: It cannot be read as such.
    """
    try:
        with rasterio.Env(**_ENV), rasterio.open(path) as dataset:
            histogram = np.zeros(1 << 16, np.int64)
            for _, window in dataset.block_windows(1):
                block = dataset.read(1, window=window)
                histogram += np.bincount(block.ravel(), minlength=histogram.size)
            valid, errors, remarks = cog_validate(path, strict=True, quiet=True)
            return Inspected(
                problems=() if valid else (*errors, *remarks),
                epsg=dataset.crs.to_epsg() if dataset.crs else None,
                transform=tuple(dataset.transform)[:6],
                shape=dataset.shape,
                data_type=dataset.dtypes[0],
                nodata=dataset.nodata,
                scale=dataset.scales[0],
                offset=dataset.offsets[0],
                statistics=_figures(histogram, nodata=dataset.nodata),
            )
    except (*_FAILURES, ValueError, TypeError) as error:
        raise OutputError(f"It cannot be read to its end: {error}.") from error


def _figures(histogram: NDArray[np.int64], *, nodata: float | None) -> dict[str, float]:
    """Figures of the values that are not nodata, from how often each value comes."""
    total = int(histogram.sum())
    if nodata is not None:
        histogram[int(nodata)] = 0
    values = np.flatnonzero(histogram)
    count = int(histogram.sum())
    if not count:
        return {"count": 0}
    weights = histogram[values].astype(np.float64)
    mean = float(values @ weights) / count
    return {
        "minimum": int(values[0]),
        "maximum": int(values[-1]),
        "mean": mean,
        "stddev": float(np.sqrt((values - mean) ** 2 @ weights / count)),
        "count": count,
        "valid_percent": 100 * count / total,
    }


def outlines(mask: NDArray[np.bool_], transform: Transform) -> list[Polygon]:
    """The polygons around what is True, pixels touching along edges, corners being apart."""
    with _ONE_AT_A_TIME:
        shapes = rasterio.features.shapes(
            mask.view(np.uint8), mask=mask, connectivity=4, transform=Affine(*transform)
        )
        return [polygon for polygon, _ in shapes]
