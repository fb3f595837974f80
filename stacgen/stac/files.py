"""Which files of a catalog go where, and in which order, when it is copied to its public. Pure.

Files are put leaves first: whatever a document links to is there before the document. They are
removed the other way round.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import PurePosixPath
from typing import Any

from stacgen.stac import layout, stac_json

_UPWARD = frozenset({"self", "root", "parent", "collection", "canonical"})
"""Relations to documents that stand above, and are put later."""

_TILE = re.compile(r"\d{2}[A-Z]{3}")
_ASSETS = (".tif", ".png", ".jpg", ".webp")
"""Endings of files beside an Item."""

_TYPES = {
    ".tif": stac_json.COG,
    ".png": stac_json.PNG,
    ".json": stac_json.JSON,
    ".geojson": stac_json.GEOJSON,
    ".parquet": stac_json.PARQUET,
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
    ".gif": "image/gif",
    ".mp4": "video/mp4",
}


class Kind(IntEnum):
    """What a file of a catalog is, in the order in which it is put."""

    ASSET = 0
    ITEM = 1
    SCENE = 2
    YEAR = 3
    TABLE = 4
    PAGE = 5
    COLLECTION = 6
    TILE = 7
    FRONT = 8
    """Table of the Collections, and page of the root."""

    ROOT = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file that an Item describes and that lies beside it."""

    key: str
    size: int | None
    """Bytes, where the Item says."""

    checksum: str | None
    """SHA-256, lower-case hex, where the Item says."""


def kind(key: str) -> Kind | None:
    """What a file is, or None where it is no part of a catalog.

    >>> kind("29PKR/B09/2025/catalog.json").name
    'YEAR'
    >>> kind("notes/secret.txt") is None
    True
    """
    *folders, name = key.split("/")
    if not folders:
        fronts = {layout.COLLECTIONS: Kind.FRONT, layout.PAGE: Kind.FRONT}
        return {**fronts, layout.ROOT: Kind.ROOT}.get(name)
    if not _TILE.fullmatch(folders[0]):
        return None
    if name == "catalog.json":
        return Kind.TILE if len(folders) == 1 else Kind.YEAR
    if name == f"{folders[-1]}.json":
        return Kind.SCENE if layout.SCENES in folders else Kind.ITEM
    others = {
        "collection.json": Kind.COLLECTION,
        layout.MIRROR: Kind.TABLE,
        layout.PAGE: Kind.PAGE,
    }
    return others.get(name, Kind.ASSET if posixpath.splitext(name)[1] in _ASSETS else None)


def media_type(key: str) -> str:
    """The media type of a file, by its name; an Item is named like its folder.

    >>> media_type("29PKR/B09/2025/T29/T29.json"), media_type("29PKR/catalog.json")
    ('application/geo+json', 'application/json')
    """
    path = PurePosixPath(key)
    if path.suffix == ".json" and path.stem == path.parent.name:
        return stac_json.GEOJSON
    return _TYPES.get(path.suffix, "application/octet-stream")


def stages(keys: Iterable[str]) -> list[tuple[Kind, list[str]]]:
    """Files in the order in which they are put; those of a stage in any order among them.

    >>> [(stage.name, keys) for stage, keys in stages(["catalog.json", "29PKR/catalog.json", "x"])]
    [('TILE', ['29PKR/catalog.json']), ('ROOT', ['catalog.json'])]
    """
    found: dict[Kind, list[str]] = {}
    for key in keys:
        each = kind(key)
        if each is not None:
            found.setdefault(each, []).append(key)
    return [(each, sorted(found[each])) for each in sorted(found)]


def assets(key: str, document: stac_json.Document) -> list[Asset]:
    """The files that lie beside an Item and that it describes, in its order."""
    return [
        Asset(
            key=layout.target(key, asset["href"]),
            size=asset.get("file:size"),
            checksum=str(asset.get("file:checksum", "")).removeprefix("1220") or None,
        )
        for asset in document.get("assets", {}).values()
        if posixpath.dirname(layout.target(key, asset["href"])) == posixpath.dirname(key)
        and not _is_elsewhere(asset["href"])
    ]


def targets(key: str, document: stac_json.Document) -> Iterator[str]:
    """The files of the catalog that a document links to, but for those above it."""
    for href in _downward(document):
        if not _is_elsewhere(href):
            yield layout.target(key, href)


def published(
    root: stac_json.Document, existing: stac_json.Document | None, *, base_url: str | None
) -> stac_json.Document:
    """The root as it is at its public: with the `self` link of that place.

    Args:
        root: As it is where it is copied from; a `self` link of that place is left behind.
        existing: What stands at its public, and tells its URL where `base_url` does not.
        base_url: Where it is public.
    """
    here = [link for link in (existing or {}).get("links", []) if link["rel"] == "self"]
    if base_url is not None:
        here = [
            {
                "rel": "self",
                "href": f"{base_url.rstrip('/')}/{layout.ROOT}",
                "type": stac_json.JSON,
                "title": root["title"],
            }
        ]
    others = [link for link in root["links"] if link["rel"] != "self"]
    return {**root, "links": [*here, *others]}


def public_item(
    key: str, content: bytes, document: stac_json.Document, *, base_url: str | None
) -> bytes:
    """An Item as it is at its public: with absolute hrefs if a URL is given, else relative ones.

    Args:
        key: Of the Item.
        content: Its bytes where it is copied from.
        document: The same, with relative hrefs.
        base_url: Where the root is public; None for relative hrefs.
    """
    if base_url is not None:
        return stac_json.to_bytes(stac_json.absolute(document, base_url, key))
    # Only an Item that was published with absolute hrefs has a link to itself.
    return stac_json.to_bytes(document) if b'"self"' in content else content


def _downward(document: stac_json.Document) -> Iterator[str]:
    described: list[dict[str, Any]] = [
        *(link for link in document.get("links", []) if link["rel"] not in _UPWARD),
        *document.get("assets", {}).values(),
    ]
    return (str(each["href"]) for each in described)


def _is_elsewhere(href: str) -> bool:
    """Whether a link leads out of the catalog."""
    return "://" in href or href.startswith(("/", "mailto:"))
