"""Frames as pictures with their dates: a sheet, the frames of a film. The only door to Pillow.

Brightness means the same in every frame of a sheet or film: all share one stretch. The same frames
give the same bytes.
"""

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]
"""(rows, columns) of grey, or (rows, columns, 3) of red, green and blue."""

GROUND = (17, 22, 29)
NODATA = (38, 51, 68)
"""Bluish, so that it is no grey that a pixel could have."""

INK = (233, 238, 243)
FAINT = (148, 162, 177)
TRACK = (44, 55, 68)
CLOUD = (120, 190, 245)

_LOW, _HIGH = 0.02, 0.98
"""Shares of the valid pixels below black and white."""

_GREYS = 88
_STEPS = 9
"""Shades of the palette: of grey, and between each two colours of the lettering."""

_COLUMNS = 12
"""Of a sheet at the most, unless more are asked for."""

_AGAIN = 4
"""Corners are drawn this much larger and scaled down, so that they come out smooth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A frame as it is drawn."""

    pixels: Pixels
    valid: NDArray[np.bool_]
    """(rows, columns); where it is False there is nodata, which has a colour of its own."""

    moment: datetime
    """Sensing time in UTC."""

    cloud: float | None
    """Percent; None where it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What is said of all frames together."""

    title: str
    """`29PKR B09`."""

    about: str
    """Where they come from."""

    start: datetime
    end: datetime
    """Sensing times of the first and the last, in UTC."""

    count: int
    """Frames."""

    unknown: int = 0
    """Frames of which the cloud is not known."""

    @property
    def years(self) -> str:
        """`2025`, or `2024-2025`.

        >>> day = datetime(2024, 5, 1)
        >>> Heading(title="", about="", start=day, end=day, count=1).years
        '2024'
        """
        years = dict.fromkeys([self.start.year, self.end.year])
        return "-".join(map(str, years))

    def place(self, moment: datetime) -> float:
        """Where a moment lies between the first and the last, from 0 to 1."""
        span = (self.end - self.start).total_seconds()
        return (moment - self.start).total_seconds() / span if span else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The digital numbers that are drawn black and white."""

    black: float
    white: float

    @classmethod
    def of(cls, histogram: NDArray[np.int64]) -> "Stretch":
        """From the 2nd to the 98th percentile of the valid pixels.

        Args:
            histogram: (65536,) pixels of each digital number; those of 0 do not count.

        >>> Stretch.of(np.bincount([0, 0, 10, 20, 20, 30], minlength=65536))
        Stretch(black=10.0, white=30.0)
        """
        below = histogram[1:].cumsum()
        if not below[-1]:
            return cls(black=0.0, white=1.0)
        black, white = (1 + int(np.searchsorted(below, below[-1] * p)) for p in (_LOW, _HIGH))
        return cls(black=float(black), white=float(max(white, black + 1)))

    def grey(self, numbers: NDArray[np.uint16]) -> Pixels:
        """Digital numbers (rows, columns) as grey."""
        scaled = (numbers.astype(np.float32) - self.black) * (255 / (self.white - self.black))
        grey: Pixels = np.clip(scaled.round(), 0, 255).astype(np.uint8)
        return grey


def read(content: bytes) -> tuple[Pixels, NDArray[np.bool_]]:
    """A PNG as pixels, and where it is opaque.

    Raises:
        ValueError: It is no picture that Pillow can read.
    """
    try:
        with Image.open(io.BytesIO(content)) as opened:
            is_grey = opened.mode in ("1", "L", "LA", "I;16")
            image = opened.convert("LA" if is_grey else "RGBA")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"it is no picture: {error}") from error
    layers = np.asarray(image)
    colors = layers[..., 0] if is_grey else layers[..., :3]
    return colors.copy(), layers[..., -1] > 0


def resized(mask: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """A mask of another shape (rows, columns), each of its cells that of the nearest pixel."""
    image = Image.fromarray(mask.astype(np.uint8)).resize(shape[::-1], Image.Resampling.NEAREST)
    return np.asarray(image).astype(np.bool_)


def columns_for(count: int) -> int:
    """Columns of a sheet of so many frames: about as many as rows, and its last row nearly full.

    >>> columns_for(1), columns_for(24), columns_for(36), columns_for(73), columns_for(1000)
    (1, 6, 6, 11, 11)
    """
    near = min(math.ceil(math.sqrt(count * 1.25)), _COLUMNS)
    choices = range(max(near - 1, 1), min(near + 2, _COLUMNS, count) + 1)
    return min(choices, key=lambda columns: (-count % columns, abs(columns - near), -columns))


def cell_side(width: int, columns: int) -> int:
    """Pixels a side that a frame has on a sheet; less than 1 where there is no room."""
    return (width - 2 * _margin(width) - (columns - 1) * _gap(width)) // columns


def sheet(pictures: Iterable[Picture], heading: Heading, *, columns: int, width: int) -> bytes:
    """All frames side by side, each with its date, its cloud percentage and a bar as long as that.

    Args:
        pictures: By time, as many as the heading says.
        heading: The line above them.
        columns: Frames in a row.
        width: Of the sheet, in pixels.

    Returns:
        A PNG.
    """
    side, gap, margin = cell_side(width, columns), _gap(width), _margin(width)
    caption, header = round(side * 0.28), round(width * 0.065)
    left = (width - columns * side - (columns - 1) * gap) // 2
    rows = -(-heading.count // columns)
    height = header + rows * (side + caption + gap) + margin - gap
    image = Image.new("RGB", (width, height), GROUND)
    pen = ImageDraw.Draw(image)
    _headline(pen, heading, (left, width - left), header)
    mask, is_grey = _rounded(side, max(side // 20, 2)), True
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        x, y = left + column * (side + gap), header + row * (side + caption + gap)
        image.paste(_drawn(picture, side), (x, y), mask)
        _caption(pen, picture, heading, (x, y + side), side)
        is_grey &= picture.pixels.ndim == 2  # noqa: PLR2004 - rows and columns
    out = io.BytesIO()
    (_few_colors(image) if is_grey else image).save(out, "PNG", optimize=True)
    return out.getvalue()


def film_frames(
    pictures: Iterable[Picture], heading: Heading, *, width: int
) -> Iterator[NDArray[np.uint8]]:
    """Each frame above a strip with its date, cloud percentage and place in the whole time.

    Args:
        pictures: By time.
        heading: What the strip says of all.
        width: In pixels, even.

    Yields:
        (rows, columns, 3) of red, green and blue; both even, as films have them, and the same
        for all.
    """
    for picture in pictures:
        yield np.asarray(_film_frame(picture, heading, width))


def gif(pictures: Iterable[Picture], heading: Heading, *, width: int, fps: float) -> bytes:
    """The frames of the film as a GIF that runs without end."""
    images = (_paletted(picture, _film_frame(picture, heading, width)) for picture in pictures)
    first = next(images)
    out = io.BytesIO()
    first.save(
        out,
        "GIF",
        save_all=True,
        append_images=images,
        duration=max(round(1000 / fps), 20),  # browsers slow down what is quicker
        loop=0,
        optimize=False,
    )
    return out.getvalue()


def _margin(width: int) -> int:
    return max(width * 36 // 1600, 4)


def _gap(width: int) -> int:
    return max(width * 14 // 1600, 2)


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own, at a size in pixels."""
    return ImageFont.load_default(max(round(size), 9))


