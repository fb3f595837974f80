"""Search among Collections (the STAC API's Collection Search extension). Pure."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from stacgen.errors import UsageError
from stacgen.model.query import Bbox, Query, parse_bbox
from stacgen.model.selection import parse_moment
from stacgen.stac import stac_json

_SORTABLE = ("id", "title", "description")
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def select(
    found: Iterable[stac_json.Document],
    *,
    query: Query,
    terms: Sequence[str],
    order: Sequence[tuple[str, bool]],
) -> list[stac_json.Document]:
    """The Collections that answer, in the order asked for.

    Args:
        found: All of them.
        query: A box and a time, which one of the extents of a Collection must meet.
        terms: Texts of which one must stand in its id, title, description or keywords, in
            whatever case; none for all.
        order: Fields to sort by, each with True for descending.

    Raises:
        UsageError: It is sorted by what is no text of all Collections.
    """
    words = [each.strip().casefold() for each in terms]
    chosen = [
        each
        for each in found
        if _is_there(each, query)
        and _is_then(each, query)
        and (not words or any(word in _text(each) for word in words))
    ]
    for name, is_descending in reversed(order):
        if name not in _SORTABLE:
            raise UsageError(f"No Collection has {name!a} to sort by.")
        chosen = _sorted(chosen, name, is_descending=is_descending)
    return chosen


def begin(token: str | None, names: Sequence[str]) -> int:
    """The place after the Collection that a token names; 0 without one.

    Raises:
        UsageError: No Collection has that name.
    """
    if not token:
        return 0
    if token not in names:
        raise UsageError("This server gave no such token.")
    return names.index(token) + 1


def _sorted(
    found: list[stac_json.Document], name: str, *, is_descending: bool
) -> list[stac_json.Document]:
    return sorted(found, key=lambda each: str(each.get(name)), reverse=is_descending)


def _text(collection: stac_json.Document) -> str:
    parts = [collection.get(name) for name in _SORTABLE]
    return "\n".join(map(str, [*parts, *collection.get("keywords", ())])).casefold()


def _is_there(collection: stac_json.Document, query: Query) -> bool:
    return not query.boxes or any(
        west <= right and left <= east and south <= top and bottom <= north
        for west, south, east, north in query.boxes
        for left, bottom, right, top in _boxes(collection)
    )


def _is_then(collection: stac_json.Document, query: Query) -> bool:
    if query.start is query.end is None:
        return True
    start, end = query.start or _FIRST, query.end or _LAST
    return any(first <= end and start <= last for first, last in _intervals(collection))


def _boxes(collection: stac_json.Document) -> Iterator[Bbox]:
    with suppress(KeyError, TypeError, UsageError):  # a damaged extent meets nothing
        for bbox in collection["extent"]["spatial"]["bbox"]:
            yield from Query(bbox=parse_bbox(bbox)).boxes


def _intervals(collection: stac_json.Document) -> Iterator[tuple[datetime, datetime]]:
    with suppress(KeyError, TypeError, ValueError, UsageError):
        for first, last in collection["extent"]["temporal"]["interval"]:
            start = parse_moment(first or "") or _FIRST
            yield start, parse_moment(last or "", is_end=True) or _LAST
