"""The one door to GDAL: rasterio and rio-cogeo are used here and nowhere else.

Nothing here knows of Sentinel-2 or STAC; arrays go in, files and polygons come out.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import rasterio
import rasterio.features
import rasterio.shutil
import rasterio.warp
from numpy.typing import NDArray
from rasterio import Affine
from rasterio._err import CPLE_BaseError
from rasterio.abc import FileContainer
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import RasterioError
from rasterio.windows import Window
from rio_cogeo.cogeo import cog_validate

from stacgen.errors import OutputError, StacgenError
from stacgen.model.cog_profile import Overviews
from stacgen.model.protocols import Readable
from stacgen.model.raster import Facts, Inspected, row_blocks
from stacgen.raster import gdal_data
from stacgen.raster.gdal_opener import Files

SOFTWARE = {"gdal": rasterio.__gdal_version__}
"""The GDAL inside the rasterio wheel, and its version."""

gdal_data.keep_own()  # rasterio reads the environment at each use, not as it is imported

_ENV: dict[str, Any] = {"GDAL_NUM_THREADS": "1"}
"""One thread a call, since whole segments run side by side."""

if "GDAL_CACHEMAX" not in os.environ:
    # Rather than a twentieth of the machine: tiles are written once and never read again.
    _ENV["GDAL_CACHEMAX"] = 64_000_000

_FAILURES = (RasterioError, CPLE_BaseError, SystemError, OSError)
"""What rasterio raises when it cannot write: GDAL's own errors as they are, which have no public
name, and SystemError where GDAL gives no reason."""

_ONE_AT_A_TIME = Lock()
"""Within `shapes` rasterio turns a warning off and on again for the whole process; two threads that
did so at once would let it slip through, or leave it off."""

FileContainer.register(Files)

Transform = tuple[float, float, float, float, float, float]
Polygon = Mapping[str, Any]
"""GeoJSON, in the coordinates of the transform it was made with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """Where the pixels of a file lie."""

    crs: str
    """As WKT."""

    transform: Transform
    shape: tuple[int, int]
    """(rows, columns)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Some pixels of a file: those that are True in a window of it."""

    row: int
    """First row of the window, from 0."""

    column: int
    """First column of the window, from 0."""

    inside: NDArray[np.bool_]
    """(rows, columns) of the window."""


@contextmanager
def in_memory(pixels: NDArray[np.uint16], facts: Facts) -> Iterator[rasterio.io.DatasetWriter]:
    """A dataset over the array itself, with georeference and facts: no pixel is copied.

    Args:
        pixels: (rows, columns), C-contiguous; must stay alive and unchanged within the context.
        facts: Of the band.
    """
    with _over(pixels, facts, "DATATYPE=UInt16") as dataset:
        dataset.nodata = facts.nodata
        dataset.update_tags(1, **facts.tags)
        yield dataset


@contextmanager
def colors_in_memory(
    pixels: NDArray[np.uint8], valid: NDArray[np.bool_] | None, facts: Facts
) -> Iterator[rasterio.io.DatasetWriter]:
    """The same of red, green and blue.

    Args:
        pixels: (rows, columns, 3), each pixel's bytes one behind the other; must stay alive and
            unchanged within the context.
        valid: (rows, columns), True where pixels are valid; None where all are.
        facts: Of the bands.
    """
    line = pixels.strides[0]  # decoders pad lines
    layout = f"DATATYPE=Byte,BANDS=3,PIXELOFFSET=3,LINEOFFSET={line},BANDOFFSET=1"
    with _over(pixels, facts, layout) as dataset:
        dataset.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
        if valid is not None:
            dataset.write_mask(valid)
        yield dataset


