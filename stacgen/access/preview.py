"""A Collection as a film or a sheet of pictures."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stacgen.access import contact_sheet
from stacgen.access import mp4 as film
from stacgen.access.contact_sheet import Heading, Picture, Stretch
from stacgen.errors import OutputError, UsageError
from stacgen.model.protocols import Readable
from stacgen.model.stream import Selection
from stacgen.raster import footprint, gdal
from stacgen.stac.reader import Acquisition, Home, Series, series

_NUMBERS = 1 << 16
"""Digital numbers there are."""

_NARROWEST_FILM, _WIDEST_FILM = 64, 4096
_NARROWEST_CELL = 16
_FASTEST = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How frames are laid out."""

    width: int
    """Pixels."""

    columns: int | None = None
    """Frames in a row of a sheet; None for about as many as there are rows."""

    fps: float = 5
    """Frames a second of a film."""


def sheet(home: Home, wanted: Selection, layout: Layout) -> tuple[bytes, int]:
    """A PNG of the wanted frames side by side, and how many they are.

    Raises:
        UsageError: There is no room for so many columns, or see `stacgen.stac.reader.series`.
        OutputError: Something of the Collection cannot be read.
    """
    found = series(home, wanted)
    count = len(found.acquisitions)
    columns = min(layout.columns or contact_sheet.columns_for(count), count)
    side = contact_sheet.cell_side(layout.width, columns)
    if columns < 1 or side < _NARROWEST_CELL:
        raise UsageError(
            f"{columns} columns do not fit into {layout.width} pixels: a frame would be less than"
            f" {_NARROWEST_CELL} wide. Take a greater --width or fewer --columns."
        )
    pictures = _pictures(found, at_least=side)
    return contact_sheet.sheet(
        pictures, _heading(found), columns=columns, width=layout.width
    ), count


def gif(home: Home, wanted: Selection, layout: Layout) -> tuple[bytes, int]:
    """A GIF of the wanted frames, and how many they are; raises as `sheet` does."""
    width = _film_width(layout)
    found = series(home, wanted)
    pictures = _pictures(found, at_least=width)
    content = contact_sheet.gif(pictures, _heading(found), width=width, fps=layout.fps)
    return content, len(found.acquisitions)


def mp4(home: Home, wanted: Selection, layout: Layout) -> tuple[bytes, int]:
    """An MP4 of the wanted frames, and how many they are; raises as `sheet` does."""
    width = _film_width(layout)
    found = series(home, wanted)
    pictures = _pictures(found, at_least=width)
    frames = contact_sheet.film_frames(pictures, _heading(found), width=width)
    return film.encode(frames, fps=layout.fps), len(found.acquisitions)


def _film_width(layout: Layout) -> int:
    if not _NARROWEST_FILM <= layout.width <= _WIDEST_FILM:
        raise UsageError(
            f"A film {layout.width} pixels wide is none: take {_NARROWEST_FILM} to {_WIDEST_FILM}."
        )
    if not 0 < layout.fps <= _FASTEST:
        raise UsageError(f"A film of {layout.fps:g} frames a second is none: take up to 60.")
    return layout.width // 2 * 2


def _heading(found: Series) -> Heading:
    return Heading(
        title=found.title,
        about=found.about,
        start=found.acquisitions[0].moment,
        end=found.acquisitions[-1].moment,
        count=len(found.acquisitions),
        unknown=sum(each.cloud is None for each in found.acquisitions),
    )


def _pictures(found: Series, *, at_least: int) -> Iterator[Picture]:
    """The frames as they are drawn, each read when its turn comes.

    All share one stretch, so their smallest overviews are read before the first is drawn.
    """
    place = found.place
    stretch = Stretch.of(_histogram(place, found))
    for each in found.acquisitions:
        if each.data is None and each.visual is not None:
            with gdal.opened(place, each.key_of(each.visual)) as dataset:
                pixels = gdal.colors(dataset, at_least=at_least)
            valid = np.asarray(pixels.any(axis=2))
        elif each.data is None:
            pixels, valid = _thumbnail(place, each)
        else:
            numbers, valid = _numbers(place, each, at_least=at_least)
            pixels = stretch.grey(numbers)
        yield Picture(pixels=pixels, valid=valid, moment=each.moment, cloud=each.cloud)


def _histogram(place: Readable, found: Series) -> NDArray[np.int64]:
    """Valid pixels of each digital number, in the smallest overviews of all frames."""
    total = np.zeros(_NUMBERS, np.int64)
    for each in found.acquisitions:
        if each.data is not None:
            numbers, valid = _numbers(place, each, at_least=1)
            total += np.bincount(numbers[valid], minlength=_NUMBERS)
    return total


def _numbers(
    place: Readable, each: Acquisition, *, at_least: int
) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """Digital numbers of an overview, and where they are valid.

    Small codes that video coding has leaked into nodata are not shown: where the thumbnail is
    transparent, and what is narrower than three pixels, as at the edge of the swath.
    """
    if each.data is None:
        raise AssertionError  # the caller has looked
    with gdal.opened(place, each.key_of(each.data)) as dataset:
        numbers = gdal.overview(dataset, at_least=at_least)
    valid = numbers > 0
    if each.thumbnail is not None:
        valid &= contact_sheet.resized(_thumbnail(place, each)[1], numbers.shape)
    return numbers, footprint.opened(valid)


def _thumbnail(
    place: Readable, each: Acquisition
) -> tuple[contact_sheet.Pixels, NDArray[np.bool_]]:
    if each.thumbnail is None:
        raise OutputError(
            f"{place.address}/{each.key} has neither one asset of data nor a thumbnail to show."
        )
    key = each.key_of(each.thumbnail)
    content = place.read(key)
    if content is None:
        raise OutputError(f"{place.address}/{key} is linked and not there. Build it anew.")
    try:
        return contact_sheet.read(content)
    except ValueError as error:
        raise OutputError(f"{place.address}/{key} cannot be shown: {error}.") from error
