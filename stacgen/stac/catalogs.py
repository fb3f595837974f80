"""The documents above the Items: year, Collection, tile, root. Pure.

Each is a union: what a document already says, and what new Items add to it. A union may be taken
twice or in any order, so an interrupted build or a second builder comes to the same end.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stacgen.errors import ForeignCatalogError
from stacgen.model.bands import NAMES, TCI
from stacgen.model.stream import Grid
from stacgen.stac import item, layout, providers, renders, stac_json, visual
from stacgen.stac.layout import CollectionPlace, Place
from stacgen.stac.summaries import CollectionSummary

if TYPE_CHECKING:
    import pystac

_MARK = "stacgen:content"
"""Field of the root that tells what fills it: `dunia`, or `sample` for synthetic frames."""


def _by_time(link: stac_json.Link) -> Any:  # noqa: ANN401 - whatever can be compared
    """The order of links to Items, whose ids begin with the time."""
    return link.href


def year(
    existing: stac_json.Document | None,
    items: Iterable[stac_json.Document],
    *,
    place: Place,
    number: int,
    is_sample: bool,
    order: Callable[[stac_json.Link], Any] = _by_time,
) -> stac_json.Document:
    """A year's Catalog with links to its Items, those it had and those given, in order."""
    key = place.year_key(number)
    found = [
        stac_json.Link(
            href=layout.href(key, place.item(document["id"], number).key),
            title=document["properties"]["title"],
        )
        for document in items
    ]
    return _catalog(
        id=f"{place.id}-{number}",
        title=str(number),
        description=f"Frames of {place.title} sensed in {number}.",
        links=[
            up("root", key, layout.ROOT, layout.root_title(is_sample=is_sample)),
            up("parent", key, place.key, place.title),
            *_merged(existing, "item", found, order=order),
        ],
    )


def collection(
    summary: CollectionSummary,
    *,
    place: CollectionPlace,
    grid: Grid,
    scale: float,
    is_sample: bool,
) -> stac_json.Document:
    """The Collection of a tile and band; `scale` is that of its digital numbers to reflectance."""
    return gathered(
        summary,
        place=place,
        item_assets=_item_assets(place, grid, scale),
        years=sorted(summary.years),
        description=_describe(place, is_sample=is_sample),
        is_sample=is_sample,
    )


def gathered(
    summary: CollectionSummary,
    *,
    place: Place,
    item_assets: Mapping[str, Mapping[str, Any]],
    years: Sequence[int],
    description: str,
    is_sample: bool,
) -> stac_json.Document:
    """A Collection of whatever bands.

    Args:
        summary: What its Items are in sum.
        place: Where it lies.
        item_assets: What the assets of all Items share, in the order of the bands.
        years: Those to link, in their order.
        description: A sentence or more.
        is_sample: Whether its pixels are made up.
    """
    import pystac  # noqa: PLC0415 - 0.1 s, and a run with nothing to do makes no document

    key = place.key
    rasters = [asset for asset in item_assets.values() if "data" in asset["roles"]]
    rasters = rasters or [asset for asset in item_assets.values() if visual.KEY in asset["roles"]]
    bands = [band for asset in rasters for band in asset["bands"]]
    made = pystac.Collection(
        id=place.id,
        title=place.title,
        description=description,
        license="other",  # which a link names
        keywords=[
            *("sentinel-2", "copernicus", "msi", "l2a", place.tile),
            *_named(place, bands),
            *("cog", "sample" if is_sample else "dunia"),
        ],
        providers=[] if is_sample else list(map(pystac.Provider.from_dict, providers.PROVIDERS)),
        extent=pystac.Extent(
            pystac.SpatialExtent([list(summary.bbox)]),
            pystac.TemporalExtent([[summary.start, summary.end]]),
        ),
        # pystac leaves out lists as long as `maxcount`.
        summaries=pystac.Summaries(_summaries(summary, place, item_assets), maxcount=1000),
        stac_extensions=stac_json.extensions(
            *("eo", "projection", "raster", "render"), *(() if is_sample else ("scientific",))
        ),
        extra_fields={
            **({} if is_sample else {"sci:doi": providers.DOI}),
            "bands": bands,
            "renders": renders.of_collection(item_assets, summary.baselines),
        },
        assets={"items": pystac.Asset.from_dict(MIRROR)},
    )
    for name, asset in item_assets.items():
        made.item_assets[name] = pystac.ItemAssetDefinition(dict(asset))
    return _linked(
        made,
        [
            up("root", key, layout.ROOT, layout.root_title(is_sample=is_sample)),
            up("parent", key, place.tile_key, place.tile),
            *(up("child", key, place.year_key(each), str(each)) for each in years),
            stac_json.link(
                "alternate", layout.href(key, layout.page_key(key)), place.title, stac_json.HTML
            ),
            *([] if is_sample else map(pystac.Link.from_dict, providers.LEGAL)),
        ],
    )


