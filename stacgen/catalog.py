"""The documents above the Items: year, Collection, tile, root. Pure.

Each is a union: what a document already says, and what new Items add to it. A union may be taken
twice or in any order, so an interrupted build or a second builder comes to the same end.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from typing import Any

from stacgen import item, layout, origin, renders, stac
from stacgen.bands import BANDS
from stacgen.errors import ForeignCatalogError
from stacgen.layout import CollectionPlace, Place
from stacgen.models import Grid

_MARK = "stacgen:content"
"""Field of the root that tells what fills it: `dunia`, or `sample` for synthetic frames."""

Bbox = tuple[float, float, float, float]
Span = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What a Collection holds, in sum; two of them can be added."""

    bbox: Bbox
    start: datetime
    end: datetime
    baselines: frozenset[str]
    years: frozenset[int]
    cloud_cover: Span | None
    """Lowest and highest, in percent; None where no Item says."""

    nodata_percentage: Span | None
    """Lowest and highest, in percent; None where no Item says."""

    def __add__(self, other: "Holdings") -> "Holdings":
        """What both hold together."""
        return Holdings(
            bbox=_union(self.bbox, other.bbox),
            start=min(self.start, other.start),
            end=max(self.end, other.end),
            baselines=self.baselines | other.baselines,
            years=self.years | other.years,
            cloud_cover=_span(self.cloud_cover, other.cloud_cover),
            nodata_percentage=_span(self.nodata_percentage, other.nodata_percentage),
        )


def of_item(document: stac.Document) -> Holdings:
    """What one Item adds to its Collection."""
    properties = document["properties"]
    moment = datetime.fromisoformat(properties["datetime"]).astimezone(UTC)

    def point(key: str) -> Span | None:
        return (properties[key], properties[key]) if key in properties else None

    return Holdings(
        bbox=tuple(document["bbox"]),
        start=moment,
        end=moment,
        baselines=frozenset([properties["processing:version"]]),
        years=frozenset([moment.year]),
        cloud_cover=point("eo:cloud_cover"),
        nodata_percentage=point("s2:nodata_pixel_percentage"),
    )


def of_collection(document: stac.Document) -> Holdings:
    """What a Collection says that it holds."""
    summaries = document["summaries"]
    start, end = document["extent"]["temporal"]["interval"][0]

    def span(key: str) -> Span | None:
        summary = summaries.get(key)
        return summary and (summary["minimum"], summary["maximum"])

    return Holdings(
        bbox=tuple(document["extent"]["spatial"]["bbox"][0]),
        start=datetime.fromisoformat(start),
        end=datetime.fromisoformat(end),
        baselines=frozenset(summaries["processing:version"]),
        years=years_of(document),
        cloud_cover=span("eo:cloud_cover"),
        nodata_percentage=span("s2:nodata_pixel_percentage"),
    )


def years_of(document: stac.Document) -> frozenset[int]:
    """The years that a Collection links."""
    return frozenset(int(link.title) for link in stac.links(document, "child"))


def total(holdings: Iterable[Holdings]) -> Holdings:
    """What all hold together; there must be one."""
    return reduce(Holdings.__add__, holdings)


def _by_time(link: stac.Link) -> Any:  # noqa: ANN401 - whatever can be compared
    """The order of links to Items, whose ids begin with the time."""
    return link.href


def year(
    existing: stac.Document | None,
    items: Iterable[stac.Document],
    *,
    place: Place,
    number: int,
    order: Callable[[stac.Link], Any] = _by_time,
) -> stac.Document:
    """A year's Catalog with links to its Items, those it had and those given, in order."""
    key = place.year_key(number)
    found = [
        stac.Link(
            rel="item",
            href=layout.href(key, place.item(document["id"], number).key),
            type=stac.GEOJSON,
            title=document["properties"]["title"],
        )
        for document in items
    ]
    return stac.catalog(
        id=f"{place.id}-{number}",
        title=str(number),
        description=f"Frames of {place.title} sensed in {number}.",
        links=[
            up("root", key, layout.ROOT, layout.ROOT_TITLE),
            up("parent", key, place.key, place.title),
            *_merged(existing, "item", found, order=order),
        ],
    )


def collection(
    holdings: Holdings, *, place: CollectionPlace, grid: Grid, scale: float, is_sample: bool
) -> stac.Document:
    """The Collection of a tile and band; `scale` is that of its digital numbers to reflectance."""
    return gathered(
        holdings,
        place=place,
        item_assets=_item_assets(place, grid, scale),
        years=sorted(holdings.years),
        description=_describe(place, is_sample=is_sample),
        is_sample=is_sample,
    )


