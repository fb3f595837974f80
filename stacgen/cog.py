"""Digital numbers to a Cloud-Optimized GeoTIFF that says all about itself."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stacgen import gdal
from stacgen.bands import Band
from stacgen.errors import UsageError
from stacgen.models import Cog, Grid, Raster, Reflectance, Statistics, StoredFile

Compression = Literal["deflate", "zstd", "lerc", "lerc_zstd", "lzw", "none"]
Resampling = Literal["average", "nearest", "bilinear", "cubic", "mode", "rms"]

_SMALLEST = 512
"""Overviews are added until one is no larger than this, in pixels a side."""

_LEVELS = {"deflate": range(1, 13), "zstd": range(1, 23), "lerc_zstd": range(1, 23)}
"""Compression levels that GDAL takes; the other compressions have none."""

_PREDICTED = ("deflate", "zstd", "lzw")
"""Compressions that take horizontal differencing (predictor 2) before them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CogProfile:
    """How the pixels are laid out and compressed; all choices are lossless.

    The default is DEFLATE at level 1: on Sentinel-2 pixels as small as level 6, several times
    faster, and drawn by every STAC Browser.
    """

    compress: Compression = "deflate"
    level: int | None = None
    """None for 1 with DEFLATE, and for GDAL's own default with the others."""

    blocksize: int = 512
    """Pixels a side of a tile of the file."""

    overview_resampling: Resampling = "average"

    def __post_init__(self) -> None:
        """Refuse what GDAL would not take, or would take and ignore."""
        levels = _LEVELS.get(self.compress, range(0))
        if self.level is not None and self.level not in levels:
            has = f"from {levels[0]} to {levels[-1]}" if levels else "none to choose"
            raise UsageError(f"Compression {self.compress} has levels {has}, not {self.level}.")
        if self.blocksize < 64 or self.blocksize % 16:  # noqa: PLR2004 - the TIFF standard's 16
            raise UsageError(f"A block of {self.blocksize} pixels is none: take 64, 80, 96, ...")

    def options(self) -> dict[str, str]:
        """Creation options of GDAL's COG driver.

        >>> CogProfile().options()["COMPRESS"], CogProfile().options()["LEVEL"]
        ('DEFLATE', '1')
        """
        level = 1 if self.level is None and self.compress == "deflate" else self.level
        return {
            "COMPRESS": self.compress.upper(),
            "BLOCKSIZE": str(self.blocksize),
            "OVERVIEWS": "FORCE_USE_EXISTING",
            "NUM_THREADS": "1",
            "BIGTIFF": "IF_SAFER",
            **({"LEVEL": str(level)} if level is not None else {}),
            **({"PREDICTOR": "STANDARD"} if self.compress in _PREDICTED else {}),
        }

    def overviews(self, size: int) -> gdal.Overviews:
        """The pyramid over a frame of that many pixels a side, down to 512 or fewer.

        >>> CogProfile().overviews(10980).factors
        (2, 4, 8, 16, 32)
        """
        factors: list[int] = []
        while size / (factors[-1] if factors else 1) > _SMALLEST:
            factors.append(2 ** (len(factors) + 1))
        return gdal.Overviews(factors=tuple(factors), resampling=self.overview_resampling)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What a file says of its pixels."""

    band: Band
    reflectance: Reflectance


def encode(raster: Raster, grid: Grid, labels: Labels, path: Path, *, profile: CogProfile) -> Cog:
    """Write a raster to a file, compressed once, and check the file as rio-cogeo does.

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
    facts = gdal.BandFacts(
        description=labels.band.name,
        scale=labels.reflectance.scale,
        offset=labels.reflectance.offset,
        nodata=0,
        tags=_statistics_tags(raster.statistics),
    )
    with gdal.in_memory(
        raster.pixels, epsg=grid.epsg, transform=grid.transform, facts=facts
    ) as dataset:
        preview = gdal.add_overviews(
            dataset, profile.overviews(grid.size), has_nodata=_has_nodata(raster)
        )
        gdal.write_cog(dataset, path, profile.options())
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
    return Cog(path=path, file=StoredFile(size=size, sha256=digest), preview=preview)


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
