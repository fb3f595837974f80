"""STAC 1.1 documents as JSON, through pystac, which is used here and nowhere else. Pure.

pystac gives the documents their shape, version and order of keys. Its tree is not used: every
link is a value of ours, so that no document has to be read for another to be written.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from json.encoder import encode_basestring
from typing import Any

import pystac

from stacgen.errors import OutputError
from stacgen.models import timestamp

Document = dict[str, Any]
"""A STAC document as JSON has it."""

JSON = "application/json"
GEOJSON = "application/geo+json"
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
PNG = "image/png"
HLS = "application/vnd.apple.mpegurl"
SEGMENT = "video/mp2t"

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_WIDTH = 96
"""Characters to a line of a document, where it can be broken."""

_EXTENSIONS = {
    "eo": "v2.0.0",
    "file": "v2.1.0",
    "grid": "v1.1.0",
    "processing": "v1.2.0",
    "projection": "v2.0.0",
    "raster": "v2.0.0",
    "scientific": "v1.0.0",
    "sentinel-2": "v1.0.0",
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
    """An Item; `datetime` is added to the properties."""
    built = pystac.Item(
        id=id,
        geometry=dict(geometry),
        bbox=list(bbox),
        datetime=moment,
        properties={"title": properties["title"], "datetime": None, **properties},
        stac_extensions=stac_extensions,
        collection=collection,
        assets={key: pystac.Asset.from_dict(dict(asset)) for key, asset in assets.items()},
    )
    built.add_links([_link(link) for link in links])
    document = built.to_dict(include_self_link=False, transform_hrefs=False)
    document["properties"]["datetime"] = timestamp(moment)
    return document


def catalog(
    *,
    id: str,  # noqa: A002 - the field's name
    title: str,
    description: str,
    links: Iterable[Link],
    extra: Mapping[str, Any] | None = None,
) -> Document:
    """A Catalog."""
    built = pystac.Catalog(
        id=id, title=title, description=description, extra_fields=dict(extra or {})
    )
    return _linked(built, links)


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
    extra: Mapping[str, Any],
) -> Document:
    """A Collection under the licence `other`, which a link then names."""
    built = pystac.Collection(
        id=id,
        title=title,
        description=description,
        stac_extensions=stac_extensions,
        license="other",
        keywords=keywords,
        providers=[pystac.Provider.from_dict(dict(provider)) for provider in providers],
        extent=pystac.Extent(
            pystac.SpatialExtent([list(extent.bbox)]),
            pystac.TemporalExtent([[extent.start, extent.end]]),
        ),
        summaries=pystac.Summaries(dict(summaries)),
        extra_fields=dict(extra),
    )
    document = _linked(built, links)
    document["extent"]["temporal"]["interval"] = [[timestamp(extent.start), timestamp(extent.end)]]
    return document


def _linked(built: pystac.Catalog, links: Iterable[Link]) -> Document:
    built.clear_links()
    built.add_links([_link(link) for link in links])
    return built.to_dict(include_self_link=True, transform_hrefs=False)


def _link(link: Link) -> pystac.Link:
    return pystac.Link(
        rel=link.rel,
        target=link.href,
        media_type=link.type,
        title=link.title,
        extra_fields=dict(link.extra) or None,
    )


def links(document: Document, rel: str) -> list[Link]:
    """The links of a document that have a relation, in its order."""
    return [
        Link(rel=rel, href=link["href"], title=link.get("title", ""), type=link.get("type"))
        for link in document.get("links", [])
        if link["rel"] == rel
    ]


def to_bytes(document: Document) -> bytes:
    """A document as UTF-8 JSON; the same document gives the same bytes.

    Raises:
        ValueError: It holds NaN or an infinity, which JSON has not.
    """
    return _laid_out(document, "").encode() + b"\n"


def _laid_out(value: Any, margin: str) -> str:  # noqa: ANN401 - JSON
    """JSON with what fits on a line kept on it, so that coordinates and shapes read as such."""
    if isinstance(value, str):
        return encode_basestring(value)
    line = _encode(value)
    if len(line) + len(margin) <= _WIDTH or not isinstance(value, dict | list):
        return line
    inner = margin + "  "
    if isinstance(value, dict):
        parts = [
            f"{encode_basestring(key)}: {_laid_out(each, inner)}" for key, each in value.items()
        ]
    else:
        parts = [_laid_out(each, inner) for each in value]
    opening, closing = line[0], line[-1]
    return f"{opening}\n{inner}" + f",\n{inner}".join(parts) + f"\n{margin}{closing}"


def from_bytes(raw: bytes, *, name: str) -> Document:
    """A document that stands in the catalog.

    Raises:
        OutputError: It is no JSON object.
    """
    try:
        document = json.loads(raw)
    except ValueError as error:
        raise OutputError(f"{name} is not JSON ({error}); mend or remove it first.") from error
    if not isinstance(document, dict):
        raise OutputError(f"{name} is not a STAC document; mend or remove it first.")
    return document
