# ruff: noqa: INP001 - a script, not a package
"""Draw a year of a catalog as one picture: `python sheet.py catalogs 29PKR B09 sheet.png`.

Each frame is its thumbnail, with its date, its cloud percentage and a bar as long as that. Needs
Pillow, and of the catalog only its JSON and PNG files.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

WIDTH = 1600
MARGIN = 36
GAP = 14
HEADER = 104
CAPTION = 44
GREYS = 88

GROUND = (17, 22, 29)
NODATA = (28, 36, 46)
INK = (233, 238, 243)
FAINT = (148, 162, 177)
TRACK = (44, 55, 68)
CLOUD = (120, 190, 245)

_AGAIN = 4
"""Corners are drawn this much larger and scaled down, so that they come out smooth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What is shown of a frame."""

    thumbnail: Path
    moment: datetime
    cloud: float | None
    """Percent; None where the Item does not say."""


def main() -> None:
    """Read the arguments, draw, save."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("catalog", type=Path, help="folder that holds catalog.json")
    parser.add_argument("tile", help="29PKR")
    parser.add_argument("band", help="B09")
    parser.add_argument("output", type=Path, help="PNG to write")
    parser.add_argument("--columns", type=int, default=9)
    options = parser.parse_args()
    root = read(options.catalog / "catalog.json")
    collection = options.catalog / options.tile / options.band / "collection.json"
    cells = sorted(cells_of(collection), key=lambda cell: cell.moment)
    years = sorted({cell.moment.year for cell in cells})
    sheet = draw(
        cells,
        columns=options.columns,
        title=" ".join([options.tile, options.band, *map(str, years)]),
        about=" · ".join([f"{len(cells)} frames, % cloud", *_origin(root)]),
    )
    few_colors(sheet).save(options.output, optimize=True)


def _origin(root: dict[str, Any]) -> list[str]:
    return ["synthetic landscape of --sample"] if root.get("stacgen:content") == "sample" else []


def read(path: Path) -> dict[str, Any]:
    """A STAC document."""
    document: dict[str, Any] = json.loads(path.read_bytes())
    return document


def cells_of(collection: Path) -> Iterator[Cell]:
    """The frames of a Collection, found by following its links."""
    for year in linked(collection, "child"):
        for path in linked(year, "item"):
            item = read(path)
            yield Cell(
                thumbnail=path.parent / item["assets"]["thumbnail"]["href"],
                moment=datetime.fromisoformat(item["properties"]["datetime"]),
                cloud=item["properties"].get("eo:cloud_cover"),
            )


def linked(path: Path, rel: str) -> Iterator[Path]:
    """The documents that a document links to."""
    for link in read(path)["links"]:
        if link["rel"] == rel:
            yield path.parent / link["href"]


def draw(cells: list[Cell], *, columns: int, title: str, about: str) -> "Image.Image":
    """The sheet, (columns) cells wide and as high as it takes."""
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415 - so that doctest can import this

    side = (WIDTH - 2 * MARGIN - (columns - 1) * GAP) // columns
    left = (WIDTH - columns * side - (columns - 1) * GAP) // 2
    pitch = side + CAPTION + GAP
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (WIDTH, HEADER + rows * pitch + MARGIN - GAP), GROUND)
    pen = ImageDraw.Draw(sheet)
    top = HEADER / 2 + 6
    pen.text((left, top), title, INK, ImageFont.load_default(42), anchor="lm")
    right = left + columns * side + (columns - 1) * GAP
    pen.text((right, top + 4), about, FAINT, ImageFont.load_default(26), anchor="rm")
    mask = _rounded(side, 8)
    for index, cell in enumerate(cells):
        row, column = divmod(index, columns)
        x, y = left + column * (side + GAP), HEADER + row * pitch
        sheet.paste(_picture(cell.thumbnail, side), (x, y), mask)
        _caption(pen, cell, (x, y + side), side)
    return sheet


def few_colors(sheet: "Image.Image") -> "Image.Image":
    """The sheet in greys and the colours of its lettering, a third of the bytes."""
    from PIL import Image  # noqa: PLC0415 - same

    colors = [(grey, grey, grey) for grey in (255 * n // (GREYS - 1) for n in range(GREYS))]
    for first, second in ((GROUND, INK), (GROUND, FAINT), (TRACK, CLOUD), (GROUND, NODATA)):
        for step in range(9):
            pairs = zip(first, second, strict=True)
            red, green, blue = (a + (b - a) * step // 8 for a, b in pairs)
            colors.append((red, green, blue))
    palette = Image.new("P", (1, 1))
    palette.putpalette([channel for color in colors for channel in color])
    return sheet.quantize(palette=palette, dither=Image.Dither.NONE)


def _picture(path: Path, side: int) -> "Image.Image":
    """A thumbnail, nodata in the colour of nothing."""
    from PIL import Image  # noqa: PLC0415 - same

    with Image.open(path) as opened:
        small = opened.convert("LA").resize((side, side), Image.Resampling.LANCZOS)
    picture = Image.new("RGB", (side, side), NODATA)
    grey, alpha = small.split()
    picture.paste(Image.merge("RGB", (grey, grey, grey)), (0, 0), alpha)
    return picture


def _caption(pen: "ImageDraw.ImageDraw", cell: Cell, corner: tuple[int, int], side: int) -> None:
    from PIL import ImageFont  # noqa: PLC0415 - same

    x, y = corner
    font = ImageFont.load_default(21)
    pen.text((x, y + 18), f"{cell.moment:%d %b}", INK, font, anchor="lm")
    bar = y + 34
    pen.rounded_rectangle((x, bar, x + side - 1, bar + 3), 2, TRACK)
    if cell.cloud is None:
        return
    pen.text((x + side, y + 18), f"{cell.cloud:.0f} %", FAINT, font, anchor="rm")
    length = round(side * cell.cloud / 100)
    if length:
        pen.rounded_rectangle((x, bar, x + length - 1, bar + 3), 2, CLOUD)


def _rounded(side: int, radius: int) -> "Image.Image":
    from PIL import Image, ImageDraw  # noqa: PLC0415 - same

    large = Image.new("L", (side * _AGAIN, side * _AGAIN), 0)
    area = (0, 0, side * _AGAIN - 1, side * _AGAIN - 1)
    ImageDraw.Draw(large).rounded_rectangle(area, radius * _AGAIN, 255)
    return large.resize((side, side), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
