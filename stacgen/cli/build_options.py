"""Options of how frames are made, shared by `stacgen build` and `stacgen update`."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stacgen.api.build import Labour, Pixels
    from stacgen.model.request import Shard


class Compress(StrEnum):
    """Compressions of the COG; all are lossless but those for true colour."""

    DEFLATE = "deflate"
    ZSTD = "zstd"
    LERC = "lerc"
    LERC_ZSTD = "lerc_zstd"
    LZW = "lzw"
    NONE = "none"
    JPEG = "jpeg"
    WEBP = "webp"


class Resampling(StrEnum):
    """How overview pixels come from those below."""

    AVERAGE = "average"
    NEAREST = "nearest"
    BILINEAR = "bilinear"
    CUBIC = "cubic"
    MODE = "mode"
    RMS = "rms"


_PIXELS = "Pixels"
"""Heading of options in the help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelOptions:
    """How pixels become files."""

    compress: Annotated[
        Compress,
        typer.Option(help="Of the COG; jpeg, webp: TCI only, with loss.", rich_help_panel=_PIXELS),
    ] = Compress.DEFLATE
    level: Annotated[
        int | None,
        typer.Option(help="Compression level; of jpeg, webp quality: 90.", rich_help_panel=_PIXELS),
    ] = None
    blocksize: Annotated[
        int, typer.Option(help="Pixels a side of a tile of the file.", rich_help_panel=_PIXELS)
    ] = 512
    overview_resampling: Annotated[
        Resampling, typer.Option(help="How overviews are made.", rich_help_panel=_PIXELS)
    ] = Resampling.AVERAGE
    clean_nodata: Annotated[
        str,
        typer.Option(
            metavar="auto|none|N",
            help="Set to nodata: what touches it and cannot be ground; nothing; codes up to N.",
            rich_help_panel=_PIXELS,
        ),
    ] = "auto"
    reflectance: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="SCALE OFFSET",
            help="Of DN to reflectance, where it is not ESA's.",
            rich_help_panel=_PIXELS,
        ),
    ] = None
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Refuse what is odd, and decode twice what has no hash.",
            rich_help_panel=_PIXELS,
        ),
    ] = False

    def read(self) -> "Pixels":
        """The value that the library takes."""
        from stacgen.api.build import Pixels  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while
        from stacgen.model.cog_profile import CogProfile  # noqa: PLC0415 - same
        from stacgen.model.raster import Reflectance  # noqa: PLC0415 - same

        return Pixels(
            profile=CogProfile(
                compress=self.compress.value,
                level=self.level,
                blocksize=self.blocksize,
                overview_resampling=self.overview_resampling.value,
            ),
            clean_nodata=self.clean_nodata,
            strict=self.strict,
            reflectance=self.reflectance
            and Reflectance(scale=self.reflectance[0], offset=self.reflectance[1]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOptions:
    """Workers and their memory."""

    workers: Annotated[
        int | None, typer.Option(min=1, help="Segments at a time; one per core.")
    ] = None
    memory: Annotated[
        float | None,
        typer.Option(metavar="GB", min=0.1, help="To use; four fifths of the machine's."),
    ] = None
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS|local", help="Work on a Dask cluster.")
    ] = None

    def read(self, shard: "Shard | None" = None) -> "Labour":
        """The value that the library takes."""
        from stacgen.api.build import Labour  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while

        return Labour(
            workers=self.workers,
            memory=None if self.memory is None else int(self.memory * 1e9),
            dask=self.dask,
            shard=shard,
        )
