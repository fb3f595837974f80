"""STAC documents as JSON: their shape, the order of their keys, their bytes. Pure.

A document is a dict as JSON has it, and every link a value, so that none has to be read for another
to be written, and a million of them are written in minutes.
"""

import json
import posixpath
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from stacgen.errors import OutputError
from stacgen.models import timestamp

VERSION = "1.1.0"
"""Of the STAC specification."""

Document = dict[str, Any]
"""A STAC document as JSON has it."""

JSON = "application/json"
GEOJSON = "application/geo+json"
SCHEMA = "application/schema+json"
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
PNG = "image/png"
HTML = "text/html"
HLS = "application/vnd.apple.mpegurl"
PARQUET = "application/vnd.apache.parquet"
SEGMENT = "video/mp2t"

_check_finite = json.JSONEncoder(allow_nan=False).encode
"""Raises ValueError for a number that JSON has not."""

_NUMBERS = re.compile(rb"\[\n *(-?\d[^\[\]{}\"]*?)\n *\]")
"""A list of numbers; no text looks like it, for JSON has no line break in a text."""

_NULL = b'"proj:code": null'
"""What every picture says, so that it is no sign of a NaN; a projection is no number."""

_OWN_URL = re.compile(
    r"(?P<base>[a-z][a-z0-9+.-]*://[^/?#][^?#]*?)"
    r"/(?P<key>(?:[^/?#]+/){3}(?P<name>[^/?#]+)/(?P=name)\.json)"
)
"""Where an Item is public: root, tile, Collection, year, and a folder of its name."""

_LINK = frozenset({"rel", "href", "title", "type"})

