"""Try the API, a place for a catalog and its clock, and look how much room there is."""

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from stacgen.api.doctor.findings import Finding, Mark, fine
from stacgen.errors import OutputError

_STORE = "Store"
_TILE = "29PKR"
_BAND = "B09"

_LITTLE = 10_000_000_000
"""Bytes below which room is little: a year of a band at 10 m takes as many."""

_TOO_LITTLE = 500_000_000
"""Bytes below which there is none: one segment of these frames takes as many."""

_MINUTES = 5
"""By which two clocks must differ to be told of."""

_RETRIES = 1
"""Of a bucket; a build has more patience than who asks what is wrong."""


def api(name: str, asked: str, headers: Mapping[str, str]) -> Iterator[Finding]:
    """Ask for the bounds of a tile, once, under the rules of every other request."""
    from stacgen.dunia import endpoints  # noqa: PLC0415 - numpy, which may be broken
    from stacgen.dunia.answers import is_synthetic, parse_grid  # noqa: PLC0415 - same
    from stacgen.io.http import Http, Patience  # noqa: PLC0415 - requests, likewise
    from stacgen.model import bands, mgrs  # noqa: PLC0415 - numpy, which may be broken
    from stacgen.model.stream import Resource  # noqa: PLC0415 - numpy
    from stacgen.model.urls import Gate  # noqa: PLC0415 - with them

    endpoint = endpoints.find(asked)
    tile, band = mgrs.parse(_TILE), bands.find(_BAND)
    address = endpoint.tile_bounds(tile)
    http = Http(
        patience=Patience(connect=5, read=15, tries=1),
        gate=Gate(home=endpoint.base),
        headers=headers,
    )
    began = time.monotonic()
    answer = http(Resource(url=address, is_text=True))
    took = time.monotonic() - began
    parse_grid(answer.body, url=address, tile=tile, band=band)
    kind = ", with synthetic data" if is_synthetic(answer.body, url=address) else ""
    text = f"{endpoint.name} answered in {took:.2f} s at {endpoint.base}{kind}"
    yield fine("API", name, text)


def store(root: str, options: Mapping[str, str]) -> Iterator[Finding]:
    """List, and where there is something to write to, write, read, replace and remove one file.

    What was written is gone afterwards, and so are folders that were made for it.
    """
    from stacgen.io.stores import open_store  # noqa: PLC0415 - obstore, which may be broken

    place = open_store(root, options, retries=_RETRIES)
    folder = _folder(root)
    if folder is not None and not folder.exists():
        yield _to_be_made(folder)
        return
    if folder is not None and not folder.is_dir():
        raise OutputError(f"{folder} is a file, and catalogs are kept in folders.")
    first = next(iter(place.list("")), None)
    holds = "nothing" if first is None else "files"
    is_catalog = place.read("catalog.json") is not None
    yield fine(_STORE, "listed", f"it holds {'a catalog' if is_catalog else holds}")
    key, media_type = f".stacgen/doctor-{secrets.token_hex(8)}", "text/plain"
    try:
        made = place.create(key, b"1", media_type)
        found, entry = place.read_versioned(key), place.stat(key)
        is_read = made and found is not None and found[0] == b"1"
        yield _judged("written", "made, and read again", holds=is_read)
        if found is None or entry is None:
            return
        yield _clock(datetime.now(UTC) - entry.modified)
        replaced = place.swap(key, b"2", media_type, found[1])
        refused = not place.swap(key, b"3", media_type, found[1])
        yield _judged("one at a time", f"by {place.means}", holds=replaced and refused)
    finally:
        place.delete(key)
    if folder is not None:
        yield from _capabilities(folder)


def _clock(ahead: timedelta) -> Finding:
    minutes = round(ahead.total_seconds() / 60)
    if abs(minutes) < _MINUTES:
        return fine(_STORE, "clock", "that of this machine agrees")
    text = f"that of this machine is {abs(minutes)} minutes {'ahead' if minutes > 0 else 'behind'}"
    return Finding(
        _STORE, "clock", Mark.WARN, text, "Set both by NTP: signed URLs run out by them."
    )


_LACKING = {
    "flock": (
        "locks are leases, so after a build that was killed others wait five minutes",
        "Mount it with flock if it has that (Lustre: -o flock), on every computer that builds.",
    ),
    "hard_links": ("new files are renamed under a lock, which is as safe and slower", ""),
    "folder_fsync": (
        "after a power cut the newest names may be missing",
        "After a power cut, run the same build again.",
    ),
}
"""What is weaker on a file system without something, and what to do about it."""


def _capabilities(folder: Path) -> Iterator[Finding]:
    from stacgen.io.folder import Folder  # noqa: PLC0415 - numpy, which may be broken

    for name, is_there in asdict(Folder(folder).capabilities()).items():
        title, (text, advice) = name.replace("_", " "), _LACKING[name]
        if is_there:
            yield fine(_STORE, title, "the file system has it")
        else:
            yield Finding(_STORE, title, Mark.WARN, f"the file system has none: {text}", advice)


def _folder(root: str) -> Path | None:
    """The folder that a root is, or None where it is a bucket."""
    if "://" in root and not root.startswith("file:"):
        return None
    return Path(unquote(urlsplit(root).path) if root.startswith("file:") else root)


def _to_be_made(folder: Path) -> Finding:
    parent = _nearest(folder)
    if os.access(parent, os.W_OK | os.X_OK):
        return fine(_STORE, "folder", f"{folder} is not there yet; it can be made in {parent}")
    text = f"{folder} is not there, and cannot be made: {parent} is not to be written to"
    advice = f"Make it, or give yourself the right to write to {parent}"
    return Finding(_STORE, "folder", Mark.FAIL, text, advice)


def room(root: str | None) -> Iterator[Finding]:
    """Free space where a catalog is kept, and where a build puts what it is at."""
    folder = None if root is None else _folder(root)
    places = {"scratch": Path(tempfile.gettempdir())}
    if root is None or folder is not None:
        places = {"output": _nearest(folder or Path())}
    for name, place in places.items():
        free = shutil.disk_usage(place).free
        mark = Mark.OK if free >= _LITTLE else Mark.WARN if free >= _TOO_LITTLE else Mark.FAIL
        advice = "" if mark is Mark.OK else "A year of a band at 10 m takes 10 GB: make room."
        yield Finding("Room", name, mark, f"{free / 1e9:.1f} GB free in {place.resolve()}", advice)


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())


def _judged(name: str, text: str, *, holds: bool) -> Finding:
    if holds:
        return fine(_STORE, name, text)
    text = f"{text}: this did not come out as it must, so builders would undo each other's work"
    advice = "Keep the catalog elsewhere, or let one builder write at a time."
    return Finding(_STORE, name, Mark.FAIL, text, advice)
