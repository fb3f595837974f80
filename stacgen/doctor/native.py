"""How FFmpeg, GDAL and PROJ were built, and whether they do what stacgen needs of them."""

import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from stacgen import gdal_data
from stacgen.doctor.findings import Finding, Mark, look

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SIZE = 256
"""Rows and columns of the pictures that are tried out."""

_STEP = 7
"""Codes from one row, and one column, to the next: a slope from 0 to 3570, of twelve bits."""

_TOLERANCE = 200
"""Codes by which a pixel may be off after lossy coding; eight bits miss by more."""

_BEST_DEFLATE = 12
"""A level that libdeflate has and zlib has not."""

_EPSG = 32629
"""UTM zone 29N, that of tile 29PKR."""


def ffmpeg() -> Iterator[Finding]:
    """The FFmpeg inside PyAV: versions, decoder, encoder, and a picture there and back."""
    import av  # noqa: PLC0415 - may be broken, which is what is asked

    yield _fine("FFmpeg", "version", f"{av.ffmpeg_version_info}, inside PyAV {av.__version__}")
    for name in ("libavcodec", "libavformat", "libavutil"):
        yield _fine("FFmpeg", name, ".".join(map(str, av.library_versions[name])))
    yield from _decoder(av.codecs_available)
    yield from _encoder(av.codecs_available)


def _decoder(codecs: set[str]) -> Iterator[Finding]:
    if "hevc" in codecs:
        yield _fine("FFmpeg", "HEVC decoder", "there")
        return
    yield Finding(
        part="FFmpeg",
        name="HEVC decoder",
        mark=Mark.FAIL,
        text="is not in this build, so no stream can be decoded",
        advice="Take PyAV's own wheel: pip install --force-reinstall --only-binary av av",
    )


def _encoder(codecs: set[str]) -> Iterator[Finding]:
    """x265 makes the streams of `sample`, and a picture by which to try the decoder out."""
    if "libx265" not in codecs:
        yield Finding(
            part="FFmpeg",
            name="x265 encoder",
            mark=Mark.WARN,
            text="is not in this build, so --sample makes no streams, and 12 bits are not tried",
            advice="Take PyAV's own wheel: pip install --force-reinstall --only-binary av av",
        )
        return
    yield _fine("FFmpeg", "x265 encoder", "there, for --sample")
    began = time.monotonic()
    missed = _round_trip()
    took = 1000 * (time.monotonic() - began)
    yield Finding(
        part="FFmpeg",
        name="12-bit gray",
        mark=Mark.OK if missed <= _TOLERANCE else Mark.FAIL,
        text=f"coded and decoded in {took:.0f} ms, codes off by {missed}",
        advice="" if missed <= _TOLERANCE else "pip install --force-reinstall av",
    )


def _round_trip() -> int:
    """The most by which a code differs after x265 and the decoder of the pipeline."""
    import numpy as np  # noqa: PLC0415 - may be broken

    from stacgen import decode  # noqa: PLC0415 - FFmpeg, likewise
    from stacgen.models import Timeline  # noqa: PLC0415 - numpy
    from stacgen.sample import encode  # noqa: PLC0415 - same

    across = np.arange(_SIZE, dtype=np.uint16) * _STEP
    slope = across + across[:, np.newaxis]

    def paint(number: int, codes: "NDArray[np.uint16]") -> None:
        codes[:] = np.rot90(slope, number)

    numbers = range(4)
    found = decode.frames(
        encode.segment(paint, numbers, size=_SIZE),
        numbers=numbers,
        timeline=Timeline(origin=Fraction("1.4")),
        shape=(_SIZE, _SIZE),
    )
    return max(
        int(abs(each.pixels.astype(int) - np.rot90(slope, each.number)).max()) for each in found
    )


def gdal() -> Iterator[Finding]:
    """The GDAL inside rasterio: versions, drivers, libdeflate, its tables, and a CRS."""
    import rasterio  # noqa: PLC0415 - may be broken, which is what is asked
    from rasterio.env import GDALDataFinder, PROJDataFinder  # noqa: PLC0415 - same

    yield from _variables()
    gdal_data.keep_own()
    versions = f"PROJ {rasterio.__proj_version__}, GEOS {rasterio.__geos_version__}"
    yield _fine("GDAL", "version", f"{rasterio.__gdal_version__}, inside rasterio")
    yield _fine("GDAL", "built with", versions)
    with rasterio.Env() as env:
        there = env.drivers()
    yield from _drivers([each for each in ("COG", "GTiff") if each not in there])
    yield from _deflate()
    package = Path(rasterio.__file__).parent
    yield from _data("GDAL tables", GDALDataFinder().search(), package)
    yield from _data("PROJ tables", PROJDataFinder().search(), package)
    advice = "pip install --force-reinstall rasterio"
    yield from look("GDAL", f"EPSG:{_EPSG}", _crs, advice=advice)