_EXTENSIONS = {
    "eo": "v2.0.0",
    "file": "v2.1.0",
    "grid": "v1.1.0",
    "processing": "v1.2.0",
    "projection": "v2.0.0",
    "raster": "v2.0.0",
    "render": "v2.0.0",
    "scientific": "v1.0.0",
    "sentinel-2": "v1.0.0",
    "version": "v1.2.0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """From one document to another, or out of the catalog."""

    rel: str
    href: str
    """Relative within the catalog."""

    title: str
    """The target's own."""

    type: str | None = JSON
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Further fields, of an extension."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """The ground and the time that a Collection covers."""

    bbox: tuple[float, float, float, float]
    """(west, south, east, north); west is above east across the antimeridian."""

    start: datetime
    end: datetime


def extensions(*names: str) -> list[str]:
    """The schema URLs of extensions, in the order of their names.

    >>> extensions("eo")
    ['https://stac-extensions.github.io/eo/v2.0.0/schema.json']
    """
    return [
        f"https://stac-extensions.github.io/{name}/{_EXTENSIONS[name]}/schema.json"
        for name in sorted(names)
    ]


def item(  # noqa: PLR0913 - an Item has that many fields
    *,
    id: str,  # noqa: A002 - the field's name
    collection: str,
    geometry: Mapping[str, Any],
    bbox: Sequence[float],
    moment: datetime,
    properties: Mapping[str, Any],
    assets: Mapping[str, Mapping[str, Any]],
    links: Iterable[Link],
    stac_extensions: list[str],
) -> Document:
    """An Item; `datetime` is put behind the title that begins the properties."""
    return {
        "type": "Feature",
        "stac_version": VERSION,
        "stac_extensions": stac_extensions,
        "id": id,
        "geometry": dict(geometry),
        "bbox": list(bbox),
        "properties": {
            "title": properties["title"],
            "datetime": timestamp(moment),
            **properties,
        },
        "links": list(map(_link, links)),
        "assets": {key: dict(asset) for key, asset in assets.items()},
        "collection": collection,
    }


def catalog(
    *,
    id: str,  # noqa: A002 - the field's name
    title: str,
    description: str,
    links: Iterable[Link],
    extra: Mapping[str, Any] | None = None,
) -> Document:
    """A Catalog."""
    return {
        "type": "Catalog",
        "id": id,
        "stac_version": VERSION,
        "title": title,
        "description": description,
        **(extra or {}),
        "links": list(map(_link, links)),
    }


def collection(  # noqa: PLR0913 - a Collection has that many fields
    *,
    id: str,  # noqa: A002 - the field's name
    title: str,
    description: str,
    extent: Extent,
    keywords: list[str],
    providers: Iterable[Mapping[str, Any]],
    summaries: Mapping[str, Any],
    links: Iterable[Link],
    stac_extensions: list[str],
    assets: Mapping[str, Mapping[str, Any]],
    extra: Mapping[str, Any],
) -> Document:
    """A Collection under the licence `other`, which a link then names."""
    named = list(map(dict, providers))
    return {
        "type": "Collection",
        "id": id,
        "stac_version": VERSION,
        "title": title,
        "description": description,
        "stac_extensions": stac_extensions,
        "license": "other",
        "keywords": keywords,
        **({"providers": named} if named else {}),
        "extent": {
            "spatial": {"bbox": [list(extent.bbox)]},
            "temporal": {"interval": [[timestamp(extent.start), timestamp(extent.end)]]},
        },
        "summaries": dict(summaries),
        **extra,
        "assets": {key: dict(asset) for key, asset in assets.items()},
        "links": list(map(_link, links)),
    }


def _link(link: Link) -> Document:
    media_type = {} if link.type is None else {"type": link.type}
    return {"rel": link.rel, "href": link.href, **media_type, "title": link.title, **link.extra}


def links(document: Document, rel: str) -> list[Link]:
    """The links of a document that have a relation, in its order."""
    return [
        Link(
            rel=rel,
            href=link["href"],
            title=link.get("title", ""),
            type=link.get("type"),
            extra={key: each for key, each in link.items() if key not in _LINK},
        )
        for link in document.get("links", [])
        if link["rel"] == rel
    ]


def to_bytes(document: Document) -> bytes:
    """A document as UTF-8 JSON, indented by two spaces; the same gives the same bytes.

    Numbers in a list stay on one line, so that a coordinate reads as such.

    Raises:
        ValueError: It holds NaN or an infinity, which JSON has not.
    """
    raw = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if raw.count(b"null") > raw.count(_NULL):
        _check_finite(document)  # orjson spells NaN so, too
    return _NUMBERS.sub(_on_one_line, raw)


def _on_one_line(found: re.Match[bytes]) -> bytes:
    return b"[" + b" ".join(found[1].split()) + b"]"


def from_bytes(raw: bytes, *, name: str) -> Document:
    """A document that stands in the catalog; an Item with relative hrefs, also if it was absolute.

    Raises:
        OutputError: It is no JSON object.
    """
    try:
        document = orjson.loads(raw.removeprefix(BOM_UTF8))  # some editors put it there
    except ValueError as error:
        raise OutputError(f"{name} is not JSON ({error}); mend or remove it first.") from error
    if not isinstance(document, dict):
        raise OutputError(f"{name} is not a STAC document; mend or remove it first.")
    return relative(document)


def absolute(document: Document, base_url: str, key: str) -> Document:
    """An Item as it reads at its public: with a `self` link, and all hrefs absolute.

    Args:
        document: With relative hrefs.
        base_url: Where the root of the catalog is public.
        key: Of the Item.
    """
    url = f"{base_url.rstrip('/')}/{key}"
    scheme, _, path = url.partition("://")

    def moved(href: str) -> str:
        if "://" in href:
            return href
        # urllib joins no URLs of buckets.
        return f"{scheme}://{posixpath.normpath(posixpath.join(posixpath.dirname(path), href))}"

    own = Link(rel="self", href=url, type=GEOJSON, title=document["properties"].get("title", ""))
    found = _moved(document, moved)
    return {**found, "links": [_link(own), *found["links"]]}


def relative(document: Document) -> Document:
    """An Item as a catalog holds it; the reverse of `absolute`, and anything else as it is.

    >>> key = "29PKR/scenes/2025/a/a.json"
    >>> item = {"type": "Feature", "id": "a", "properties": {}, "links": [],
    ...         "assets": {"B09": {"href": "../../../B09/2025/b/b.tif"}}}
    >>> absolute(item, "https://a.test/x", key)["assets"]["B09"]["href"]
    'https://a.test/x/29PKR/B09/2025/b/b.tif'
    >>> relative(absolute(item, "https://a.test/x", key)) == item
    True
    """
    links, name = document.get("links"), document.get("id")
    if document.get("type") != "Feature" or not isinstance(links, list):
        return document
    own = next((link for link in links if isinstance(link, dict) and link.get("rel") == "self"), {})
    found = _OWN_URL.fullmatch(str(own.get("href")))
    if found is None or found["name"] != name:
        return document
    root = f"{found['base']}/"
    folder = posixpath.dirname(found["key"])

    def moved(href: str) -> str:
        if not href.startswith(root):
            return href
        path = posixpath.relpath(f"/{href.removeprefix(root)}", f"/{folder}")
        return path if path.startswith("../") else f"./{path}"

    return _moved({**document, "links": [link for link in links if link is not own]}, moved)


def _moved(document: Document, move: Callable[[str], str]) -> Document:
    """An Item with other hrefs; what is no link or asset stays as it is."""

    def moved(each: Any) -> Any:  # noqa: ANN401 - whatever stands there
        is_one = isinstance(each, dict) and isinstance(each.get("href"), str)
        return {**each, "href": move(each["href"])} if is_one else each

    changed = {**document, "links": [moved(link) for link in document["links"]]}
    if isinstance(assets := document.get("assets"), dict):
        changed["assets"] = {key: moved(asset) for key, asset in assets.items()}
    return changed
