"""Digital numbers to a Cloud-Optimized GeoTIFF that says all about itself.

The usual profile is written by `stacgen.raster.cog_writer`, every other one by GDAL, which takes
twice as long. Pixels, layout and what the file says of them are the same.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stacgen.model import bands
from stacgen.model.bands import Band
from stacgen.model.cog_profile import CogProfile
from stacgen.model.raster import Cog, ColorImage, Facts, Raster, Reflectance, Statistics, StoredFile
from stacgen.model.stream import Grid
from stacgen.raster import cog_writer, true_colour
from stacgen.raster import overviews as pyramid


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What a file says of its pixels."""

    band: Band
    reflectance: Reflectance


def encode(raster: Raster, grid: Grid, labels: Labels, path: Path, *, profile: CogProfile) -> Cog:
    """Write a raster to a file, each tile compressed once.

    Nodata, scale, offset, description and the exact statistics go into the file.

    Args:
        raster: (rows, columns) of digital numbers, at least one of them valid.
        grid: Where they lie.
        labels: What they are.
        path: The file to write, in a scratch folder; it must not exist.
        profile: Compression and layout.

    Raises:
        OutputError: It cannot be written, or is not a valid COG.
    """
    facts = Facts(
        epsg=grid.epsg,
        transform=grid.transform,
        description=labels.band.name,
        scale=labels.reflectance.scale,
        offset=labels.reflectance.offset,
        nodata=0,
        tags=_statistics_tags(raster.statistics),
    )
    if profile.is_usual:
        overviews = pyramid.levels(raster.pixels, len(profile.overviews(grid.size).factors))
        cog_writer.write(path, [raster.pixels, *overviews], facts, blocksize=profile.blocksize)
        preview = overviews[-1] if overviews else raster.pixels
        software = cog_writer.SOFTWARE
    else:
        from stacgen.raster import gdal  # noqa: PLC0415 - slow to load, and needed by few

        with gdal.in_memory(raster.pixels, facts) as dataset:
            preview = gdal.add_overviews(
                dataset, profile.overviews(grid.size), has_nodata=_has_nodata(raster)
            )
            gdal.write_cog(dataset, path, profile.options())
        software = gdal.SOFTWARE
    return Cog(path=path, file=StoredFile.of(path), software=software, preview=preview)


def encode_color(frame: ColorImage, grid: Grid, path: Path, *, profile: CogProfile) -> Cog:
    """Write true colour to a file of red, green and blue; a mask in it tells what is valid.

    A frame that is valid everywhere needs no mask.

    Args:
        frame: (rows, columns, 3), at least one pixel of it valid.
        grid: Where its pixels lie.
        path: The file to write, in a scratch folder; it must not exist.
        profile: Compression and layout; jpeg and webp change pixels, and leave the mask as it is.

    Raises:
        OutputError: It cannot be written, or is not a valid COG.
    """
    facts = Facts(
        epsg=grid.epsg,
        transform=grid.transform,
        description=bands.COLORS[0],
        scale=1.0,
        offset=0.0,
        nodata=None,
        tags={},
        more=bands.COLORS[1:],
    )
    overviews = true_colour.overviews(frame, len(profile.overviews(grid.size).factors))
    is_masked = not frame.valid.all()
    if profile.is_usual:
        levels = [(frame.pixels, frame.valid), *overviews]
        sheets = [each for level in levels for each in level[: 1 + is_masked]]
        cog_writer.write(path, sheets, facts, blocksize=profile.blocksize)
        software = cog_writer.SOFTWARE
    else:
        from stacgen.raster import gdal  # noqa: PLC0415 - slow to load, and needed by few

        valid = frame.valid if is_masked else None
        with gdal.colors_in_memory(frame.pixels, valid, facts) as dataset:
            resampling = profile.overview_resampling.upper()
            options = profile.options() | {"OVERVIEWS": "IGNORE_EXISTING"}
            gdal.write_cog(dataset, path, options | {"OVERVIEW_RESAMPLING": resampling})
        software = gdal.SOFTWARE
    smallest, valid = overviews[-1] if overviews else (frame.pixels, frame.valid)
    opacity = np.where(valid, 255, 0).astype(np.uint8)
    return Cog(
        path=path,
        file=StoredFile.of(path),
        software=software,
        preview=np.dstack([np.where(valid[..., None], smallest, 0), opacity]).astype(np.uint8),
    )


def _has_nodata(raster: Raster) -> bool:
    return raster.statistics is None or raster.statistics.count < raster.pixels.size


def _statistics_tags(statistics: Statistics | None) -> dict[str, str]:
    """GDAL's own names, so that gdalinfo and QGIS need not compute them."""
    if statistics is None:
        return {}
    return {
        "STATISTICS_MINIMUM": str(statistics.minimum),
        "STATISTICS_MAXIMUM": str(statistics.maximum),
        "STATISTICS_MEAN": repr(statistics.mean),
        "STATISTICS_STDDEV": repr(statistics.stddev),
        "STATISTICS_VALID_PERCENT": f"{statistics.valid_percent:.6g}",
    }