def gathered(
    holdings: Holdings,
    *,
    place: Place,
    item_assets: Mapping[str, Mapping[str, Any]],
    years: Sequence[int],
    description: str,
    is_sample: bool,
) -> stac.Document:
    """A Collection of whatever bands.

    Args:
        holdings: What its Items are in sum.
        place: Where it lies.
        item_assets: What the assets of all Items share, in the order of the bands.
        years: Those to link, in their order.
        description: A sentence or more.
        is_sample: Whether its pixels are made up.
    """
    key = place.key
    rasters = [asset for asset in item_assets.values() if "data" in asset["roles"]]
    bands = [band for asset in rasters for band in asset["bands"]]
    children = [
        stac.Link(rel="child", href=layout.href(key, place.year_key(each)), title=str(each))
        for each in years
    ]
    return stac.collection(
        id=place.id,
        title=place.title,
        description=description,
        keywords=[
            *("sentinel-2", "copernicus", "msi", "l2a", place.tile),
            *(band["name"] for band in bands),
            *("cog", "sample" if is_sample else "dunia"),
        ],
        providers=() if is_sample else origin.PROVIDERS,
        extent=stac.Extent(bbox=holdings.bbox, start=holdings.start, end=holdings.end),
        summaries=_summaries(holdings, place, item_assets),
        stac_extensions=stac.extensions(
            *("eo", "projection", "raster", "render"), *(() if is_sample else ("scientific",))
        ),
        extra={
            **({} if is_sample else {"sci:doi": origin.DOI}),
            "bands": bands,
            "renders": renders.of_collection(item_assets, holdings.baselines),
            "item_assets": dict(item_assets),
        },
        assets={"items": MIRROR},
        links=[
            up("root", key, layout.ROOT, layout.ROOT_TITLE),
            up("parent", key, place.tile_key, place.tile),
            *children,
            stac.Link(
                rel="alternate",
                href=layout.href(key, layout.page_key(key)),
                type=stac.HTML,
                title=place.title,
            ),
            *(() if is_sample else origin.LEGAL),
        ],
    )


def tile(existing: stac.Document | None, *, place: Place) -> stac.Document:
    """A tile's Catalog with links to its Collections, in the order of the bands, scenes last."""
    key = place.tile_key
    found = stac.Link(rel="child", href=layout.href(key, place.key), title=place.title)
    bands = list(BANDS)

    def by_band(link: stac.Link) -> tuple[int, str]:
        name = link.href.removeprefix("./").partition("/")[0]
        return (bands.index(name) if name in bands else len(bands)), name

    return stac.catalog(
        id=place.tile,
        title=place.tile,
        description=f"Sentinel-2 tile {place.tile}: a Collection a band, and one of all together.",
        links=[
            up("root", key, layout.ROOT, layout.ROOT_TITLE),
            up("parent", key, layout.ROOT, layout.ROOT_TITLE),
            *_merged(existing, "child", [found], order=by_band),
        ],
    )


def root(
    existing: stac.Document | None,
    *,
    place: CollectionPlace,
    is_sample: bool,
    base_url: str | None,
) -> stac.Document:
    """The root Catalog with links to its tiles, in the order of their ids.

    It has a `self` link only where its public URL is known: given now, or known before.
    """
    found = stac.Link(rel="child", href=layout.href(layout.ROOT, place.tile_key), title=place.tile)
    known = stac.links(existing or {}, "self")
    if base_url is not None:
        href = f"{base_url.rstrip('/')}/{layout.ROOT}"
        known = [stac.Link(rel="self", href=href, title=layout.ROOT_TITLE)]
    what = "Synthetic frames of stacgen's sample server" if is_sample else origin.WHAT
    return stac.catalog(
        id="sentinel-2-l2a-dunia" + ("-sample" if is_sample else ""),
        title=layout.ROOT_TITLE,
        description=f"{what}, as Cloud-Optimized GeoTIFFs; a Catalog a tile.",
        extra={_MARK: _content(is_sample=is_sample)},
        links=[
            *known,
            stac.Link(rel="root", href="./catalog.json", title=layout.ROOT_TITLE),
            *_merged(existing, "child", [found], order=lambda link: link.href),
        ],
    )


