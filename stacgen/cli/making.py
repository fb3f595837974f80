"""Options of how frames are made, shared by `stacgen build` and `stacgen update`."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stacgen.library import Labour, Pixels
    from stacgen.pipeline import Shard


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


Compressed = Annotated[
    Compress,
    typer.Option(help="Of the COG; jpeg, webp: TCI only, with loss.", rich_help_panel="Pixels"),
]
Level = Annotated[
    int | None,
    typer.Option(help="Compression level; of jpeg, webp quality: 90.", rich_help_panel="Pixels"),
]
Blocksize = Annotated[
    int, typer.Option(help="Pixels a side of a tile of the file.", rich_help_panel="Pixels")
]
Overviews = Annotated[
    Resampling, typer.Option(help="How overviews are made.", rich_help_panel="Pixels")
]
CleanNodata = Annotated[
    str,
    typer.Option(
        metavar="auto|none|N",
        help="Set to nodata: what touches it and cannot be ground; nothing; codes up to N.",
        rich_help_panel="Pixels",
    ),
]
Reflectances = Annotated[
    tuple[float, float] | None,
    typer.Option(
        metavar="SCALE OFFSET",
        help="Of DN to reflectance, where it is not ESA's.",
        rich_help_panel="Pixels",
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Refuse what is odd, and decode twice what has no hash.",
        rich_help_panel="Pixels",
    ),
]
Workers = Annotated[int | None, typer.Option(min=1, help="Segments at a time; one a core.")]
Memory = Annotated[
    float | None,
    typer.Option(metavar="GB", min=0.1, help="To use; four fifths of the machine's."),
]
DaskAddress = Annotated[
    str | None, typer.Option(metavar="ADDRESS|local", help="Work on a Dask cluster.")
]


def pixels(
    compress: Compress,
    level: int | None,
    blocksize: int,
    overviews: Resampling,
    *,
    clean_nodata: str,
    reflectance: tuple[float, float] | None,
    strict: bool,
) -> "Pixels":
    """How pixels become files, from the options that say so."""
    from stacgen.library import Pixels  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while
    from stacgen.profile import CogProfile  # noqa: PLC0415 - same
    from stacgen.rasters import Reflectance  # noqa: PLC0415 - same

    return Pixels(
        profile=CogProfile(
            compress=compress.value,
            level=level,
            blocksize=blocksize,
            overview_resampling=overviews.value,
        ),
        clean_nodata=clean_nodata,
        strict=strict,
        reflectance=reflectance and Reflectance(scale=reflectance[0], offset=reflectance[1]),
    )


def labour(
    workers: int | None, memory: float | None, dask: str | None, shard: "Shard | None" = None
) -> "Labour":
    """Who does the work, from the options that say so; `memory` is in GB."""
    from stacgen.library import Labour  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while

    return Labour(
        workers=workers,
        memory=None if memory is None else int(memory * 1e9),
        dask=dask,
        shard=shard,
    )
