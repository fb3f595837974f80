"""Which Item takes the place of which, where ESA processed an acquisition anew. Pure.

The Items of an acquisition differ in their baseline. The highest is the one to use; the others are
deprecated, and each links to the one before and after it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from stacgen.model.stream import timestamp
from stacgen.stac import layout, stac_json

DEPRECATED = "deprecated"
"""The property, and the field of an asset, of the version extension."""

_EXTENSION = stac_json.extensions("version")[0]
_BEFORE, _AFTER, _LAST = "predecessor-version", "successor-version", "latest-version"
_RELATIONS = (_BEFORE, _AFTER, _LAST)


def contested(ids: Iterable[str]) -> list[str]:
    """The ids of a Collection whose second others share with another baseline.

    >>> contested(["T29PKR_20250302T112109_05.11_B09_60m", "T29PKR_20250307T112109_05.11_B09_60m"])
    []
    """
    return [each for second in _by_second(ids) if len(_baselines(second)) > 1 for each in second]


def lines(moments: Mapping[str, datetime]) -> list[list[str]]:
    """Items of the same acquisition, by baseline, the oldest first; those that are alone left out.

    Within a second, Items are of the same acquisition where each baseline has one; else where they
    are of the very same time. Where that leaves a baseline with several, none supersedes another.

    Args:
        moments: The sensing times of Items of one Collection, by their ids.

    >>> one, two = "T29PKR_20250302T112109_05.10_B09_60m", "T29PKR_20250302T112109_05.11_B09_60m"
    >>> lines({two: datetime(2025, 3, 2), one: datetime(2025, 3, 2)}) == [[one, two]]
    True
    """
    found = []
    for second in _by_second(moments):
        is_one = len(_baselines(second)) == len(second)
        acquisitions: dict[datetime | None, list[str]] = {}
        for each in second:
            acquisitions.setdefault(None if is_one else moments[each], []).append(each)
        found += [line for line in acquisitions.values() if 1 < len(_baselines(line)) == len(line)]
    return found


def superseded(moments: Mapping[str, datetime]) -> set[str]:
    """Those Items beside which there is one of the same acquisition and a higher baseline."""
    return {each for line in lines(moments) for each in line[:-1]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an Item stands among those of its acquisition; None where there is no such Item."""

    before: stac_json.Document | None = None
    after: stac_json.Document | None = None
    last: stac_json.Document | None = None
    """The one to use in its place."""


def places(line: Sequence[stac_json.Document]) -> list[Place]:
    """Where each Item of a line stands that stays as a whole."""
    last = len(line) - 1
    return [
        Place(
            before=line[rank - 1] if rank else None,
            after=line[rank + 1] if rank < last else None,
            last=line[last] if rank < last else None,
        )
        for rank in range(len(line))
    ]


def marked(document: stac_json.Document, place: Place, *, now: datetime) -> stac_json.Document:
    """An Item that says where it stands; the same document where it does so already."""
    found = ((_BEFORE, place.before), (_AFTER, place.after), (_LAST, place.last))
    changed = _with(
        document,
        [_link(rel, document, other) for rel, other in found if other is not None],
        is_deprecated=place.after is not None,
    )
    if changed == document:
        return document
    return {**changed, "properties": {**changed["properties"], "updated": timestamp(now)}}


def carried(document: stac_json.Document, previous: stac_json.Document) -> stac_json.Document:
    """An Item that says of where it stands what the one says whose place it takes."""
    links = [link for link in previous.get("links", []) if link.get("rel") in _RELATIONS]
    is_deprecated = is_marked(previous)
    if not links and not is_deprecated:
        return document
    return _with(document, links, is_deprecated=is_deprecated)


def is_marked(document: stac_json.Document) -> bool:
    """Whether an Item says that it is deprecated."""
    return document.get("properties", {}).get(DEPRECATED) is True


def _with(
    document: stac_json.Document, links: Sequence[stac_json.Document], *, is_deprecated: bool
) -> stac_json.Document:
    said = {key: each for key, each in document["properties"].items() if key != DEPRECATED}
    urls = [each for each in document["stac_extensions"] if each != _EXTENSION]
    return {
        **document,
        "stac_extensions": sorted([*urls, _EXTENSION]) if links or is_deprecated else urls,
        "properties": {**said, **({DEPRECATED: True} if is_deprecated else {})},
        "links": [
            *(link for link in document["links"] if link["rel"] not in _RELATIONS),
            *links,
        ],
    }


def _link(rel: str, document: stac_json.Document, other: stac_json.Document) -> stac_json.Document:
    """From one Item to another of the same Collection and year."""
    target = f"{other['id']}/{other['id']}.json"
    return {
        "rel": rel,
        "href": layout.href(f"{document['id']}/{document['id']}.json", target),
        "type": stac_json.GEOJSON,
        "title": other["properties"]["title"],
    }


def _by_second(ids: Iterable[str]) -> list[list[str]]:
    """Ids by the second that they name, and within it by baseline."""
    found: dict[str, list[str]] = {}
    for each in sorted(ids):
        found.setdefault(each.split("_")[1], []).append(each)
    return list(found.values())


def _baselines(ids: Iterable[str]) -> set[str]:
    return set(map(_baseline, ids))


def _baseline(item_id: str) -> str:
    return item_id.split("_")[2]
