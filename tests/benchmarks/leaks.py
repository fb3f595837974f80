"""How dark the ground is, and how bright the noise in nodata: `python tests/benchmarks/leaks.py`.

Frames of the sample are compared with what they were before encoding, pixel by pixel. Of the real
frames beside the project, where they are there, only the share of nodata is known; ground that is
lost then is what is cleaned one pixel or more within the footprint. It takes two minutes.
"""

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from conftest import SHARED
from stacgen.dunia.sample import encode, landscape, passes, streams
from stacgen.model import mgrs
from stacgen.raster import nodata
from stacgen.raster.footprint import opened

Field = NDArray[np.uint16]
Mask = NDArray[np.bool_]

TILE = mgrs.parse("29PKR")
SAMPLE = [(2025, "B09", 1), (2025, "B09", 4), (2025, "B01", 1), (2025, "B11", 7)]
OLD = [(2021, "B09", 1), (2021, "B09", 4), (2021, "B12", 4)]
"""Year, band and number of frames that lack a part, since baseline 04.00 and before."""

REFLECTANCES = (-0.07, -0.06, -0.05, -0.04, -0.03, -0.02)
CODES = (1, 2, 3, 5, 10, 20)


def decoded(media: bytes) -> Iterator[Field]:
    with av.open(io.BytesIO(media), "r") as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="gray12le"), np.uint16)


def painted(year: int, band: str, number: int) -> tuple[Field, Field, float]:
    """Codes after and before encoding, and their scale."""
    of = passes.of_year(TILE, year)[number]
    before = np.zeros((landscape.size(band),) * 2, np.uint16)
    landscape.paint(of, band, before)
    media = encode.segment(
        lambda _, out: np.copyto(out, before), range(number, number + 1), size=len(before)
    )
    return next(decoded(media)), before, landscape.scale(of, band)


def sample_line(codes: Field, before: Field, up_to: int) -> str:
    found = nodata.outside(codes, nodata.Rule(up_to=up_to))
    left, lost = before[~found] == 0, before[found] > 0
    return f"{left.sum():7} noise left {lost.sum():5} ground lost"


def real_line(codes: Field, up_to: int, inside: Mask, percentage: float) -> str:
    found = nodata.outside(codes, nodata.Rule(up_to=up_to))
    away = 100 * found.mean() - percentage
    lost = (found & (codes > 0) & inside).sum()
    return f"{-away:+7.3f} points from the sources' {lost:5} ground lost"


def one_within(mask: Mask) -> Mask:
    """The mask with its small holes, without its edge."""
    wide = np.pad(~opened(~mask), 1, constant_values=True)
    rows, columns = mask.shape
    nine = [wide[y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    inside: Mask = np.logical_and.reduce(nine)
    return inside


def main() -> None:
    for which, limits in ((SAMPLE, REFLECTANCES), (OLD, CODES)):
        for year, band, number in which:
            codes, before, scale = painted(year, band, number)
            figure = streams.figures(TILE, year)[number][1]
            kept = 100 * (codes > 0).mean()
            sys.stdout.write(f"sample {year} {band} {number}: untouched {kept + figure:.2f} %\n")
            for limit in limits:
                up_to = limit if limit > 0 else int((limit + 0.1) * 10_000 / scale)
                line = sample_line(codes, before, int(up_to))
                sys.stdout.write(f"  up to {limit:5} {line}\n")
    folder = SHARED / "streams" / "32TLS_B01_2022"
    if not folder.is_dir():
        return
    images = json.loads((folder / "band.json").read_text())["images"]
    figures = json.loads((folder / "tci.json").read_text())["images"]
    media = (path.read_bytes() for path in sorted(folder.glob("seg_*.ts")))
    frames = (codes for each in media for codes in decoded(each))
    for number, (codes, image, figure) in enumerate(zip(frames, images, figures, strict=True)):
        scale = image["scale_factor"]
        inside = one_within(codes * scale >= 700)
        dark = np.percentile(codes[inside], 0.001) * scale / 10_000 - 0.1
        kept = 100 * (codes > 0).mean() + figure["nodata_pixel_percentage"]
        sys.stdout.write(f"real {number}: untouched {kept:.2f} %, darkest ground {dark:.3f}\n")
        for limit in REFLECTANCES:
            up_to = int((limit + 0.1) * 10_000 / scale)
            line = real_line(codes, up_to, inside, figure["nodata_pixel_percentage"])
            sys.stdout.write(f"  up to {limit:5} {line}\n")


if __name__ == "__main__":
    main()