def _text(
    pen: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    size: float,
    *,
    color: tuple[int, int, int] = INK,
    anchor: str = "lm",
    room: float = math.inf,
) -> float:
    """A line of text, in smaller letters where there is no room for it; returns its width."""
    font = _font(size)
    length = pen.textlength(text, font)
    if length > room:
        font = _font(size * room / length)
        length = pen.textlength(text, font)
    pen.text(at, text, color, font, anchor=anchor)
    return length


def _headline(
    pen: ImageDraw.ImageDraw, heading: Heading, sides: tuple[int, int], height: int
) -> None:
    left, right = sides
    frames = "1 frame" if heading.count == 1 else f"{heading.count} frames"
    about = " · ".join(filter(None, [f"{frames}, {_figure_said(heading)}", heading.about]))
    middle = height * 0.56
    taken = _text(
        pen,
        (left, middle),
        f"{heading.title} {heading.years}",
        height * 0.42,
        room=(right - left) * 0.45,
    )
    _text(
        pen,
        (right, middle + height * 0.04),
        about,
        height * 0.26,
        color=FAINT,
        anchor="rm",
        room=right - left - taken - height * 0.3,
    )


def _figure_said(heading: Heading) -> str:
    """The meaning of the percentages below the frames."""
    if heading.unknown == heading.count:
        return "cloud unknown"
    return f"% cloud, unknown of {heading.unknown}" if heading.unknown else "% cloud"


