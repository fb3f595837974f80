"""What Collections hold, in sum: extents, years, baselines, and spans of figures. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Any

from stacgen.stac import item, stac_json

Bbox = tuple[float, float, float, float]


Span = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionSummary:
    """What a Collection holds, in sum; two of them can be added."""

    bbox: Bbox
    start: datetime
    end: datetime
    baselines: frozenset[str]
    years: frozenset[int]
    stream_years: frozenset[int]
    """Of the streams that the Items come from."""

    cloud_cover: Span | None
    """Lowest and highest, in percent; None where no Item says."""

    nodata_percentage: Span | None
    """Lowest and highest, in percent; None where no Item says."""

    def __add__(self, other: "CollectionSummary") -> "CollectionSummary":
        """What both hold together."""
        return CollectionSummary(
            bbox=_union(self.bbox, other.bbox),
            start=min(self.start, other.start),
            end=max(self.end, other.end),
            baselines=self.baselines | other.baselines,
            years=self.years | other.years,
            stream_years=self.stream_years | other.stream_years,
            cloud_cover=_span(self.cloud_cover, other.cloud_cover),
            nodata_percentage=_span(self.nodata_percentage, other.nodata_percentage),
        )


def of_item(document: stac_json.Document) -> CollectionSummary:
    """What one Item adds to its Collection."""
    properties = document["properties"]
    moment = stac_json.moment(document)

    def point(key: str) -> Span | None:
        return (properties[key], properties[key]) if key in properties else None

    return CollectionSummary(
        bbox=tuple(document["bbox"]),
        start=moment,
        end=moment,
        baselines=frozenset(_listed(properties, "processing:version")),
        years=frozenset([moment.year]),
        stream_years=frozenset([properties.get(item.STREAM_YEAR, moment.year)]),
        cloud_cover=point("eo:cloud_cover"),
        nodata_percentage=point("s2:nodata_pixel_percentage"),
    )


def of_collection(document: stac_json.Document) -> CollectionSummary:
    """What a Collection says that it holds."""
    summaries = document["summaries"]
    start, end = document["extent"]["temporal"]["interval"][0]

    def span(key: str) -> Span | None:
        summary = summaries.get(key)
        return summary and (summary["minimum"], summary["maximum"])

    return CollectionSummary(
        bbox=tuple(document["extent"]["spatial"]["bbox"][0]),
        start=datetime.fromisoformat(start),
        end=datetime.fromisoformat(end),
        baselines=frozenset(summaries.get("processing:version", ())),
        years=years_of(document),
        stream_years=stream_years_of(document),
        cloud_cover=span("eo:cloud_cover"),
        nodata_percentage=span("s2:nodata_pixel_percentage"),
    )


def _listed(properties: Mapping[str, Any], key: str) -> list[Any]:
    """A property as a list of one, or of none where it is not known."""
    return [properties[key]] if key in properties else []


def years_of(document: stac_json.Document) -> frozenset[int]:
    """The years that a Collection links."""
    return frozenset(int(link.href.split("/")[-2]) for link in stac_json.links(document, "child"))


def stream_years_of(document: stac_json.Document) -> frozenset[int]:
    """The years of the streams that a Collection was built from."""
    return frozenset(document["summaries"].get(item.STREAM_YEAR) or years_of(document))


def total(holdings: Iterable[CollectionSummary]) -> CollectionSummary:
    """What all hold together; there must be one."""
    return reduce(CollectionSummary.__add__, holdings)


def _union(first: Bbox, second: Bbox) -> Bbox:
    """The smallest box around two of one tile; where that lies across the antimeridian, it does."""
    boxes = first, second
    west, east = min(box[0] for box in boxes), max(box[2] for box in boxes)
    if east - west > 180 or any(box[0] > box[2] for box in boxes):  # noqa: PLR2004 - half around
        west = _wrapped(min(box[0] % 360 for box in boxes))
        east = _wrapped(max(box[2] % 360 for box in boxes))
    return west, min(box[1] for box in boxes), east, max(box[3] for box in boxes)


def _wrapped(longitude: float) -> float:
    """A longitude from 0 to 360, as one from -180 to 180, to the decimals that bboxes have."""
    return round(longitude - 360 if longitude > 180 else longitude, 6)  # noqa: PLR2004


def _span(first: Span | None, second: Span | None) -> Span | None:
    if first is None or second is None:
        return first or second
    return min(first[0], second[0]), max(first[1], second[1])
