"""STAC documents as JSON: from pystac, to bytes and back. Pure.

pystac builds each document that is written. Documents that are read stay dicts as JSON has them,
since pystac takes thirty times as long to read one.
"""

import json
import posixpath
import re
from codecs import BOM_UTF8
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from stacgen.errors import OutputError
from stacgen.model.protocols import Readable
from stacgen.model.stream import timestamp

if TYPE_CHECKING:
    import pystac

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

_OWN_URL = re.compile(
    r"(?P<base>[a-z][a-z0-9+.-]*://[^/?#][^?#]*?)"
    r"/(?P<key>(?:[^/?#]+/){3}(?P<name>[^/?#]+)/(?P=name)\.json)"
)
"""Where an Item is public: root, tile, Collection, year, and a folder of its name."""

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
    """A link as it was read, without loading pystac."""

    href: str
    title: str


def extensions(*names: str) -> list[str]:
    """The schema URLs of extensions, in the order of their names.

    >>> extensions("eo")
    ['https://stac-extensions.github.io/eo/v2.0.0/schema.json']
    """
    return [
        f"https://stac-extensions.github.io/{name}/{_EXTENSIONS[name]}/schema.json"
        for name in sorted(names)
    ]


def link(rel: str, href: str, title: str, media_type: str | None = JSON) -> "pystac.Link":
    """A link to a document, with that document's title."""
    import pystac  # noqa: PLC0415 - 0.1 s, and a run with nothing to do makes no document

    return pystac.Link(rel, href, media_type=media_type, title=title)


def document(made: "pystac.Item | pystac.Catalog") -> Document:
    """The JSON of a pystac object, with hrefs as given and times as `timestamp` writes them."""
    found = made.to_dict(transform_hrefs=False)
    if found["type"] == "Feature":
        found["properties"]["datetime"] = _respelled(found["properties"]["datetime"])
    if found["type"] == "Collection":
        temporal = found["extent"]["temporal"]
        temporal["interval"] = [list(map(_respelled, each)) for each in temporal["interval"]]
    return found


def to_item(document: Document) -> "pystac.Item":
    """The pystac Item of a document, which it takes over."""
    import pystac  # noqa: PLC0415 - same

    return pystac.Item.from_dict(document, migrate=False, preserve_dict=False)


def _respelled(time: str) -> str:
    """A time without the zeros that pystac adds to milliseconds."""
    return timestamp(datetime.fromisoformat(time))


def links(document: Document, rel: str) -> list[Link]:
    """The links of a document that have a relation, in its order."""
    return [
        Link(href=link["href"], title=link.get("title", ""))
        for link in document.get("links", [])
        if link["rel"] == rel
    ]


def moment(item: Document) -> datetime:
    """The sensing time of an Item, in UTC."""
    return datetime.fromisoformat(item["properties"]["datetime"]).astimezone(UTC)


def to_bytes(document: Document) -> bytes:
    """A document as UTF-8 JSON, indented by two spaces; the same gives the same bytes.

    Numbers in a list stay on one line, so that a coordinate reads as such.

    Raises:
        ValueError: It holds NaN or an infinity, which JSON has not.
    """
    raw = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if b"null" in raw:
        _check_finite(document)  # orjson writes NaN as null, too
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
        base_url: URL or absolute path of the root of the catalog.
        key: Of the Item.
    """
    url = f"{base_url.rstrip('/')}/{key}"
    scheme, mark, path = url.rpartition("://")

    def moved(href: str) -> str:
        if "://" in href:
            return href
        # urllib joins no URLs of buckets.
        return scheme + mark + posixpath.normpath(posixpath.join(posixpath.dirname(path), href))

    title = document["properties"].get("title", "")
    own = {"rel": "self", "href": url, "type": GEOJSON, "title": title}
    found = _moved(document, moved)
    return {**found, "links": [own, *found["links"]]}


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


def read(store: Readable, key: str) -> Document | None:
    """A document that stands in the catalog, or None.

    Raises:
        OutputError: It is none, or the store cannot be read.
    """
    raw = store.read(key)
    return None if raw is None else from_bytes(raw, name=f"{store.address}/{key}")
