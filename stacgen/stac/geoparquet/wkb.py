"""GeoJSON polygons as Well-Known Binary and back, to the last bit. Pure."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from stacgen.errors import OutputError

_POLYGON, _MULTIPOLYGON = 3, 6
_HEAD = struct.Struct("<BII")
_COUNT = struct.Struct("<I")

Rings = list[list[list[float]]]


def encode(geometry: Mapping[str, Any]) -> bytes:
    """A Polygon or MultiPolygon in little-endian WKB, x before y.

    Raises:
        OutputError: It is another kind of geometry, which no Item of ours has.

    >>> encode({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]})[:9].hex()
    '010300000001000000'
    """
    match geometry["type"]:
        case "Polygon":
            return _polygon(geometry["coordinates"])
        case "MultiPolygon":
            polygons = geometry["coordinates"]
            head = _HEAD.pack(1, _MULTIPOLYGON, len(polygons))
            return head + b"".join(map(_polygon, polygons))
        case kind:
            raise OutputError(f"A footprint that is a {kind} has no place in a mirror.")


def decode(raw: bytes) -> dict[str, Any]:
    """What `encode` was given."""
    _, kind, count = _HEAD.unpack_from(raw)
    if kind == _POLYGON:
        return {"type": "Polygon", "coordinates": _rings(raw, 0)[0]}
    polygons, offset = [], _HEAD.size
    for _ in range(count):
        rings, offset = _rings(raw, offset)
        polygons.append(rings)
    return {"type": "MultiPolygon", "coordinates": polygons}


def _polygon(rings: Sequence[Sequence[Sequence[float]]]) -> bytes:
    parts = [_HEAD.pack(1, _POLYGON, len(rings))]
    for ring in rings:
        flat = [value for point in ring for value in point]
        parts.append(struct.pack(f"<I{len(flat)}d", len(ring), *flat))
    return b"".join(parts)


def _rings(raw: bytes, offset: int) -> tuple[Rings, int]:
    """The rings of the polygon at an offset, and where it ends."""
    _, _, count = _HEAD.unpack_from(raw, offset)
    offset += _HEAD.size
    rings = []
    for _ in range(count):
        (points,) = _COUNT.unpack_from(raw, offset)
        flat = struct.unpack_from(f"<{2 * points}d", raw, offset + _COUNT.size)
        rings.append([list(pair) for pair in zip(flat[::2], flat[1::2], strict=True)])
        offset += _COUNT.size + 16 * points
    return rings, offset
