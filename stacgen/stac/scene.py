"""The bands of an acquisition as one Item, a scene, and the Collection of the scenes. Pure.

A scene holds nothing of its own: it is what the Items of its bands say together, over the same
files. So it comes out the same whichever band was built first, and can be made anew at any time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Any

from stacgen.model.bands import BANDS
from stacgen.stac import catalogs, layout, renders, stac_json, summaries, visual
from stacgen.stac.layout import CollectionPlace, Pass, ScenesPlace
from stacgen.stac.versions import DEPRECATED

if TYPE_CHECKING:
    import pystac

_OF_ASSETS = ("processing:lineage", "processing:software", DEPRECATED)
"""Properties that each asset says for itself where the bands differ in them."""

_OWN = ("title", "datetime", "created", "updated", "gsd", "renders")
"""Properties that a scene has of its own."""

_THUMBNAIL = "thumbnail"
_PLAINEST = ("B04", "B03", "B02")
"""Bands whose quicklook looks most like what eyes see, the first of them preferred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The Items of one acquisition."""

    id: str
    items: Mapping[str, stac_json.Document]
    """By band name, in the order of wavelength; at least one."""

    @property
    def moment(self) -> datetime:
        """When the satellite saw the tile, in UTC."""
        return stac_json.moment(next(iter(self.items.values())))


def assemble(items: Iterable[stac_json.Document]) -> list[Scene]:
    """Items of one tile as scenes: those of the same sensing time and baseline together.

    Of acquisitions in the same second and of the same baseline the first has the plain id, and
    later ones add their microseconds. Where a band has two Items of the very same time, they are
    taken in the order of their frame numbers, each for a scene of its own.
    """
    acquisitions: dict[tuple[Pass, datetime], list[dict[str, stac_json.Document]]] = {}
    for document in sorted(items, key=_by_frame):
        key = Pass.of(document["id"]), stac_json.moment(document)
        turns = acquisitions.setdefault(key, [])
        name = layout.band_of(document["id"]).name
        turn = next((turn for turn in turns if name not in turn), None)
        if turn is None:
            turns.append(turn := {})
        turn[name] = document
    taken: set[str] = set()
    scenes = []
    for (each, moment), turns in sorted(acquisitions.items(), key=lambda pair: pair[0]):
        for turn in turns:
            taken.add(scene_id := next(name for name in _ids(each, moment) if name not in taken))
            ordered = {name: turn[name] for name in BANDS if name in turn}
            scenes.append(Scene(id=scene_id, items=ordered))
    return scenes


def _ids(each: Pass, moment: datetime) -> Iterator[str]:
    """Ids that a scene may have, the best first."""
    precise = f"{each.stem}_{moment.microsecond:06}"
    yield from (each.stem, precise)
    yield from (f"{precise}_{number}" for number in count(2))


def _by_frame(document: stac_json.Document) -> tuple[int, str]:
    number = document["id"].split("_")[5:]
    return (int(number[0]) if number else -1), document["id"]


def build(
    scene: Scene,
    place: ScenesPlace,
    *,
    kept: Mapping[str, Mapping[str, Any]],
    image: stac_json.Document | None = None,
) -> stac_json.Document:
    """The Item of a scene.

    What all bands that know a value say alike is said once. Where they contradict each other in
    a figure, it is left out; lineage and software are then said at the assets. It is deprecated
    once all of its bands are; until then the assets of those that are say so. The footprint is
    where any band has data, since whoever looks for an area must find every band that shows it.

    Args:
        scene: The Items.
        place: Of the scenes of its tile.
        kept: Assets beside those of the bands that the Item is to keep, by key. Those that were
            made of other files than the bands have now are left out.
        image: The Item of the true-colour image of the acquisition. Its picture and thumbnail then
            are those of the scene, and kept ones give way.
    """
    import pystac  # noqa: PLC0415 - 0.1 s, and a run with nothing to do makes no scene

    own = place.item(scene.id, scene.moment.year)
    documents = list(scene.items.values())
    said = [document["properties"] for document in documents]
    moments = [each["properties"]["updated"] for each in (*documents, *([image] if image else []))]
    shared = _agreed(said)
    geometry, bbox = _footprint(documents)
    assets = _assets(scene, place, own.key, shared)
    if image is not None:
        assets |= _pictures(image, place, own.key)
        kept = {key: kept[key] for key in kept if key not in (visual.KEY, _THUMBNAIL)}
    made = pystac.Item(
        id=scene.id,
        geometry=dict(geometry),
        bbox=list(bbox),
        datetime=scene.moment,
        properties={
            "title": title(scene.moment, place, len(scene.items)),
            "datetime": None,  # pystac fills it in, here and not at the end
            "created": min((each["created"] for each in said), key=datetime.fromisoformat),
            "updated": max(moments, key=datetime.fromisoformat),
            "gsd": min(each["gsd"] for each in said),
            **shared,
        },
        stac_extensions=[url for each in documents for url in each["stac_extensions"]],
        collection=place.id,
        assets={key: pystac.Asset.from_dict(asset) for key, asset in assets.items()},
    )
    made.add_links(_links(scene, place, own.key, image))
    return keeping(
        stac_json.document(made),
        {key: kept[key] for key in kept if visual.is_current(kept[key], assets)},
    )


def _pictures(image: stac_json.Document, place: ScenesPlace, key: str) -> dict[str, dict[str, Any]]:
    """Picture and thumbnail of a true-colour image, as a scene has them."""
    home = CollectionPlace(tile=place.tile, band=layout.band_of(image["id"]))
    source = home.item(image["id"], stac_json.moment(image).year).key
    said = image["properties"]
    found = {
        name: {**facts, "href": layout.href(key, layout.target(source, facts["href"]))}
        for name, facts in image["assets"].items()
    }
    found[visual.KEY] |= {each: said[each] for each in _OF_ASSETS if each in said}
    return {visual.KEY: found[visual.KEY], _THUMBNAIL: found[_THUMBNAIL]}


def is_streamed(document: stac_json.Document) -> bool:
    """True if the picture of a scene is that of the true-colour stream."""
    return visual.KEY in document["assets"] and visual.KEY not in kept_assets(document)


def keeping(
    document: stac_json.Document, kept: Mapping[str, Mapping[str, Any]]
) -> stac_json.Document:
    """A scene with further assets, and as new as the last of them; it says how they are drawn."""
    properties, assets = document["properties"], {**document["assets"], **kept}
    moments = [
        properties["updated"],
        *(each["created"] for each in kept.values() if "created" in each),
    ]
    return {
        **document,
        "stac_extensions": sorted({*document["stac_extensions"], *stac_json.extensions("render")}),
        "properties": {
            **properties,
            "updated": max(moments, key=datetime.fromisoformat),
            "renders": renders.of_item(assets),
        },
        "assets": assets,
    }


def kept_assets(previous: stac_json.Document) -> dict[str, dict[str, Any]]:
    """Assets of a scene whose files lie beside its Item: they are of no band, and not ours."""
    return {
        key: asset
        for key, asset in previous.get("assets", {}).items()
        if key not in BANDS and asset.get("href", "").startswith("./")
    }


def title(moment: datetime, place: ScenesPlace, bands: int) -> str:
    """Return the title of a scene."""
    when = moment.strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"Sentinel-2 L2A {place.tile}, {when}, {bands} {'band' if bands == 1 else 'bands'}"


def _agreed(said: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The properties in which all agree that have them, without those that are a scene's own."""
    keys = dict.fromkeys(key for each in said for key in each if key not in _OWN)
    values = {key: [each[key] for each in said if key in each] for key in keys}
    if len(values.get(DEPRECATED, said)) < len(said):
        del values[DEPRECATED]  # as long as one band is not, the scene is not
    return {key: found[0] for key, found in values.items() if found.count(found[0]) == len(found)}


