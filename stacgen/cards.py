"""What a page shows of an Item. Pure."""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit
from zlib import crc32

from stacgen import layout, stac

_FORBIDDEN = re.compile(r"[:\\\x00-\x1f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """An Item as a page shows it; hrefs are relative to the page of its Collection."""

    id: str
    mark: str
    """Changes with anything below."""

    moment: datetime
    """Sensing time, in UTC."""

    cloud: float | None
    """Percent, None where the Item does not say."""

    nodata: float | None
    """Percent, None where the Item does not say."""

    href: str
    """Of the document."""

    thumbnail: str | None
    """Its href, None where there is none beside the catalog."""

    shape: tuple[int, int]
    """(rows, columns) of the thumbnail."""

    assets: tuple[tuple[str, str], ...]
    """Names and hrefs of its rasters."""

    reflectance: tuple[float, float] | None
    """Scale and offset of digital numbers, if all its rasters have the same."""

    geometry: Mapping[str, Any]
    """Of its footprint: GeoJSON, in degrees."""

    @property
    def stamp(self) -> str:
        """The sensing time to the second, 2025-01-10T11:24:47Z."""
        return f"{self.moment:%Y-%m-%dT%H:%M:%SZ}"

    @property
    def patterns(self) -> tuple[tuple[str, str], ...]:
        """The rasters with hrefs in which what is the Item's own is left open.

        So a thousand Items share one list of hrefs.
        """
        stamp = re.sub("[-:Z]", "", self.stamp)
        own = ((quote(self.id), "{id}"), (stamp, "{stamp}"), (f"/{self.moment.year}/", "/{year}/"))
        found = []
        for name, href in self.assets:
            pattern = f"/{href}"
            for text, mark in own:
                pattern = pattern.replace(text, mark)
            found.append((name, pattern[1:]))
        return tuple(found)


def of_item(document: stac.Document) -> Card:
    """The card of an Item that is filed in its Collection."""
    properties, assets = document["properties"], document["assets"]
    moment = datetime.fromisoformat(properties["datetime"]).astimezone(UTC)
    folder = quote(layout.item_folder(document["id"], moment.year))
    rasters = [(name, asset) for name, asset in assets.items() if "data" in asset.get("roles", ())]
    values = {(each.get("raster:scale"), each.get("raster:offset")) for _, each in rasters}
    thumbnail = assets.get("thumbnail", {})
    rows, columns = thumbnail.get("proj:shape", (0, 0))
    facts: dict[str, Any] = {
        "moment": moment,
        "cloud": properties.get("eo:cloud_cover"),
        "nodata": properties.get("s2:nodata_pixel_percentage"),
        "href": f"{folder}/{quote(document['id'])}.json",
        "thumbnail": _beside(folder, thumbnail["href"]) if thumbnail else None,
        "shape": (rows, columns),
        "assets": tuple(
            (name, href)
            for name, asset in rasters
            if (href := _resolved(folder, asset["href"])) is not None
        ),
        "reflectance": _only(values),
        "geometry": document["geometry"],
    }
    mark = f"{crc32(repr(facts).encode()):08x}"
    return Card(id=document["id"], mark=mark, **facts)


def _only(values: set[tuple[float | None, float | None]]) -> tuple[float, float] | None:
    scale, offset = values.pop() if len(values) == 1 else (None, None)
    return None if scale is None or offset is None else (scale, offset)


def _resolved(folder: str, href: str) -> str | None:
    """An href relative to the Collection, or into the web; nothing else is linked."""
    return href if urlsplit(href).scheme in ("http", "https") else _beside(folder, href)


def _beside(folder: str, href: str) -> str | None:
    r"""An href relative to the Collection, if it leads to a file of the catalog.

    Browsers read `\\host` as they read `//host`, and a colon may make a scheme of what comes
    before it.
    """
    path = posixpath.normpath(f"{folder}/{href}")
    return None if href.startswith("/") or _FORBIDDEN.search(path) else path