@contextmanager
def _over(
    pixels: NDArray[np.uint16] | NDArray[np.uint8], facts: Facts, layout: str
) -> Iterator[rasterio.io.DatasetWriter]:
    """A dataset over an array, whose memory is laid out so."""
    rows, columns = pixels.shape[:2]
    address = pixels.__array_interface__["data"][0]
    placed = "/".join(map(str, Affine(*facts.transform).to_gdal()))
    name = (
        f"MEM:::DATAPOINTER={address},PIXELS={columns},LINES={rows},{layout},GEOTRANSFORM={placed}"
    )
    # GDAL opens memory by its address only when told that the caller may name one.
    with (
        rasterio.Env(GDAL_MEM_ENABLE_OPEN="YES", **_ENV),
        rasterio.open(name, "r+", driver="MEM") as dataset,
    ):
        dataset.crs = f"EPSG:{facts.epsg}"
        dataset.scales = (facts.scale,) * dataset.count
        dataset.offsets = (facts.offset,) * dataset.count
        dataset.descriptions = (facts.description, *facts.more)
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
    """Read a raster file of uint16 or bytes from its first to its last pixel.

    Raises:
        OutputError: It cannot be read as such.
    """
    try:
        with rasterio.Env(**_ENV), rasterio.open(path) as dataset:
            histograms = np.zeros((dataset.count, 1 << 16), np.int64)
            is_masked = MaskFlags.per_dataset in dataset.mask_flag_enums[0]
            for _, window in dataset.block_windows(1):
                blocks = dataset.read(window=window)
                valid = dataset.read_masks(1, window=window) > 0 if is_masked else np.True_
                for band, block in enumerate(blocks):
                    histograms[band] += np.bincount(block[valid].ravel(), minlength=1 << 16)
            is_cog, errors, remarks = cog_validate(path, strict=True, quiet=True)
            total = dataset.height * dataset.width
            return Inspected(
                problems=() if is_cog else (*errors, *remarks),
                epsg=dataset.crs.to_epsg() if dataset.crs else None,
                transform=tuple(dataset.transform)[:6],
                shape=dataset.shape,
                data_type=dataset.dtypes[0],
                nodata=dataset.nodata,
                scale=dataset.scales[0],
                offset=dataset.offsets[0],
                statistics=tuple(_figures(each, total, dataset.nodata) for each in histograms),
            )
    except (*_FAILURES, ValueError, TypeError) as error:
        raise OutputError(f"It cannot be read to its end: {error}.") from error


def _figures(histogram: NDArray[np.int64], total: int, nodata: float | None) -> dict[str, float]:
    """Figures of the values that are not nodata, from how often each comes in so many pixels."""
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


@contextmanager
def opened(
    place: Readable, key: str, *, level: int | None = None
) -> Iterator[rasterio.io.DatasetReader]:
    """A GeoTIFF of a catalog, of which only those bytes are read that GDAL asks for.

    Args:
        place: Holds it.
        key: Of the file.
        level: Number of the overview to take for the file, from 0; None for the file itself.

    Raises:
        OutputError: It is not there, or cannot be read within the context.
    """
    files = Files(place, key)
    options = {} if level is None else {"overview_level": level}
    if files.length is None:
        raise OutputError(f"{place.address}/{key} is not there. Build it, or mend what links it.")
    try:
        with (
            rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", **_ENV),
            rasterio.open(key, driver="GTiff", opener=files, **options) as dataset,
        ):
            yield dataset
    except _FAILURES as error:
        trouble = files.trouble[0] if files.trouble else error
        if isinstance(trouble, StacgenError):
            raise trouble from error
        raise OutputError(
            f"{place.address}/{key} cannot be read: {trouble}. Build it anew with --verify."
        ) from error


def overview(dataset: rasterio.io.DatasetReader, *, at_least: int) -> NDArray[np.uint16]:
    """The smallest level of the pyramid with that many rows, as it is, (rows, columns).

    Where the file itself has fewer rows, that is the file itself.
    """
    pixels: NDArray[np.uint16] = dataset.read(1, out_shape=_level(dataset, at_least))
    return pixels


def rows(dataset: rasterio.io.DatasetReader, height: int) -> Iterator[NDArray[np.uint16]]:
    """The numbers of the first band, so many rows at a time, (rows, columns)."""
    for block in row_blocks(dataset.height, height):
        size = block.stop - block.start
        yield dataset.read(1, window=Window(0, block.start, dataset.width, size))


def colors(dataset: rasterio.io.DatasetReader, *, at_least: int) -> NDArray[np.uint8]:
    """That level of a file of red, green and blue, (rows, columns, 3).

    Raises:
        OutputError: It has no three bands of bytes.
    """
    if dataset.dtypes[:3] != ("uint8",) * 3:
        raise OutputError(f"{dataset.name} has no bytes of red, green and blue to show.")
    bands = dataset.read([1, 2, 3], out_shape=(3, *_level(dataset, at_least)))
    return np.ascontiguousarray(bands.transpose(1, 2, 0))


