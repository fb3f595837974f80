"""A published Collection read back: its Items by following links, and what each of them is of."""

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from stacgen.errors import EmptySelectionError, OutputError, UsageError
from stacgen.model import selection
from stacgen.model.protocols import Readable
from stacgen.model.stream import Selection, timestamp
from stacgen.stac import layout, stac_json, versions

COLLECTION = "collection.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """One Item, and where it lies."""

    key: str
    """Of the Item."""

    document: stac_json.Document

    @property
    def id(self) -> str:
        """The Item's id."""
        return str(self.document["id"])

    @property
    def moment(self) -> datetime:
        """Sensing time in UTC."""
        return stac_json.moment(self.document)

    @property
    def is_deprecated(self) -> bool:
        """Whether there is a higher baseline of it."""
        return versions.is_marked(self.document)

    @property
    def cloud(self) -> float | None:
        """Cloudy pixels in percent; None where the Item does not say."""
        cover: float | None = self.document["properties"].get("eo:cloud_cover")
        return cover

    @property
    def data(self) -> dict[str, Any] | None:
        """The asset with the pixels of the one band; None where there is none, or several."""
        found = [
            asset
            for asset in self.document["assets"].values()
            if "data" in asset.get("roles", ()) and asset.get("type", "").startswith("image/tiff")
        ]
        return found[0] if len(found) == 1 else None

    @property
    def visual(self) -> dict[str, Any] | None:
        """The asset with the pixels as eyes see them, if there is one."""
        found = [
            asset
            for asset in self.document["assets"].values()
            if "visual" in asset.get("roles", ()) and asset.get("type", "").startswith("image/tiff")
        ]
        return found[0] if found else None

    @property
    def thumbnail(self) -> dict[str, Any] | None:
        """The asset with the quicklook, if there is one."""
        found: dict[str, Any] | None = self.document["assets"].get("thumbnail")
        return found

    def key_of(self, asset: dict[str, Any]) -> str:
        """Where an asset lies."""
        return _key(self.key, asset["href"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where a Collection lies in a catalog; what it links may lie anywhere below the root of that.

    Keys are from the root, or from the Collection's folder where nothing above it is known.
    """

    place: Readable
    key: str = COLLECTION
    """Of the Collection."""

    @property
    def address(self) -> str:
        """Of the Collection's folder."""
        return posixpath.dirname(f"{self.place.address}/{self.key}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The wanted Items of a Collection, by time."""

    place: Readable
    """What the keys are of."""

    collection: stac_json.Document
    acquisitions: tuple[Acquisition, ...]
    """At least one."""

    @property
    def title(self) -> str:
        """Tile and band, `29PKR B09 (60 m)`."""
        title = self.collection.get("title") or self.collection["id"]
        return str(title).removeprefix("Sentinel-2 L2A ")

    @property
    def about(self) -> str:
        """Where the pixels come from, as whoever shows them must say."""
        keywords = self.collection.get("keywords", ())
        if "sample" in keywords:
            return "synthetic landscape of --sample"
        if "dunia" in keywords:
            first, last = (self.acquisitions[n].moment.year for n in (0, -1))
            years = "-".join(map(str, dict.fromkeys([first, last])))
            return f"contains modified Copernicus Sentinel data {years}"
        return ""


def depth(collection: stac_json.Document) -> int:
    """How many folders a Collection lies below the root of its catalog, as its link has it.

    >>> depth({"links": [{"rel": "root", "href": "../../catalog.json"}]})
    2
    """
    links = collection.get("links", ())
    for link in links if isinstance(links, list) else ():
        href = link.get("href") if isinstance(link, dict) and link.get("rel") == "root" else None
        if isinstance(href, str) and re.fullmatch(r"(\.\./)*(\./)?catalog\.json", href):
            return href.count("../")
    return 0


def series(home: Home, wanted: Selection) -> Series:
    """The wanted Items of a Collection, without those of which there is a higher baseline.

    Raises:
        UsageError: There is no Collection, or a cloud limit is asked of Items without a figure.
        EmptySelectionError: No Item answers to the selection.
        OutputError: A document is not there or makes no sense.
    """
    selection.check(wanted)
    place = home.place
    if place.read(home.key) is None:
        raise UsageError(
            f"There is no {COLLECTION} at {home.address}. Name the folder of a tile and band,"
            " such as catalogs/29PKR/B09."
        )
    collection, *documents = _walk(place, home.key)
    found = [_acquisition(place, key, document) for key, document in documents]
    chosen = choose(found, wanted, home.address)
    return Series(
        place=place,
        collection=collection[1],
        acquisitions=tuple(sorted(chosen, key=lambda each: (each.moment, each.id))),
    )


def _walk(place: Readable, start: str) -> Iterator[tuple[str, stac_json.Document]]:
    """A Collection, first, and every Item below it, with their keys."""
    seen, waiting = {start}, [start]
    while waiting:
        key = waiting.pop()
        document = _document(place, key)
        if document.get("type") != "Catalog":
            yield key, document
        for target in _targets(place, key, document):
            if target not in seen:
                seen.add(target)
                waiting.append(target)


def _targets(place: Readable, key: str, document: stac_json.Document) -> list[str]:
    try:
        links = stac_json.links(document, "child") + stac_json.links(document, "item")
        return [_key(key, link.href) for link in links]
    except (KeyError, TypeError, AttributeError) as error:
        raise OutputError(
            f"{place.address}/{key} has links that make no sense; mend or remove it."
        ) from error


def _document(place: Readable, key: str) -> stac_json.Document:
    raw = place.read(key)
    if raw is None:
        raise OutputError(
            f"{place.address}/{key} is linked and not there. Mend the catalog: stacgen index ROOT."
        )
    return stac_json.from_bytes(raw, name=f"{place.address}/{key}")


def _acquisition(place: Readable, key: str, document: stac_json.Document) -> Acquisition:
    found = Acquisition(key=key, document=document)
    try:
        _ = found.id, found.moment, found.data, found.thumbnail
        float(found.cloud or 0)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OutputError(
            f"{place.address}/{key} is no Item with one time and assets; mend or remove it."
        ) from error
    return found


def _key(source: str, href: str) -> str:
    """Where a relative link leads, which is never out of the catalog."""
    if urlsplit(href).scheme or href.startswith("/"):
        raise OutputError(f"{source} links to {href}, which is not in the catalog.")
    key = layout.target(source, href)
    if key.startswith("../"):
        raise OutputError(f"{source} links to {href}, which is not in the catalog.")
    return key


def choose(found: Sequence[Acquisition], wanted: Selection, address: str) -> list[Acquisition]:
    """Those that are wanted, at least one; raises as `series` does."""
    chosen = [each for each in found if not each.is_deprecated and wanted.spans(each.moment)]
    if wanted.max_cloud is not None:
        unknown = [each.id for each in chosen if each.cloud is None]
        if unknown and wanted.unknown == "refuse":
            raise UsageError(
                f"{len(unknown)} of {len(chosen)} Items of {address} do not say how cloudy they"
                f" are: {selection.named(unknown)}; so {selection.undecided('cloud')}"
            )
        chosen = selection.at_most(
            wanted.max_cloud, chosen, lambda each: each.cloud, unknown=wanted.unknown
        )
    if not chosen:
        raise EmptySelectionError(_nothing(found, address))
    return chosen


def _nothing(found: Sequence[Acquisition], address: str) -> str:
    if not found:
        return f"The Collection at {address} holds no Item."
    moments = [each.moment for each in found]
    return (
        f"No Item of {address} answers to --datetime and --max-cloud; it has {len(found)} from"
        f" {timestamp(min(moments))} to {timestamp(max(moments))}."
    )