def _crs() -> Iterator[Finding]:
    """A code is looked up, which fails where the tables are those of another PROJ."""
    import rasterio  # noqa: PLC0415 - may be broken
    from rasterio.crs import CRS  # noqa: PLC0415 - same

    with _quiet("rasterio"), rasterio.Env():
        CRS.from_epsg(_EPSG)
    yield _fine("GDAL", f"EPSG:{_EPSG}", "known")


def _drivers(missing: Sequence[str]) -> Iterator[Finding]:
    if not missing:
        yield _fine("GDAL", "drivers", "COG, GTiff")
        return
    yield Finding(
        part="GDAL",
        name="drivers",
        mark=Mark.FAIL,
        text=f"{' and '.join(missing)} not in this build, so no COG can be written",
        advice="Take rasterio's own wheel: pip install --force-reinstall rasterio",
    )


def _deflate() -> Iterator[Finding]:
    import numpy as np  # noqa: PLC0415 - may be broken
    import rasterio  # noqa: PLC0415 - same
    from rasterio.io import MemoryFile  # noqa: PLC0415 - same

    shape = {"driver": "GTiff", "width": 16, "height": 16, "count": 1, "dtype": "uint8"}
    with _quiet("rasterio") as said, rasterio.Env(), MemoryFile() as memory:
        options = {"compress": "deflate", "zlevel": _BEST_DEFLATE, "transform": _shifted()}
        with memory.open(**shape, **options) as dataset:
            dataset.write(np.zeros((1, 16, 16), np.uint8))
    if not any("ZLEVEL" in each for each in said):
        yield _fine("GDAL", "libdeflate", "there")
        return
    yield Finding(
        part="GDAL",
        name="libdeflate",
        mark=Mark.WARN,
        text="is not in this build: --compress deflate has no levels above 9, and is slower",
        advice="Take rasterio's own wheel: pip install --force-reinstall rasterio",
    )


def _shifted() -> object:
    """A georeference, without which rasterio warns."""
    from rasterio import Affine  # noqa: PLC0415 - may be broken

    return Affine(1, 0, 1, 0, -1, 1)


def _data(name: str, found: str | None, package: Path) -> Iterator[Finding]:
    if found is None:
        yield _fine("GDAL", name, "where GDAL was built to look for them")
    elif Path(found).is_relative_to(package):
        yield _fine("GDAL", name, "rasterio's own")
    else:
        yield _fine("GDAL", name, found)


def _variables() -> Iterator[Finding]:
    """Variables of tables and plugins; those of another installation are not used."""
    unused = gdal_data.foreign(os.environ)
    for name in gdal_data.VARIABLES:
        value = os.environ.get(name)
        if value is None:
            continue
        if name not in unused:
            yield _fine("GDAL", name, value)
            continue
        yield Finding(
            part="GDAL",
            name=name,
            mark=Mark.WARN,
            text=f"names another installation, {value}, and is not used: rasterio has its own",
            advice=f"unset {name}",
        )


def proj() -> Iterator[Finding]:
    """The PROJ inside pyproj, which is another than GDAL's, and its tables."""
    import pyproj  # noqa: PLC0415 - may be broken, which is what is asked

    yield _fine("PROJ", "version", f"{pyproj.proj_version_str}, inside pyproj {pyproj.__version__}")
    folder = Path(pyproj.datadir.get_data_dir())
    is_own = folder.is_relative_to(Path(pyproj.__file__).parent)
    yield _fine("PROJ", "tables", "pyproj's own" if is_own else str(folder))
    to_utm = pyproj.Transformer.from_crs("EPSG:4326", f"EPSG:{_EPSG}", always_xy=True)
    east, north = to_utm.transform(-9, 0)
    yield _fine("PROJ", f"EPSG:{_EPSG}", f"9 W, 0 N is at {east:.0f} m, {north:.0f} m")


def versions() -> dict[str, str]:
    """Versions of what flaws may be known of, as far as they can be told."""
    found = {}
    with suppress(Exception):  # `ffmpeg` tells of it
        import av  # noqa: PLC0415 - may be broken

        found["FFmpeg"] = str(av.ffmpeg_version_info)
    with suppress(metadata.PackageNotFoundError):
        found["requests"] = metadata.version("requests")
    return found


@contextmanager
def _quiet(name: str) -> Iterator[list[str]]:
    """What a library logs meanwhile, instead of on stderr."""
    said: list[str] = []

    class _Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger, kept = logging.getLogger(name), _Kept()
    before = logger.propagate
    logger.addHandler(kept)
    logger.propagate = False
    try:
        yield said
    finally:
        logger.removeHandler(kept)
        logger.propagate = before


def _fine(part: str, name: str, text: str) -> Finding:
    return Finding(part=part, name=name, mark=Mark.OK, text=text)
