"""The calls behind `stacgen.preview` and `stacgen.plot`: a published Collection, to look at."""

import json
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stacgen.access import time_series as plotting
from stacgen.access.time_series import Readings
from stacgen.api import destination
from stacgen.errors import UsageError
from stacgen.io.stores import open_readable
from stacgen.model.stream import Selection
from stacgen.model.time_series import Point, polygons
from stacgen.stac import stac_json
from stacgen.stac.files import media_type
from stacgen.stac.layout import ROOT
from stacgen.stac.reader import COLLECTION, Home, depth

FILM_WIDTH, SHEET_WIDTH = 720, 1600
"""Pixels, unless told."""

FPS = 5.0

_ALL = Selection()
_PICTURES = (".mp4", ".gif", ".png")
_CHARTS = (".png", ".svg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A picture that was made."""

    address: str
    """Where it is."""

    frames: int
    """How many it shows."""

    size: int
    """Bytes."""


def preview(
    collection: str | Path,
    output: str | Path,
    *,
    form: str | None = None,
    wanted: Selection = _ALL,
    columns: int | None = None,
    fps: float = FPS,
    width: int | None = None,
    store_options: Mapping[str, str] | None = None,
) -> Drawn:
    """Draw the frames of a Collection as a film (.mp4, .gif) or side by side (.png).

    Brightness means the same in all of them: they share one stretch, from the 2nd to the 98th
    percentile of all valid pixels. Only overviews are read, never a whole COG.

    Args:
        collection: The folder that holds `collection.json`; or its URL, of a bucket or a website.
        output: The file to write, `-` for standard output; its ending says what is drawn.
        form: `mp4`, `gif` or `png`, where the ending does not say.
        wanted: Which frames, by time and cloud; all, unless told.
        columns: Frames in a row of a sheet.
        fps: Frames a second of a film.
        width: Pixels; 720 of a film and 1600 of a sheet, unless told.
        store_options: Settings of the buckets beside those in the environment.

    Raises:
        UsageError: The ending, a figure or the Collection is none, or no frame is wanted.
        OutputError: The Collection cannot be read, or the picture not be written.
        UpstreamError: The website does not answer.
    """
    ending = _ending(output, _PICTURES, form)
    try:
        from stacgen.access import preview as draw  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError("Pillow is not here: pip install 'stacgen[preview]'.") from error
    home = home_of(collection, store_options)
    standard = SHEET_WIDTH if ending == ".png" else FILM_WIDTH
    layout = draw.Layout(width=width or standard, columns=columns, fps=fps)
    make = {".mp4": draw.mp4, ".gif": draw.gif, ".png": draw.sheet}[ending]
    content, frames = make(home, wanted, layout)
    destination.write(output, content, media_type(f"_{ending}"), store_options)
    return Drawn(address=str(output), frames=frames, size=len(content))


def readings(
    collection: str | Path,
    *,
    point: tuple[float, float] | None = None,
    polygon: Path | None = None,
    reflectance: bool = False,
    wanted: Selection = _ALL,
    store_options: Mapping[str, str] | None = None,
) -> Readings:
    """Cloud cover and valid share of each acquisition, and the mean at a place if there is one.

    Args:
        collection: The folder that holds `collection.json`; or its URL, of a bucket or a website.
        point: Longitude and latitude, in degrees: the pixel that holds it is read.
        polygon: A GeoJSON file in degrees: of its polygons the pixels are read whose centre lies
            inside. Nodata does not count.
        reflectance: Whether to turn the mean into reflectance, too.
        wanted: Which acquisitions, by time and cloud; all, unless told.
        store_options: Settings of the bucket beside those in the environment.

    Raises:
        UsageError: The place or the Collection is none, or no acquisition is wanted.
        OutputError: The Collection cannot be read.
        UpstreamError: The website does not answer.
    """
    at = _place(point, polygon)
    if reflectance and at is None:
        raise UsageError("Say whose reflectance: --point LON LAT, or --polygon FILE.geojson.")
    return plotting.read(home_of(collection, store_options), wanted, at, reflectance=reflectance)


def plot(
    collection: str | Path,
    output: str | Path,
    *,
    form: str | None = None,
    point: tuple[float, float] | None = None,
    polygon: Path | None = None,
    reflectance: bool = False,
    wanted: Selection = _ALL,
    store_options: Mapping[str, str] | None = None,
) -> tuple[Readings, Drawn]:
    """Draw what `readings` gives over time, as .png or .svg, and return both.

    Without a place these are cloud cover and share of valid pixels. With one it is the mean there,
    a marker an acquisition, faint where the tile is cloudy. Arguments are those of `readings`; the
    output may be `-` for standard output, and `form` is `png` or `svg` where its ending does not
    say.

    Raises:
        UsageError: As `readings`, or the ending of the output is none, or nothing is known that
            could be drawn.
        OutputError: The Collection cannot be read, or the chart not be written.
        UpstreamError: The website does not answer.
    """
    ending = _ending(output, _CHARTS, form)
    try:
        from stacgen.access import chart  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError("Matplotlib is not here: pip install 'stacgen[plot]'.") from error
    found = readings(
        collection,
        point=point,
        polygon=polygon,
        reflectance=reflectance,
        wanted=wanted,
        store_options=store_options,
    )
    if not chart.has_points(found.readings, at_place=bool(found.place)):
        raise UsageError(_pointless(found, collection))
    kind = ending.removeprefix(".")
    if found.place:
        content = chart.of_place(
            found.readings, title=found.title, place=found.place, about=found.about, kind=kind
        )
    else:
        content = chart.of_sky(found.readings, title=found.title, about=found.about, kind=kind)
    destination.write(output, content, media_type(f"_{ending}"), store_options)
    return found, Drawn(address=str(output), frames=len(found.readings), size=len(content))


def _pointless(found: Readings, collection: str | Path) -> str:
    """The reason that a chart would be empty."""
    if found.place:
        return (
            f"{found.place} shows nothing to plot: of {len(found.readings)} acquisitions of"
            f" {collection} each has nodata there, or its edge."
        )
    return (
        f"No Item of {collection} says how cloudy or how valid it is, so there is nothing to plot"
        " over time. Name a place: --point LON LAT, or --polygon FILE.geojson."
    )


def _place(point: tuple[float, float] | None, polygon: Path | None) -> plotting.Place | None:
    if point is not None and polygon is not None:
        raise UsageError("Say --point or --polygon, not both.")
    try:
        if point is not None:
            return Point(longitude=point[0], latitude=point[1])
        return None if polygon is None else polygons(json.loads(polygon.read_bytes()))
    except OSError as error:
        raise UsageError(f"The polygon {polygon} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        what = "point" if polygon is None else f"polygon {polygon}"
        raise UsageError(f"The {what} cannot be used: {error}.") from error


def _ending(output: str | Path, known: Sequence[str], form: str | None) -> str:
    """The kind of file to make, `.png`: as the form says, or else the ending of the output."""
    ending = posixpath.splitext(str(output))[1].lower() if form is None else f".{form.lower()}"
    if ending not in known:
        forms = ", ".join(known)
        if form is not None:
            raise UsageError(f"There is no format {form!r} here: it is one of {forms}.")
        raise UsageError(
            f"The output {str(output)!r} ends in none of {forms}, which say what to draw; name"
            " such a file, or say --format."
        )
    return ending


def home_of(address: str | Path, options: Mapping[str, str] | None) -> Home:
    """The Collection at an address, which may be that of its document, within its catalog."""
    path, mark, query = str(address).partition("?")
    path = path.removesuffix("/collection.json").rstrip("/")
    folder = open_readable(path + mark + query, options)
    raw = folder.read(COLLECTION)
    below = (
        0
        if raw is None
        else depth(stac_json.from_bytes(raw, name=f"{folder.address}/{COLLECTION}"))
    )
    if below and "://" not in path:
        path = str(Path(path).absolute())
    scheme, mark_of_url, rest = path.rpartition("://")
    parts = rest.split("/")
    if not below or below >= len(parts):
        return Home(place=folder)
    above = scheme + mark_of_url + "/".join(parts[:-below])
    root = open_readable((above or "/") + mark + query, options)
    key = "/".join([*parts[-below:], COLLECTION])
    # A link may say anything: the root is one that is there and leads to this very Collection.
    is_root = root.read(ROOT) is not None and root.read(key) == raw
    return Home(place=root, key=key) if is_root else Home(place=folder)
