"""Properties of Items that filters compare, with their types. Pure, and light."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

_COLLECTION = r"^sentinel-2-l2a-"
_TILE = r"[0-9]{2}[A-Z]{3}"


class Kind(Enum):
    """The type of a queryable, as JSON Schema writes it."""

    TEXT = "string"
    NUMBER = "number"
    TIME = "date-time"
    FLAG = "boolean"
    GEOMETRY = "geometry"


_SCHEMAS: Mapping[Kind, Mapping[str, str]] = {
    Kind.TIME: {"type": "string", "format": "date-time"},
    Kind.GEOMETRY: {"$ref": "https://geojson.org/schema/Geometry.json"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Queryable:
    """A property of Items that a filter may name."""

    title: str
    kind: Kind
    pattern: str | None = None
    """Takes the value out of the Collection's id, as the group `value`; None for a property."""

    limits: Mapping[str, float] = field(default_factory=dict)
    """Keywords of JSON Schema."""

    @property
    def schema(self) -> dict[str, Any]:
        """Its JSON Schema."""
        kind = _SCHEMAS.get(self.kind, {"type": self.kind.value})
        return {"title": self.title, **kind, **self.limits}


def _percent(title: str) -> Queryable:
    return Queryable(title=title, kind=Kind.NUMBER, limits={"minimum": 0, "maximum": 100})


def _text(title: str, pattern: str | None = None) -> Queryable:
    return Queryable(title=title, kind=Kind.TEXT, pattern=pattern)


QUERYABLES: Mapping[str, Queryable] = {
    "id": _text("Item ID"),
    "collection": _text("Collection ID"),
    "geometry": Queryable(title="Footprint", kind=Kind.GEOMETRY),
    "datetime": Queryable(title="Sensing time", kind=Kind.TIME),
    "created": Queryable(title="Time of the first build", kind=Kind.TIME),
    "updated": Queryable(title="Time of the last build", kind=Kind.TIME),
    "eo:cloud_cover": _percent("Cloud cover, percent of the tile"),
    "s2:nodata_pixel_percentage": _percent("Nodata pixels, percent of the tile"),
    "s2:processing_baseline": _text("Processing baseline"),
    "tile": _text("MGRS tile", f"{_COLLECTION}(?P<value>{_TILE})"),
    "band": _text("Band; scenes have none", f"{_COLLECTION}{_TILE}-(?P<value>.+)$"),
    "grid:code": _text("MGRS tile with the prefix MGRS-"),
    "gsd": Queryable(title="Ground sample distance, metres", kind=Kind.NUMBER),
    "proj:code": _text("Projection, such as EPSG:32629"),
    "constellation": _text("Constellation"),
    "mission": _text("Mission; stacgen's Items name their constellation only"),
    "deprecated": Queryable(title="True where there is a newer baseline", kind=Kind.FLAG),
}
"""By name. What an Item lacks is null in comparisons, as in SQL."""
