"""How a COG is laid out and compressed. Pure, and light: nothing of GDAL is loaded."""

from dataclasses import dataclass
from typing import Literal

from stacgen.errors import UsageError

Compression = Literal["deflate", "zstd", "lerc", "lerc_zstd", "lzw", "none", "jpeg", "webp"]
Resampling = Literal["average", "nearest", "bilinear", "cubic", "mode", "rms"]

_SMALLEST = 512
"""Overviews are added until one is no larger than this, in pixels a side."""

_LEVELS = {
    "deflate": range(1, 13),
    "zstd": range(1, 23),
    "lerc_zstd": range(1, 23),
    "jpeg": range(1, 101),
    "webp": range(1, 101),
}
"""Compression levels that GDAL takes, or qualities; the other compressions have none."""

_LOSSY = ("jpeg", "webp")
_QUALITY = 90
"""Of lossy compressions unless given."""

_PREDICTED = ("deflate", "zstd", "lzw")
"""Compressions that take horizontal differencing (predictor 2) before them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overviews:
    """The pyramid that goes into a file."""

    factors: tuple[int, ...]
    """Decimation of each level, `(2, 4, 8)`."""

    resampling: str
    """GDAL's name of the method, `average`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CogProfile:
    """How the pixels are laid out and compressed; all choices but jpeg and webp are lossless.

    The default is DEFLATE, which every STAC Browser draws, by ISA-L: on Sentinel-2 pixels within
    2 % of the size that libdeflate's level 6 gives, five times faster.
    """

    compress: Compression = "deflate"
    level: int | None = None
    """None for ISA-L with DEFLATE, for a quality of 90 with jpeg and webp, and for GDAL's own
    default with the others."""

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

    @property
    def is_usual(self) -> bool:
        """Whether `stacgen.raster.cog_writer` can write it, which is faster than GDAL."""
        return (
            self.compress == "deflate"
            and self.level is None
            and self.overview_resampling == "average"
        )

    @property
    def is_lossy(self) -> bool:
        """True if pixels change; only true colour is compressed so."""
        return self.compress in _LOSSY

    def options(self) -> dict[str, str]:
        """Creation options of GDAL's COG driver.

        >>> CogProfile().options()["COMPRESS"], CogProfile().options()["LEVEL"]
        ('DEFLATE', '1')
        """
        name, usual = ("QUALITY", _QUALITY) if self.is_lossy else ("LEVEL", None)
        level = self.level or (1 if self.compress == "deflate" else usual)
        return {
            "COMPRESS": self.compress.upper(),
            "BLOCKSIZE": str(self.blocksize),
            "OVERVIEWS": "FORCE_USE_EXISTING",
            "NUM_THREADS": "1",
            "BIGTIFF": "IF_SAFER",
            **({name: str(level)} if level is not None else {}),
            **({"PREDICTOR": "STANDARD"} if self.compress in _PREDICTED else {}),
        }

    def overviews(self, size: int) -> Overviews:
        """The pyramid over a frame of that many pixels a side, down to 512 or fewer.

        >>> CogProfile().overviews(10980).factors
        (2, 4, 8, 16, 32)
        """
        factors: list[int] = []
        while size / (factors[-1] if factors else 1) > _SMALLEST:
            factors.append(2 ** (len(factors) + 1))
        return Overviews(factors=tuple(factors), resampling=self.overview_resampling)
