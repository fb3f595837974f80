"""The calls behind `stacgen.preview` and `stacgen.plot`: a published Collection, to look at."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stacgen.errors import UsageError
from stacgen.fetch import Http
from stacgen.models import Selection
from stacgen.ports import Readable, Store
from stacgen.store import open_store
from stacgen.store.website import Website

FILM_WIDTH, SHEET_WIDTH = 720, 1600
"""Pixels, unless told."""

FPS = 5.0

_ALL = Selection()
_PICTURES = {".mp4": "video/mp4", ".gif": "image/gif", ".png": "image/png"}
_CHARTS = {".png": "image/png", ".svg": "image/svg+xml"}


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
        output: The file to write; its ending says what is drawn.
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
    ending = _ending(output, _PICTURES)
    try:
        from stacgen.pipeline import preview as draw  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError("Pillow is not here: pip install 'stacgen[preview]'.") from error
    place = _readable(collection, store_options)
    store, name = _target(output, store_options)
    standard = SHEET_WIDTH if ending == ".png" else FILM_WIDTH
    layout = draw.Layout(width=width or standard, columns=columns, fps=fps)
    make = {".mp4": draw.mp4, ".gif": draw.gif, ".png": draw.sheet}[ending]
    content, frames = make(place, wanted, layout)
    store.write(name, content, _PICTURES[ending])
    return Drawn(address=str(output), frames=frames, size=len(content))


def _ending(output: str | Path, known: Mapping[str, str]) -> str:
    ending = posixpath.splitext(str(output))[1].lower()
    if ending not in known:
        raise UsageError(
            f"The output {str(output)!r} ends in none of {', '.join(known)}, which say what to"
            " draw."
        )
    return ending


def _readable(address: str | Path, options: Mapping[str, str] | None) -> Readable:
    """The Collection at an address, which may be that of its document."""
    text = str(address)
    path, mark, query = text.partition("?")
    text = path.removesuffix("/collection.json").rstrip("/") + mark + query
    if text.startswith(("http://", "https://")):
        http = Http()
        return Website(text, http, http.size)
    return open_store(text or "/", options)


def _target(output: str | Path, options: Mapping[str, str] | None) -> tuple[Store, str]:
    """The store that a file goes to, and its name there."""
    folder, _, name = str(output).rpartition("/")
    if str(output).startswith("/") and not folder:
        folder = "/"
    return open_store(folder or ".", options), name