def _named(place: Place, bands: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keywords for the bands of a Collection; TCI for true colour."""
    return [TCI] if place.name == TCI else [band["name"] for band in bands]


def resolution_of(document: stac_json.Document) -> int:
    """Of the pixels of a Collection of one band, or of true colour, in metres."""
    assets = document["item_assets"].values()
    return min(int(asset["gsd"]) for asset in assets if "gsd" in asset)


def tile(
    existing: stac_json.Document | None, *, place: Place, is_sample: bool
) -> stac_json.Document:
    """A tile's Catalog with links to its Collections, in the order of the bands, scenes last."""
    key, root_title = place.tile_key, layout.root_title(is_sample=is_sample)
    found = stac_json.Link(href=layout.href(key, place.key), title=place.title)
    bands = list(NAMES)

    def by_band(link: stac_json.Link) -> tuple[int, str]:
        name = link.href.removeprefix("./").partition("/")[0]
        return (bands.index(name) if name in bands else len(bands)), name

    return _catalog(
        id=place.tile,
        title=place.tile,
        description=f"Sentinel-2 tile {place.tile}: a Collection a band, and one of all together.",
        links=[
            up("root", key, layout.ROOT, root_title),
            up("parent", key, layout.ROOT, root_title),
            *_merged(existing, "child", [found], order=by_band),
        ],
    )


def root(
    existing: stac_json.Document | None,
    *,
    place: CollectionPlace,
    is_sample: bool,
    base_url: str | None,
) -> stac_json.Document:
    """The root Catalog with links to its tiles, in the order of their ids.

    It has a `self` link only where its public URL is known: given now, or known before.
    """
    title = layout.root_title(is_sample=is_sample)
    found = stac_json.Link(href=layout.href(layout.ROOT, place.tile_key), title=place.tile)
    address = public_url(existing) if base_url is None else base_url.rstrip("/")
    own = [] if address is None else [stac_json.link("self", f"{address}/{layout.ROOT}", title)]
    what = "Synthetic frames of stacgen's sample server" if is_sample else providers.WHAT
    return _catalog(
        id="sentinel-2-l2a-dunia" + ("-sample" if is_sample else ""),
        title=title,
        description=f"{what}, as Cloud-Optimized GeoTIFFs; a Catalog a tile.",
        extra={_MARK: _content(is_sample=is_sample)},
        links=[
            *own,
            stac_json.link("root", "./catalog.json", title),
            *_merged(existing, "child", [found], order=lambda link: link.href),
        ],
    )


def check_ours(existing: stac_json.Document | None, *, is_sample: bool | None, name: str) -> None:
    """Refuse to touch a root that stacgen did not make, or that holds the other kind of frames.

    The kind is not compared where `is_sample` is None, since it is not known yet.

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
    if is_sample is not None and content != _content(is_sample=is_sample):
        kind, other = ("synthetic", "real") if content == "sample" else ("real", "synthetic")
        raise ForeignCatalogError(
            f"{name} holds {kind} frames; {other} are not put beside them. Take another output:"
            " -o FOLDER."
        )


def is_sample(document: stac_json.Document) -> bool:
    """True for a root or a Collection of ours that holds synthetic frames."""
    content = _content(is_sample=True)
    return document.get(_MARK) == content or content in document.get("keywords", ())


def public_url(root: stac_json.Document | None) -> str | None:
    """Where the catalog is public, as its root says; None where it does not."""
    for link in stac_json.links(root or {}, "self"):
        return link.href.rpartition("/")[0]
    return None


def _content(*, is_sample: bool) -> str:
    return "sample" if is_sample else "dunia"


def up(rel: str, source: str, target: str, name: str) -> "pystac.Link":
    """A link from one key to another, whose document has that title."""
    return stac_json.link(rel, layout.href(source, target), name)


def _catalog(
    *,
    id: str,  # noqa: A002 - the field's name
    title: str,
    description: str,
    links: "Iterable[pystac.Link]",
    extra: dict[str, Any] | None = None,
) -> stac_json.Document:
    import pystac  # noqa: PLC0415 - same

    made = pystac.Catalog(id=id, title=title, description=description, extra_fields=extra)
    return _linked(made, links)


def _linked(made: "pystac.Catalog", links: "Iterable[pystac.Link]") -> stac_json.Document:
    """The document with these links alone; pystac puts a root link to itself into each Catalog."""
    made.clear_links()
    made.add_links(list(links))
    return stac_json.document(made)


def _merged(
    existing: stac_json.Document | None,
    rel: str,
    found: Iterable[stac_json.Link],
    *,
    order: Callable[[stac_json.Link], Any],
) -> "list[pystac.Link]":
    """The links that a document had and those found, each target once."""
    by_href = {link.href: link for link in (*stac_json.links(existing or {}, rel), *found)}
    media_type = stac_json.GEOJSON if rel == "item" else stac_json.JSON
    return [
        stac_json.link(rel, each.href, each.title, media_type)
        for each in sorted(by_href.values(), key=order)
    ]


def _summaries(
    summary: CollectionSummary, place: Place, item_assets: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    def all_of(key: str) -> list[Any]:
        return sorted({asset[key] for asset in item_assets.values() if key in asset})

    spans = {
        "eo:cloud_cover": summary.cloud_cover,
        "s2:nodata_pixel_percentage": summary.nodata_percentage,
    }
    return {
        "constellation": ["sentinel-2"],
        "instruments": ["msi"],
        "gsd": all_of("gsd"),
        "grid:code": [f"MGRS-{place.tile}"],
        "proj:code": all_of("proj:code"),
        "processing:level": ["L2A"],
        **({"processing:version": sorted(summary.baselines)} if summary.baselines else {}),
        **(
            {item.STREAM_YEAR: sorted(summary.stream_years)}
            if summary.stream_years != summary.years
            else {}
        ),
        **{
            key: {"minimum": span[0], "maximum": span[1]}
            for key, span in spans.items()
            if span is not None
        },
    }


def _item_assets(place: CollectionPlace, grid: Grid, scale: float) -> dict[str, dict[str, Any]]:
    """What the assets of all Items share; the offset is not among it, since baselines mix."""
    band = place.band
    return {
        band.asset: {
            **item.shared_facts(band, {"raster:scale": scale}),
            "proj:code": f"EPSG:{grid.epsg}",
            "proj:shape": list(grid.shape),
            "proj:transform": list(grid.transform),
            "bands": item.band_objects(band),
        },
        "thumbnail": {
            "type": stac_json.PNG,
            "title": item.quicklook_title(band),
            "roles": ["thumbnail", "overview"],
        },
    }


def _describe(place: CollectionPlace, *, is_sample: bool) -> str:
    what = "true colour (TCI)" if place.band.is_color else f"band {place.band.name}"
    if is_sample:
        return (
            f"Synthetic frames on MGRS tile {place.tile} in the manner of {what},"
            " made by stacgen's sample server, as COGs. No satellite data."
        )
    return (
        f"Every Sentinel-2 MSI L2A frame of MGRS tile {place.tile}, {what}, that"
        " was built from its video stream, as COGs. Contains modified Copernicus Sentinel data."
        " Pixels come from a lossy video stream."
    )


MIRROR: dict[str, Any] = {
    "href": f"./{layout.MIRROR}",
    "type": stac_json.PARQUET,
    "title": "All Items as stac-geoparquet 1.1.0",
    "roles": ["collection-mirror"],
}
"""The asset `items` of a Collection."""