def check_ours(existing: stac.Document | None, *, is_sample: bool, name: str) -> None:
    """Refuse to touch a root that stacgen did not make, or that holds the other kind of frames.

    Raises:
        ForeignCatalogError: It is such a root.
    """
    if existing is None:
        return
    content = existing.get(_MARK)
    if content is None:
        raise ForeignCatalogError(
            f"{name} is a catalog that stacgen did not make; it is left alone. Take another output."
        )
    if content != _content(is_sample=is_sample):
        kind, other = ("synthetic", "DUNIA's") if content == "sample" else ("DUNIA's", "synthetic")
        raise ForeignCatalogError(
            f"{name} holds {kind} frames; {other} are not put beside them. Take another output:"
            " -o FOLDER."
        )


def is_sample(root: stac.Document) -> bool:
    """Whether a root of ours holds synthetic frames."""
    return bool(root.get(_MARK) == _content(is_sample=True))


def public_url(root: stac.Document | None) -> str | None:
    """Where the catalog is public, as its root says; None where it does not."""
    for link in stac.links(root or {}, "self"):
        return link.href.rpartition("/")[0]
    return None


def _content(*, is_sample: bool) -> str:
    return "sample" if is_sample else "dunia"


def up(rel: str, source: str, target: str, name: str) -> stac.Link:
    """A link from one key to another, whose document has that title."""
    return stac.Link(rel=rel, href=layout.href(source, target), title=name)


def _merged(
    existing: stac.Document | None,
    rel: str,
    found: Iterable[stac.Link],
    *,
    order: Callable[[stac.Link], Any],
) -> list[stac.Link]:
    """The links that a document had and those found, each target once."""
    by_href = {link.href: link for link in stac.links(existing or {}, rel)}
    by_href |= {link.href: link for link in found}
    return sorted(by_href.values(), key=order)


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


def _summaries(
    holdings: Holdings, place: Place, item_assets: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    def all_of(key: str) -> list[Any]:
        return sorted({asset[key] for asset in item_assets.values() if key in asset})

    spans = {
        "eo:cloud_cover": holdings.cloud_cover,
        "s2:nodata_pixel_percentage": holdings.nodata_percentage,
    }
    return {
        "constellation": ["sentinel-2"],
        "instruments": ["msi"],
        "gsd": all_of("gsd"),
        "grid:code": [f"MGRS-{place.tile}"],
        "proj:code": all_of("proj:code"),
        "processing:level": ["L2A"],
        "processing:version": sorted(holdings.baselines),
        **{
            key: {"minimum": span[0], "maximum": span[1]}
            for key, span in spans.items()
            if span is not None
        },
    }


def _item_assets(place: CollectionPlace, grid: Grid, scale: float) -> dict[str, dict[str, Any]]:
    """What the assets of all Items share; the offset is not among it, since baselines mix."""
    resolution = place.band.resolution
    return {
        place.band.name: {
            "type": stac.COG,
            "title": f"{place.band.description} - {resolution}m",
            "roles": ["data", "reflectance"],
            "gsd": resolution,
            "data_type": "uint16",
            "nodata": 0,
            "raster:scale": scale,
            "raster:spatial_resolution": resolution,
            "raster:sampling": "area",
            "proj:code": f"EPSG:{grid.epsg}",
            "proj:shape": list(grid.shape),
            "proj:transform": list(grid.transform),
            "bands": [item.band_object(place.band)],
        },
        "thumbnail": {
            "type": stac.PNG,
            "title": "Grey-scale quicklook",
            "roles": ["thumbnail", "overview"],
        },
    }


def _describe(place: CollectionPlace, *, is_sample: bool) -> str:
    if is_sample:
        return (
            f"Synthetic frames on MGRS tile {place.tile} in the manner of band {place.band.name},"
            " made by stacgen's sample server, as COGs. No satellite data."
        )
    return (
        f"Every Sentinel-2 MSI L2A frame of MGRS tile {place.tile}, band {place.band.name}, that"
        " was built from ESA DUNIA's stream, as COGs. Contains modified Copernicus Sentinel data."
        " Pixels come from a lossy video stream."
    )


MIRROR: dict[str, Any] = {
    "href": f"./{layout.MIRROR}",
    "type": stac.PARQUET,
    "title": "All Items as stac-geoparquet 1.1.0",
    "roles": ["collection-mirror"],
}
"""The asset `items` of a Collection."""
