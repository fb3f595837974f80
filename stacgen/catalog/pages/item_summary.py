"""What a page shows of an Item. Pure."""

import posixpath
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from stacgen.model.bands import BANDS
from stacgen.stac import layout, stac_json, visual

_PLAIN = re.compile(r"\./[\w.-]+", re.ASCII)
_FORBIDDEN = re.compile(r"[:\\\x00-\x1f]")


_PLACES = {name: place for place, name in enumerate(BANDS)}

_SHOWN = frozenset({"data", "visual"})
"""Roles of the rasters that a page links."""

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """An Item as a page shows it; hrefs are relative to the page of its Collection."""

    id: str
    moment: datetime
    """Sensing time, in UTC."""

    stamp: str
    """The same to the second, 2025-01-10T11:24:47Z."""

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
    def bands(self) -> list[str]:
        """Names of the rasters that hold numbers; of true colour where there are no others."""
        names = [name for name, _ in self.assets]
        return [name for name in names if name != visual.KEY] or names

    @property
    def patterns(self) -> tuple[tuple[str, str], ...]:
        """The rasters with hrefs in which what is the Item's own is left open.

        So a thousand Items share one list of hrefs.
        """
        name, stamp = quote(self.id), re.sub("[-:Z]", "", self.stamp)
        year = f"/{self.stamp[:4]}/"
        return tuple(
            (
                band,
                f"/{href}".replace(name, "{id}")
                .replace(stamp, "{stamp}")
                .replace(year, "/{year}/")[1:],
            )
            for band, href in self.assets
        )


class Row(NamedTuple):
    """An Item in the list; a tuple, which the template takes apart more quickly."""

    cloud: float | None
    """Percent."""

    footprint: int
    """Number of its footprint on the map."""

    form: int
    """Number of the form that its hrefs have."""

    href: str
    thumbnail: str | None
    width: int
    """Pixels of the thumbnail."""

    height: int
    """Pixels of the thumbnail."""

    day: str
    """10 January 2025."""

    stamp: str
    """2025-01-10T11:24:47Z."""

    name: str
    """What stands below the thumbnail."""

    figures: tuple[str, str]
    """Cloud and nodata in words."""


def of_item(document: stac_json.Document) -> Card:
    """The card of an Item that is filed in its Collection."""
    properties, assets = document["properties"], document["assets"]
    moment = stac_json.moment(document)
    name = quote(document["id"])
    folder = layout.item_folder(name, moment.year)
    ordered = _ordered(assets)
    rasters = [(key, each) for key, each in ordered if _SHOWN.intersection(each.get("roles", ()))]
    thumbnail = assets.get("thumbnail", {})
    rows, columns = thumbnail.get("proj:shape", (0, 0))
    return Card(
        id=document["id"],
        moment=moment,
        stamp=f"{moment.isoformat()[:19]}Z",
        cloud=properties.get("eo:cloud_cover"),
        nodata=properties.get("s2:nodata_pixel_percentage"),
        href=f"{folder}/{name}.json",
        thumbnail=_beside(folder, thumbnail["href"]) if thumbnail else None,
        shape=(rows, columns),
        assets=tuple(
            (key, href)
            for key, asset in rasters
            if (href := _resolved(folder, asset["href"])) is not None
        ),
        reflectance=_only(
            {
                (each.get("raster:scale"), each.get("raster:offset"))
                for _, each in rasters
                if "data" in each["roles"]
            }
        ),
        geometry=document["geometry"],
    )


def _ordered(assets: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """By wavelength, then by name: a mirror does not keep the order that documents have."""
    names = sorted(assets, key=lambda name: (_PLACES.get(name, len(BANDS)), name))
    return [(name, assets[name]) for name in names]


def rows(shown: Sequence[Card], footprints: Sequence[int], forms: Sequence[int]) -> list[Row]:
    """Cards with what the page says of each.

    Args:
        shown: In the order of time.
        footprints: The number of the footprint of each.
        forms: The number of the form that the hrefs of each have.
    """
    days = [day(card.moment) for card in shown]
    often = {date for date, count in Counter(days).items() if count > 1}
    found: list[Row] = []
    month = ""
    for card, date, footprint, form in zip(shown, days, footprints, forms, strict=True):
        name = _short(card.moment, is_first=card.stamp[:7] != month)
        month = card.stamp[:7]
        found.append(
            Row(
                cloud=card.cloud,
                footprint=footprint,
                form=form,
                href=card.href,
                thumbnail=card.thumbnail,
                width=card.shape[1],
                height=card.shape[0],
                day=date,
                stamp=card.stamp,
                name=f"{name} {card.stamp[11:19]}" if date in often else name,
                figures=(_figure(card.cloud, "cloud"), _figure(card.nodata, "nodata")),
            )
        )
    return found


def day(moment: datetime) -> str:
    """10 January 2025."""
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def _only(values: set[tuple[float | None, float | None]]) -> tuple[float, float] | None:
    scale, offset = values.pop() if len(values) == 1 else (None, None)
    return None if scale is None or offset is None else (scale, offset)


def _resolved(folder: str, href: str) -> str | None:
    """An href relative to the Collection, or into the web; nothing else is linked."""
    return href if href.startswith(("http://", "https://")) else _beside(folder, href)


def _beside(folder: str, href: str) -> str | None:
    r"""An href relative to the Collection, if it leads to a file of the catalog.

    Browsers read `\\host` as they read `//host`, and a colon may make a scheme of what comes
    before it.
    """
    if _PLAIN.fullmatch(href):
        return f"{folder}/{href[2:]}"
    path = posixpath.normpath(f"{folder}/{href}")
    return None if href.startswith("/") or _FORBIDDEN.search(path) else path


def _figure(percent: float | None, of: str) -> str:
    return f"{of} unknown" if percent is None else f"{_percent(percent)} % {of}"


def _short(moment: datetime, *, is_first: bool) -> str:
    """10 January for the first of a month, so that it stands out, then 20 Jan."""
    month = _MONTHS[moment.month - 1]
    return f"{moment.day} {month if is_first else month[:3]}"


def _percent(value: float) -> str:
    """With a decimal where that tells, and never 0 or 100 for what is not."""
    rounded = round(value, 1)
    if rounded in (0, 100) and value not in (0, 100):
        return "< 0.1" if value < 1 else "> 99.9"
    return f"{rounded:g}" if rounded < 10 or rounded > 99 else f"{rounded:.0f}"  # noqa: PLR2004
