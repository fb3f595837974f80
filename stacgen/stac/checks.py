"""What is wrong with the documents of a catalog, by what they say and by one another. Pure.

Each check takes what was read and gives findings, a sentence each; none stops at the first.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stacgen.model import mgrs, strict_json, tile_lookup
from stacgen.model.findings import Finding
from stacgen.model.protocols import Entry
from stacgen.stac import files, layout, stac_json, summaries
from stacgen.stac.files import Kind
from stacgen.stac.summaries import CollectionSummary

if TYPE_CHECKING:
    from stacgen.model.raster import Inspected

_TOLERANCE = 1e-9
"""By which figures may differ, of their size: the last digits of a sum in another order."""

_MARGIN = 0.01
"""Degrees by which a footprint may reach beyond its tile: twice what simplifying may move it."""

_LOCAL = re.compile(r"^(/|~|file:|[A-Za-z]:[\\/]|\\\\)")


def parse(key: str, raw: bytes) -> tuple[stac_json.Document | None, list[Finding]]:
    """A document, read as strictly as JSON is defined: no NaN, no infinity, no name twice."""
    try:
        document = strict_json.loads(raw)
    except ValueError as error:
        return None, [Finding(key=key, rule="json", text=f"It is not JSON: {error}.")]
    if not isinstance(document, dict):
        return None, [Finding(key=key, rule="json", text="It is not a JSON object.")]
    return stac_json.relative(document), []


def check_names(key: str, document: stac_json.Document) -> Iterator[Finding]:
    """Ids, types and parents agree with where the document lies."""
    kind = files.kind(key)
    folders = key.split("/")[:-1]
    expected = {Kind.COLLECTION: "Collection", Kind.ITEM: "Feature", Kind.SCENE: "Feature"}
    if document.get("type") != expected.get(kind, "Catalog") if kind else True:
        yield Finding(key=key, rule="name", text=f"Its type is {document.get('type')!r}.")
    found, name = document.get("id"), folders[-1] if folders else ""
    if kind in (Kind.ITEM, Kind.SCENE, Kind.TILE) and found != name:
        yield Finding(key=key, rule="name", text=f"Its id is {found!r}, and its folder {name!r}.")
    home = f"sentinel-2-l2a-{'-'.join(folders[:2])}".removesuffix("-scenes")
    if kind in (Kind.ITEM, Kind.SCENE):
        if document.get("collection") != home:
            text = f"It says it is of {document.get('collection')!r}, and lies in {home}."
            yield Finding(key=key, rule="name", text=text)
        year = str(document.get("properties", {}).get("datetime"))[:4]
        if year != folders[2]:
            yield Finding(
                key=key, rule="name", text=f"Its year is {year}, its folder {folders[2]}."
            )
    if kind is Kind.COLLECTION and found != home:
        yield Finding(key=key, rule="name", text=f"Its id is {found!r}, and not {home!r}.")


def check_links(
    key: str, document: stac_json.Document, there: Mapping[str, Entry]
) -> Iterator[Finding]:
    """Every link and asset leads to a file of the catalog or to a public URL, and to no secret."""
    links: list[dict[str, object]] = document.get("links", [])
    for each in [*links, *document.get("assets", {}).values()]:
        href = str(each.get("href"))
        if _LOCAL.match(href):
            yield Finding(key=key, rule="href", text=f"{href} is a path of some machine.")
            continue
        parts = urlsplit(href)
        if parts.query or "@" in parts.netloc:
            text = f"{href.partition('?')[0]} has a query or a password, which may be a secret."
            yield Finding(key=key, rule="href", text=text)
        if not parts.scheme:
            target = layout.target(key, parts.path)
            if target not in there:
                yield Finding(key=key, rule="link", text=f"It links to {target}: nothing there.")


def check_place(key: str, document: stac_json.Document) -> Iterator[Finding]:
    """CRS, grid of each raster, and footprint of an Item or a scene are those of its tile."""
    tile = mgrs.parse(key.partition("/")[0])
    code = f"EPSG:{mgrs.epsg(tile)}"
    left, bottom, right, top = mgrs.bounds(tile)
    for name, asset in document["assets"].items():
        if "proj:transform" not in asset:
            continue
        rows, columns = asset["proj:shape"]
        facts = {
            "proj:code": (asset.get("proj:code", document["properties"].get("proj:code")), code),
            "proj:transform": (
                tuple(asset["proj:transform"])[:6],
                (mgrs.EXTENT / columns, 0, left, 0, -mgrs.EXTENT / rows, top),
            ),
        }
        if "proj:bbox" in asset:
            facts["proj:bbox"] = (tuple(asset["proj:bbox"]), (left, bottom, right, top))
        for fact, (said, is_so) in facts.items():
            if said != is_so:
                text = f"Its {fact} of {name} is {_plain(said)}; that of tile {tile} is"
                yield Finding(key=key, rule="place", text=f"{text} {_plain(is_so)}.")
    outer = tile_lookup.bounds_in_degrees(tile)
    positions = [(*each, *each) for each in _positions(document["geometry"]["coordinates"])]
    for name, boxes in (("bbox", [document["bbox"]]), ("geometry", positions)):
        if not all(_is_within(box, outer) for box in boxes):
            text = f"Its {name} reaches beyond tile {tile}, which has {_plain(outer)}."
            yield Finding(key=key, rule="place", text=text)


def _positions(coordinates: Any) -> Iterator[tuple[float, float]]:  # noqa: ANN401 - GeoJSON
    """Every longitude and latitude, however deep they nest."""
    if isinstance(coordinates[0], list | tuple):
        for part in coordinates:
            yield from _positions(part)
    else:
        yield coordinates[0], coordinates[1]


def _is_within(inner: Sequence[float], outer: Sequence[float]) -> bool:
    """True if a box lies in another, within `_MARGIN`; west is above east across 180 degrees."""
    west, south, east, north = outer
    width = (east - west) % 360
    start, end = ((side - west + _MARGIN) % 360 for side in (inner[0], inner[2]))
    is_in_width = start <= end <= width + 2 * _MARGIN
    return is_in_width and south - _MARGIN <= inner[1] <= inner[3] <= north + _MARGIN


def check_sizes(
    key: str, document: stac_json.Document, there: Mapping[str, Entry]
) -> Iterator[Finding]:
    """The files beside an Item have the sizes it says."""
    for asset in files.assets(key, document):
        entry = there.get(asset.key)
        if entry is not None and asset.size is not None and asset.size != entry.size:
            text = f"It has {entry.size} bytes; its Item says {asset.size}."
            yield Finding(key=asset.key, rule="size", text=text)


def check_collection(
    key: str, document: stac_json.Document, holdings: Iterable[CollectionSummary]
) -> Iterator[Finding]:
    """Extent and summaries of a Collection are those of its Items."""
    try:
        said = summaries.of_collection(document)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        text = f"Its extent or summaries cannot be read: {error!r}."
        yield Finding(key=key, rule="extent", text=text)
        return
    found = list(holdings)
    if not found:
        yield Finding(key=key, rule="extent", text="It has no Item.")
        return
    try:
        held = summaries.total(found)
    except TypeError as error:
        text = f"What its Items say cannot be summed up: {error}."
        yield Finding(key=key, rule="summaries", text=text)
        return
    for rule, names in _COLLECTION.items():
        for name in names:
            if getattr(said, name) != getattr(held, name):
                text = f"Its {name} is {_plain(getattr(said, name))}; its Items have"
                text = f"{text} {_plain(getattr(held, name))}."
                yield Finding(key=key, rule=rule, text=text)


_COLLECTION = {
    "extent": ("bbox", "start", "end"),
    "summaries": ("baselines", "years", "stream_years", "cloud_cover", "nodata_percentage"),
}


def digest(document: stac_json.Document) -> str:
    """What tells one document from another, whatever the order of its fields.

    >>> digest({"a": 1, "b": None}) == digest({"b": None, "a": 1.0}) != digest({"a": 1})
    True
    """
    plain = json.loads(json.dumps(document), parse_int=float)
    return sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def check_table(
    key: str, held: Mapping[str, str], published: Mapping[str, str]
) -> Iterator[Finding]:
    """A table holds the documents that there are, each as it is, and no other.

    Args:
        key: Of the table.
        held: The digests of its rows, by the keys of the documents.
        published: Those of the documents that it should hold.
    """
    unlike = [item for item in held.keys() & published.keys() if held[item] != published[item]]
    for what, items in (
        ("lacks", published.keys() - held.keys()),
        ("still has", held.keys() - published.keys()),
        ("says something else of", unlike),
    ):
        if items:
            text = f"It {what} {min(items)}" + (f" and {len(items) - 1} more" * (len(items) > 1))
            yield Finding(key=key, rule="table", text=f"{text}; stacgen repair mends it.")


def check_linked(linked: set[str], documents: Iterable[str]) -> Iterator[Finding]:
    """Every document but the root is linked from one above it."""
    for key in documents:
        if key not in linked and files.kind(key) is not Kind.ROOT:
            text = "No document links to it; stacgen index does that."
            yield Finding(key=key, rule="unlinked", text=text)


def check_pixels(
    key: str, document: stac_json.Document, name: str, found: "Inspected"
) -> Iterator[Finding]:
    """A COG is one, and its Item says of the asset what it says itself and what its pixels are."""
    for problem in found.problems:
        yield Finding(key=key, rule="cog", text=f"It is no valid COG: {problem}.")
    asset = document["assets"][name]
    code = asset.get("proj:code", document["properties"].get("proj:code"))
    facts = {
        "proj:code": (code, None if found.epsg is None else f"EPSG:{found.epsg}"),
        "proj:transform": (tuple(asset.get("proj:transform", ()))[:6], found.transform),
        "proj:shape": (tuple(asset.get("proj:shape", ())), found.shape),
        "data_type": (asset.get("data_type"), found.data_type),
        "nodata": (asset.get("nodata"), found.nodata),
        "raster:scale": (asset.get("raster:scale", 1), found.scale),
        "raster:offset": (asset.get("raster:offset", 0), found.offset),
        "number of bands": (len(asset["bands"]), len(found.statistics)),
    }
    for number, (band, figures) in enumerate(zip(asset["bands"], found.statistics, strict=False)):
        said = band.get("statistics", {})
        # A picture says less of its bands; what it says is so.
        names = figures if len(asset["bands"]) == 1 else figures.keys() & said.keys()
        where = "" if len(asset["bands"]) == 1 else f" of band {number + 1}"
        facts |= {f"statistics {each}{where}": (said.get(each), figures[each]) for each in names}
    for fact, (said, is_so) in sorted(facts.items()):
        if not _is_same(said, is_so):
            text = f"Its {fact} is {_plain(is_so)}; its Item says {_plain(said)}."
            yield Finding(key=key, rule="cog", text=text)


def _is_same(first: object, second: object) -> bool:
    if isinstance(first, int | float) and isinstance(second, int | float):
        return abs(first - second) <= _TOLERANCE * max(1.0, abs(first), abs(second))
    return first == second


def _plain(value: object) -> str:
    """A value as a person would write it."""
    if isinstance(value, frozenset):
        return ", ".join(map(str, sorted(value)))
    if isinstance(value, tuple):
        return ", ".join(map(_plain, value))
    return str(value)
