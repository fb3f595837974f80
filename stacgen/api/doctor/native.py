"""Whether FFmpeg, GDAL and PROJ, as they were built, give the right pixels and places."""

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from stacgen.api.doctor.findings import Finding, Mark, fine
from stacgen.raster import gdal_data

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SIZE = 256
"""Rows and columns of the pictures that are tried out."""

_STEP = 7
"""Codes from one row, and one column, to the next: a slope from 0 to 3570, of twelve bits."""

_TOLERANCE = 200
"""Codes by which a pixel may be off after lossy coding; eight bits miss by more."""

_EPSG = 32629
"""UTM zone 29N, that of tile 29PKR."""

_LIBAVCODEC = 62
"""Major version of FFmpeg 8, the first that does not make up pictures that are lost."""

_WHEEL = "Take PyAV's own wheel: pip install --force-reinstall --only-binary av av"


def ffmpeg() -> Iterator[Finding]:
    """The FFmpeg inside PyAV: its version, its decoder, and a picture there and back."""
    import av  # noqa: PLC0415 - may be broken, which is what is asked

    part, version = "FFmpeg", f"{av.ffmpeg_version_info}, inside PyAV {av.__version__}"
    codec = ".".join(map(str, av.library_versions["libavcodec"]))
    if av.library_versions["libavcodec"][0] < _LIBAVCODEC:
        text = f"{version}: makes up a grey picture where one is lost, which only stacgen notices"
        yield Finding(part, "version", Mark.WARN, text, "pip install --upgrade av")
    else:
        yield fine(part, "version", version)
    yield fine(part, "libavcodec", codec)
    if "hevc" not in av.codecs_available:
        text = "is not in this build, so no stream can be decoded"
        yield Finding(part, "HEVC decoder", Mark.FAIL, text, _WHEEL)
    elif "libx265" not in av.codecs_available:
        text = "is not in this build, so --sample makes no streams, and 12 bits are not tried"
        yield Finding(part, "x265 encoder", Mark.WARN, text, _WHEEL)
    else:
        missed = _round_trip()
        mark = Mark.OK if missed <= _TOLERANCE else Mark.FAIL
        text = f"coded and decoded, codes off by {missed}"
        yield Finding(part, "12-bit gray", mark, text, "" if mark is Mark.OK else _WHEEL)


def _round_trip() -> int:
    """The most by which a code differs after x265 and the decoder of the pipeline."""
    import numpy as np  # noqa: PLC0415 - may be broken

    from stacgen.dunia.sample import encode  # noqa: PLC0415 - same
    from stacgen.model.stream import Timeline  # noqa: PLC0415 - numpy
    from stacgen.video import decoder  # noqa: PLC0415 - FFmpeg, likewise

    across = np.arange(_SIZE, dtype=np.uint16) * _STEP
    slope = across + across[:, np.newaxis]

    def paint(number: int, codes: "NDArray[np.uint16]") -> None:
        codes[:] = np.rot90(slope, number)

    numbers = range(4)
    found = decoder.frames(
        encode.segment(paint, numbers, size=_SIZE),
        numbers=numbers,
        timeline=Timeline(origin=Fraction("1.4")),
        shape=(_SIZE, _SIZE),
    )
    return max(
        int(abs(each.pixels.astype(int) - np.rot90(slope, each.number)).max()) for each in found
    )


def gdal() -> Iterator[Finding]:
    """The GDAL inside rasterio: its version, drivers, and tables of CRSs."""
    import rasterio  # noqa: PLC0415 - may be broken, which is what is asked
    from rasterio.crs import CRS  # noqa: PLC0415 - same

    yield from _variables()
    gdal_data.keep_own()
    version = f"{rasterio.__gdal_version__} with PROJ {rasterio.__proj_version__}, inside rasterio"
    yield fine("GDAL", "version", version)
    with rasterio.Env() as env:
        missing = [each for each in ("COG", "GTiff") if each not in env.drivers()]
        if missing:
            text = f"{' and '.join(missing)} not in this build, so no COG can be written"
            advice = "Take rasterio's own wheel: pip install --force-reinstall rasterio"
            yield Finding("GDAL", "drivers", Mark.FAIL, text, advice)
        CRS.from_epsg(_EPSG)  # fails where the tables are those of another PROJ
        yield fine("GDAL", f"EPSG:{_EPSG}", "known")


def _variables() -> Iterator[Finding]:
    """Variables of tables and plugins; those of another installation are not used."""
    unused = gdal_data.foreign(os.environ)
    for name in gdal_data.VARIABLES:
        value = os.environ.get(name)
        if value is not None and name not in unused:
            yield fine("GDAL", name, value)
        elif value is not None:
            text = f"names another installation, {value}, and is not used: rasterio has its own"
            yield Finding("GDAL", name, Mark.WARN, text, f"unset {name}")


def proj() -> Iterator[Finding]:
    """The PROJ inside pyproj, which is another than GDAL's, and its tables."""
    import pyproj  # noqa: PLC0415 - may be broken, which is what is asked

    yield fine("PROJ", "version", f"{pyproj.proj_version_str}, inside pyproj {pyproj.__version__}")
    folder = Path(pyproj.datadir.get_data_dir())
    is_own = folder.is_relative_to(Path(pyproj.__file__).parent)
    yield fine("PROJ", "tables", "pyproj's own" if is_own else str(folder))
    to_utm = pyproj.Transformer.from_crs("EPSG:4326", f"EPSG:{_EPSG}", always_xy=True)
    east, north = to_utm.transform(-9, 0)
    yield fine("PROJ", f"EPSG:{_EPSG}", f"9 W, 0 N is at {east:.0f} m, {north:.0f} m")