def _footprint(
    documents: Sequence[stac_json.Document],
) -> tuple[Mapping[str, Any], Sequence[float]]:
    first = documents[0]
    if all(each["geometry"] == first["geometry"] for each in documents):
        return first["geometry"], first["bbox"]
    from stacgen.model import geometry  # noqa: PLC0415 - shapely and PROJ, where they are needed

    whole = geometry.united([each["geometry"] for each in documents])
    return whole.geometry, whole.bbox


def _assets(
    scene: Scene, place: ScenesPlace, key: str, shared: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    def moved(name: str, asset: str) -> dict[str, Any]:
        """An asset of a band's Item, as it is seen from the scene."""
        document = scene.items[name]
        home = CollectionPlace(tile=place.tile, band=BANDS[name])
        source = home.item(document["id"], scene.moment.year).key
        facts = document["assets"][asset]
        return {**facts, "href": layout.href(key, layout.target(source, facts["href"]))}

    def said(name: str) -> dict[str, Any]:
        """What a band says, and not all others with it."""
        properties = scene.items[name]["properties"]
        return {
            each: properties[each]
            for each in _OF_ASSETS
            if each in properties and each not in shared
        }

    pictured = next((name for name in (*_PLAINEST, *scene.items) if name in scene.items), "")
    return {
        **{name: {**moved(name, name), **said(name)} for name in scene.items},
        _THUMBNAIL: moved(pictured, _THUMBNAIL),
    }


def _links(
    scene: Scene, place: ScenesPlace, key: str, image: stac_json.Document | None
) -> "list[pystac.Link]":
    import pystac  # noqa: PLC0415 - same

    year = scene.moment.year
    documents = (*scene.items.values(), *([image] if image is not None else []))
    sources = [
        pystac.Link.from_dict(link)
        for document in documents
        for link in document["links"]
        if link["rel"] == "derived_from"
    ]
    return [
        catalogs.up("root", key, layout.ROOT, layout.root_title(is_sample=not sources)),
        catalogs.up("parent", key, place.year_key(year), str(year)),
        catalogs.up("collection", key, place.key, place.title),
        *sources,
    ]


def collection(
    bands: Sequence[stac_json.Document],
    years: Sequence[int],
    *,
    place: ScenesPlace,
    is_sample: bool,
    has_visual: bool = False,
    images: stac_json.Document | None = None,
) -> stac_json.Document:
    """The Collection of the scenes of a tile.

    It holds what the Collections of the bands hold.

    Args:
        bands: The Collections of the bands, in the order of wavelength.
        years: Those to link, in their order: the one whose first scene has most bands comes first,
            so that the first Item of all is a complete one.
        place: Where it lies.
        is_sample: Whether its pixels are made up.
        has_visual: Whether a scene is there in true colour.
        images: The Collection of the true-colour stream, if there is one.
    """
    assets = [document["item_assets"] for document in bands]
    pictures = _shared_picture(assets, images) if has_visual else {}
    return catalogs.gathered(
        summaries.total(map(summaries.of_collection, bands)),
        place=place,
        item_assets={
            **{name: each[name] for each in assets for name in each if name != _THUMBNAIL},
            _THUMBNAIL: {
                **assets[0][_THUMBNAIL],
                **({"title": "Quicklook"} if pictures else {}),
            },
            **pictures,
        },
        years=years,
        description=_describe(place, is_sample=is_sample),
        is_sample=is_sample,
    )


def _shared_picture(
    assets: Sequence[Mapping[str, Any]], images: stac_json.Document | None
) -> dict[str, dict[str, Any]]:
    """What the pictures of all scenes have in common: those made of bands, and those streamed."""
    red = next((each[_PLAINEST[0]] for each in assets if _PLAINEST[0] in each), None)
    made = [] if red is None else [visual.item_asset(red)]
    streamed = [] if images is None else [images["item_assets"][visual.KEY]]
    found = [*streamed, *made]
    if not found:
        return {}
    first, last = found[0], found[-1]
    return {visual.KEY: {key: first[key] for key in first if last.get(key) == first[key]}}


def _describe(place: ScenesPlace, *, is_sample: bool) -> str:
    what = (
        f"The synthetic frames on MGRS tile {place.tile} that stacgen's sample server made up, an"
        " Item an acquisition, with an asset a band. No satellite data."
        if is_sample
        else f"The frames of MGRS tile {place.tile} that were built from their video streams, an"
        " Item an acquisition, with an asset a band. Contains modified Copernicus Sentinel data."
        " Pixels come from a lossy video stream."
    )
    return f"{what} The files are those of the bands' own Collections."