def _caption(
    pen: ImageDraw.ImageDraw,
    picture: Picture,
    heading: Heading,
    corner: tuple[int, int],
    side: int,
) -> None:
    x, y = corner
    several = heading.start.year != heading.end.year
    size, line, bar = side * 0.14, y + side * 0.12, y + round(side * 0.22)
    thick = max(round(side * 0.02), 2)
    nothing = "" if heading.unknown == heading.count else "?"
    cloud = nothing if picture.cloud is None else f"{picture.cloud:.0f} %"
    taken = _text(pen, (x + side, line), cloud, size, color=FAINT, anchor="rm")
    date = f"{picture.moment:%d %b %Y}" if several else f"{picture.moment:%d %b}"
    _text(pen, (x, line), date, size, room=side * 0.95 - taken)
    if picture.cloud is None:
        return  # an empty bar would say 0 %
    pen.rounded_rectangle((x, bar, x + side - 1, bar + thick), thick // 2, TRACK)
    length = round(side * picture.cloud / 100)
    if length:
        pen.rounded_rectangle((x, bar, x + length - 1, bar + thick), thick // 2, CLOUD)


def _film_frame(picture: Picture, heading: Heading, width: int) -> Image.Image:
    strip = width * 18 // 100 // 2 * 2
    image = Image.new("RGB", (width, width + strip), GROUND)
    image.paste(_drawn(picture, width), (0, 0))
    pen = ImageDraw.Draw(image)
    left, right = strip * 0.22, width - strip * 0.22
    first, second, bar = (width + strip * share for share in (0.28, 0.62, 0.84))
    cloud = "cloud unknown" if picture.cloud is None else f"{picture.cloud:.0f} % cloud"
    color = FAINT if picture.cloud is None else CLOUD
    _text(pen, (left, first), f"{picture.moment:%d %b %Y}", strip * 0.36)
    _text(pen, (right, first), cloud, strip * 0.28, color=color, anchor="rm")
    taken = _text(pen, (left, second), heading.title, strip * 0.18, color=FAINT)
    room = right - left - taken - strip * 0.2
    _text(pen, (right, second), heading.about, strip * 0.18, color=FAINT, anchor="rm", room=room)
    thick = max(strip * 0.03, 2)
    at = left + (right - left) * heading.place(picture.moment)
    pen.rounded_rectangle((left, bar, right, bar + thick), thick / 2, TRACK)
    pen.rounded_rectangle((left, bar, max(at, left + thick), bar + thick), thick / 2, FAINT)
    dot = thick * 1.6
    middle = bar + thick / 2
    pen.ellipse((at - dot, middle - dot, at + dot, middle + dot), INK)
    return image


def _drawn(picture: Picture, side: int) -> Image.Image:
    """A frame on a square of that side, nodata in the colour of nothing."""
    pixels = picture.pixels
    colors = pixels if pixels.ndim == 3 else np.repeat(pixels[..., np.newaxis], 3, axis=2)  # noqa: PLR2004
    shown = np.where(picture.valid[..., np.newaxis], colors, np.array(NODATA, np.uint8))
    image = Image.fromarray(shown.astype(np.uint8))
    scale = side / max(image.size)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    small = image.resize(size, Image.Resampling.LANCZOS)
    if size == (side, side):
        return small
    square = Image.new("RGB", (side, side), GROUND)
    square.paste(small, ((side - size[0]) // 2, (side - size[1]) // 2))
    return square


def _rounded(side: int, radius: int) -> Image.Image:
    large = Image.new("L", (side * _AGAIN, side * _AGAIN), 0)
    area = (0, 0, side * _AGAIN - 1, side * _AGAIN - 1)
    ImageDraw.Draw(large).rounded_rectangle(area, radius * _AGAIN, 255)
    return large.resize((side, side), Image.Resampling.LANCZOS)


def _paletted(picture: Picture, image: Image.Image) -> Image.Image:
    if picture.pixels.ndim == 2:  # noqa: PLR2004 - rows and columns
        return _few_colors(image)
    return image.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)


def _few_colors(image: Image.Image) -> Image.Image:
    """In greys and the colours of the lettering, a third of the bytes."""
    palette = Image.new("P", (1, 1))
    palette.putpalette([channel for color in _palette() for channel in color])
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


def _palette() -> Sequence[tuple[int, int, int]]:
    colors = [(grey, grey, grey) for grey in (255 * n // (_GREYS - 1) for n in range(_GREYS))]
    pairs = (
        *((GROUND, INK), (GROUND, FAINT), (GROUND, CLOUD), (TRACK, CLOUD), (TRACK, INK)),
        *((GROUND, NODATA), (NODATA, (0, 0, 0)), (NODATA, (128, 128, 128)), (NODATA, INK)),
    )
    for first, second in pairs:
        for step in range(_STEPS):
            red, green, blue = (
                a + (b - a) * step // (_STEPS - 1) for a, b in zip(first, second, strict=True)
            )
            colors.append((red, green, blue))
    return colors