def shapes(dataset: rasterio.io.DatasetReader) -> list[tuple[int, int]]:
    """(rows, columns) of a file and of its overviews, the largest first."""
    factors = [1, *dataset.overviews(1)]
    return [(-(-dataset.height // each), -(-dataset.width // each)) for each in factors]


def _level(dataset: rasterio.io.DatasetReader, at_least: int) -> tuple[int, int]:
    found = shapes(dataset)
    return min((each for each in found if each[0] >= at_least), default=found[0])


def lattice(dataset: rasterio.io.DatasetReader) -> Lattice:
    """Where the pixels of a file lie."""
    return Lattice(
        crs=dataset.crs.to_wkt(), transform=tuple(dataset.transform)[:6], shape=dataset.shape
    )


def cell_at(longitude: float, latitude: float, on: Lattice) -> Cells | None:
    """The pixel that holds a point, given in degrees; None where the point lies outside."""
    xs, ys = rasterio.warp.transform("EPSG:4326", on.crs, [longitude], [latitude])
    column, row = (int(np.floor(value)) for value in _moved(~Affine(*on.transform), xs[0], ys[0]))
    if not (0 <= row < on.shape[0] and 0 <= column < on.shape[1]):
        return None
    return Cells(row=row, column=column, inside=np.ones((1, 1), np.bool_))


def cells_in(polygons: Sequence[Polygon], on: Lattice) -> Cells | None:
    """The pixels whose centre lies in one of the polygons; None where there is none.

    Args:
        polygons: GeoJSON, in degrees; edges run straight in the CRS of the pixels.
        on: Where the pixels lie.
    """
    placed = _placed(polygons, on)
    boxes = np.array([rasterio.features.bounds(each) for each in placed])
    to_pixel = ~Affine(*on.transform)
    left, top = _moved(to_pixel, boxes[:, 0].min(), boxes[:, 3].max())
    right, bottom = _moved(to_pixel, boxes[:, 2].max(), boxes[:, 1].min())
    column, row = max(int(np.floor(left)), 0), max(int(np.floor(top)), 0)
    columns = min(int(np.ceil(right)), on.shape[1]) - column
    rows = min(int(np.ceil(bottom)), on.shape[0]) - row
    if rows <= 0 or columns <= 0:
        return None
    inside = _inside(placed, on, row, column, (rows, columns))
    return Cells(row=row, column=column, inside=inside) if inside.any() else None


def share_in(polygon: Polygon, cells: Cells, on: Lattice) -> float:
    """Of some pixels, the percent whose centre lies in a polygon; arguments as in `cells_in`."""
    inside = _inside(_placed([polygon], on), on, cells.row, cells.column, cells.inside.shape)
    both = np.count_nonzero(inside & cells.inside)
    return 100 * both / np.count_nonzero(cells.inside)


def _moved(by: Affine, x: float, y: float) -> tuple[float, float]:
    """The point where a transform puts another; releases of affine differ in how to write it."""
    return by.a * x + by.b * y + by.c, by.d * x + by.e * y + by.f


def _placed(polygons: Sequence[Polygon], on: Lattice) -> list[Polygon]:
    return [rasterio.warp.transform_geom("EPSG:4326", on.crs, each) for each in polygons]


def _inside(
    placed: Sequence[Polygon], on: Lattice, row: int, column: int, shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Pixels of a window whose centre lies in a polygon; these are in the CRS of the pixels."""
    left, top = _moved(Affine(*on.transform), column, row)
    transform = Affine(*on.transform[:2], left, *on.transform[3:5], top)
    mask: NDArray[np.bool_] = rasterio.features.geometry_mask(placed, shape, transform, invert=True)
    return mask


def values(dataset: rasterio.io.DatasetReader, cells: Cells) -> Iterator[NDArray[np.uint16]]:
    """The numbers of those pixels, a block of rows at a time, (pixels,)."""
    rows, columns = cells.inside.shape
    for block in row_blocks(rows, dataset.block_shapes[0][0]):
        window = Window(cells.column, cells.row + block.start, columns, block.stop - block.start)
        yield dataset.read(1, window=window)[cells.inside[block]]
