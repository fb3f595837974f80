"""What is made of Items across Collections, once the last of a run is filed: the scenes.

Files of a tile are written in one order: the Item of a band, the scene, the scenes' year, their
mirror and page, their Collection. So the times of the files tell what a build that was killed left
undone, and nothing has to be read to see it. Several builders may do that for one tile at the same
time: who is done looks again at what the bands hold, and begins anew if that is not what it was. So
whoever is the last has seen all. Where a store's clock shows whole seconds, as that of
S3, times may be the same; then the files tell, too.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import chain, pairwise

from stacgen import catalog, collection_summary, layout, scene, stac, visual
from stacgen.bands import BANDS, RESOLUTIONS, TRUE_COLOR, Band
from stacgen.layout import CollectionPlace, ItemPlace, Pass, Place, ScenesPlace
from stacgen.pipeline.abreast import abreast
from stacgen.pipeline.inventory import Standing, read_item
from stacgen.pipeline.refresh import is_shown, refresh
from stacgen.pipeline.update import read, update_document
from stacgen.ports import UNTOLD, Entry, Store
from stacgen.tiles import TileId

_Filed = Mapping[Pass, Sequence[ItemPlace]]
"""The Items that the years of the bands link, by what their ids begin with; behind them those of
the true-colour stream of the same second."""


def finish(
    touched: Collection[Pass],
    store: Store,
    *,
    tiles: Collection[TileId] = (),
    recount: bool = False,
) -> None:
    """Bring the scenes of the tiles touched up to what is filed of their bands.

    Years are read as a whole. Of Items only those are that belong to what was touched, and to
    scenes that do not have as many bands as are filed, because a build was killed before this.

    Args:
        touched: Passes of which an Item was written, or that are `overdue`.
        store: Holds the Collections of the bands, and will hold the scenes.
        tiles: Others whose scenes are there, and may not be shown as they are.
        recount: Whether to look at every scene of these tiles, and write only what changes.
    """
    due: set[Pass] | None
    for tile in sorted({each.tile for each in touched} | set(tiles)):
        due = {each for each in touched if each.tile == tile}
        whole, place = recount, ScenesPlace(tile=tile)
        if not due and is_shown(place, (), store):
            continue
        while due is not None:
            due = _finish_tile(place, due, store, recount=whole)
            whole = False


def overdue(home: CollectionPlace, existing: Sequence[Standing], store: Store) -> set[Pass]:
    """What is there of a band, and not in a scene that is as new and filed.

    It costs a `stat` a frame, three more, and one reading of the tile's Catalog, of the band's
    year, of the scenes' Collection and of their page. A scene is read only where whole seconds
    tell nothing.
    """
    if not existing:
        return set()
    place = ScenesPlace(tile=home.tile)
    if home.band.is_color:
        return _overdue_images(place, existing, store)
    passes = [Pass.of(each.document["id"]) for each in existing]
    places = [place.item(each.stem, each.year) for each in passes]
    years = {year: store.stat(place.year_key(year)) for year in {each.year for each in passes}}
    collection = store.stat(place.key)
    if collection is None or not _are_linked([place, home], store):
        return set(passes)
    if not is_shown(place, (), store):
        return set(passes)
    scenes = list(abreast(store, store.stat, [each.key for each in places]))
    order = [
        _is_in_order([item.modified, *_times(found, years[each.year], collection)])
        for each, item, found in zip(passes, existing, scenes, strict=True)
    ]
    unsure = [number for number, told in enumerate(order) if told is None]
    read_scene = partial(read_item, store)
    documents = list(abreast(store, read_scene, [places[number] for number in unsure]))
    # What was not filed when a scene was made is not in it, however old it is.
    filed = {each for year in years for each in _filed([home], year, store)}
    due = {each for each, told in zip(passes, order, strict=True) if told is False}
    due |= set(passes) - filed
    shown = [each for each in documents if each is not None]
    if unsure and not is_shown(place, shown, store):
        return due | {passes[number] for number in unsure}
    return due | {
        passes[number]
        for number, each in zip(unsure, documents, strict=True)
        if each is None or not scene.shows(each, existing[number].document)
    }


def _overdue_images(place: ScenesPlace, existing: Sequence[Standing], store: Store) -> set[Pass]:
    """True-colour images that are there, and not in the scene of their second.

    Scenes show none of several images, and no image is of several scenes: see `_made`.
    """
    seconds = Counter(Pass.of(each.document["id"]) for each in existing)
    images = {
        second: each.document["assets"][visual.KEY]["file:checksum"]
        for each in existing
        if seconds[second := Pass.of(each.document["id"])] == 1
    }
    linked = [
        place.item(layout.id_of(link.href), year)
        for year in {each.year for each in images}
        for link in stac.links(read(store, place.year_key(year)) or {}, "item")
    ]
    passes = Counter(Pass.of(each.id) for each in linked)
    scenes = [
        each
        for each in linked
        if passes[Pass.of(each.id)] == 1 and Pass.of(each.id).second in images
    ]
    documents = abreast(store, partial(read_item, store), scenes)
    return {
        second
        for item, document in zip(scenes, documents, strict=True)
        if _checksum(document) != images[second := Pass.of(item.id).second]
    }


def _checksum(document: stac.Document | None) -> str | None:
    """That of the picture of a scene."""
    picture: dict[str, str] = (document or {}).get("assets", {}).get(visual.KEY, {})
    return picture.get("file:checksum")


def _times(*entries: Entry | None) -> list[datetime | None]:
    return [None if each is None else each.written for each in entries]


def _is_in_order(times: Sequence[datetime | None]) -> bool | None:
    """Whether files were written in this order; None where their times do not tell."""
    found = [each for each in times if each is not None]
    if len(found) < len(times) or found != sorted(found):
        return False
    is_told = UNTOLD not in found and all(
        first < second or first.microsecond for first, second in pairwise(found)
    )
    return True if is_told else None


def _are_linked(places: Sequence[Place], store: Store) -> bool:
    """Whether the tile's Catalog links these of its Collections."""
    hrefs = {link.href for link in stac.links(read(store, places[0].tile_key) or {}, "child")}
    return all(layout.href(place.tile_key, place.key) in hrefs for place in places)


def _finish_tile(
    place: ScenesPlace, touched: set[Pass], store: Store, *, recount: bool
) -> set[Pass] | None:
    """Bring the scenes of a tile up to its bands.

    Returns:
        Passes whose bands have changed meanwhile, or none of them if only their Collections have;
        None where nothing has.
    """
    bands, images = _bands(place, store), _images(place, store)
    homes = [*bands, *images]
    is_sample = any(map(catalog.is_sample, bands.values()))
    years = {
        number: _year(place, number, homes, touched, store, is_sample=is_sample, recount=recount)
        for number in _years(bands)
    }
    made = [document for year in years.values() for document in year.made]
    documents = {number: year.document for number, year in years.items() if year.document}
    existing = read(store, place.key)
    has_visual = any(visual.KEY in each["assets"] for each in made)
    if not recount:  # not every scene was looked at
        has_visual |= visual.KEY in (existing or {}).get("item_assets", {})
    document = scene.collection(
        list(bands.values()),
        documents,
        place=place,
        is_sample=is_sample,
        has_visual=has_visual,
        images=next(iter(images.values()), None),
    )
    if document is None:
        return None
    is_new = existing is None and store.stat(place.mirror_key) is None
    whole = recount or any(year.lost for year in years.values())
    whole |= not (is_new or is_shown(place, (), store))
    if made or whole or is_new or document != existing:
        every = partial(_every, place, store) if whole else None
        refresh(place, made, store, document=document, every=every)
    update_document(
        store, place.key, lambda _: document, always=any(y.wrote for y in years.values())
    )
    update_document(
        store,
        place.tile_key,
        lambda tile: catalog.tile(tile, place=place, is_sample=is_sample),
    )
    now, images_now = _bands(place, store), _images(place, store)
    changed = {
        each
        for number, year in years.items()
        if year.seen
        for filed in [_filed([*now, *images_now], number, store)]
        for each, items in year.seen.items()
        if list(filed.get(each, ())) != list(items)
    }
    return changed if changed or (now, images_now) != (bands, images) else None


def _every(place: ScenesPlace, store: Store) -> Iterator[stac.Document]:
    """All scenes that are linked, of years that another builder has begun meanwhile, too."""
    for number in _years(_bands(place, store)):
        for link in stac.links(read(store, place.year_key(number)) or {}, "item"):
            found = read_item(store, place.item(layout.id_of(link.href), number))
            if found is not None:
                yield found


def _bands(place: ScenesPlace, store: Store) -> dict[CollectionPlace, stac.Document]:
    """The Collections of bands that the tile's Catalog links, in the order of wavelength."""
    return _linked(place, BANDS.values(), store)


def _images(place: ScenesPlace, store: Store) -> dict[CollectionPlace, stac.Document]:
    """The Collection of the true-colour stream, if the tile's Catalog links it."""
    found = _linked(place, [TRUE_COLOR[RESOLUTIONS[0]]], store)
    return {
        CollectionPlace(tile=place.tile, band=TRUE_COLOR[catalog.resolution_of(each)]): each
        for each in found.values()
    }


def _linked(
    place: ScenesPlace, bands: Iterable[Band], store: Store
) -> dict[CollectionPlace, stac.Document]:
    linked = {link.href for link in stac.links(read(store, place.tile_key) or {}, "child")}
    homes = (CollectionPlace(tile=place.tile, band=band) for band in bands)
    found = {
        home: read(store, home.key)
        for home in homes
        if layout.href(home.tile_key, home.key) in linked
    }
    return {home: document for home, document in found.items() if document is not None}


def _years(bands: Mapping[CollectionPlace, stac.Document]) -> list[int]:
    """Of which there are Items of any band."""
    return sorted({year for each in bands.values() for year in collection_summary.years_of(each)})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Year:
    """A year of scenes, brought up to the bands."""

    document: stac.Document | None
    """Its Catalog; None where it has no scene."""

    made: Sequence[stac.Document] = ()
    """The scenes that were looked at."""

    seen: _Filed = field(default_factory=dict)
    """What was filed of the bands of these scenes when they were made."""

    wrote: bool = False
    lost: bool = False
    """Whether a scene that it linked, now or before a run that was killed, is there no more."""


def _year(
    place: ScenesPlace,
    number: int,
    homes: Iterable[CollectionPlace],
    touched: set[Pass],
    store: Store,
    *,
    is_sample: bool,
    recount: bool,
) -> _Year:
    """The Catalog of a year once its scenes are made."""
    key = place.year_key(number)
    existing = read(store, key)
    due = {each for each in touched if each.year == number}
    if existing is not None and not due and not recount:
        return _Year(document=existing)
    filed = _filed(homes, number, store)
    # A true-colour image is of all scenes of its second, and of none where no band has that.
    seconds = {each for each in due if each == each.second}
    due = (due - seconds) | {each for each in filed if each.second in seconds}
    anew = due | scene.unlike(existing, {each: _count(items) for each, items in filed.items()})
    if recount:
        anew |= filed.keys()

    def make(each: Pass) -> list[_Made]:
        return _made(place, filed.get(each, ()), store)

    made = list(chain.from_iterable(abreast(store, make, sorted(anew))))
    # What was touched is written even if it says nothing new, to be newer than its Items.
    always = set() if recount else due
    files = [
        (each.key, each.content, stac.GEOJSON)
        for each in made
        if each.is_new or Pass.of(each.document["id"]) in always
    ]
    store.write_all(files)
    documents = [each.document for each in made]
    if existing is None and not documents:
        return _Year(document=None)

    def linked(before: stac.Document | None) -> stac.Document:
        return scene.year(
            before, documents, place=place, number=number, is_sample=is_sample, anew=anew
        )

    wrote = update_document(store, key, linked, always=bool(files))
    year = read(store, key) or linked(existing)
    hrefs = [{link.href for link in stac.links(each or {}, "item")} for each in (existing, year)]
    return _Year(
        document=year,
        made=documents,
        seen={each: filed.get(each, ()) for each in anew},
        wrote=wrote,
        lost=bool(hrefs[0] - hrefs[1]) or not due <= filed.keys(),
    )


def _filed(homes: Iterable[CollectionPlace], number: int, store: Store) -> _Filed:
    filed: dict[Pass, list[ItemPlace]] = {}
    for home in homes:
        for link in stac.links(read(store, home.year_key(number)) or {}, "item"):
            item_id = layout.id_of(link.href)
            if layout.is_of(item_id, home.band):
                filed.setdefault(Pass.of(item_id), []).append(home.item(item_id, number))
    images = {each: filed.pop(each) for each in [*filed] if each == each.second}
    return {each: [*items, *images.get(each.second, [])] for each, items in filed.items()}


def _count(items: Sequence[ItemPlace]) -> int:
    """Items of bands among these."""
    return sum(not layout.band_of(each.id).is_color for each in items)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A scene that may be written."""

    key: str
    document: stac.Document
    content: bytes
    is_new: bool
    """Whether the store holds something else under that key, or nothing."""


def _made(place: ScenesPlace, items: Sequence[ItemPlace], store: Store) -> list[_Made]:
    """The scenes of one second and baseline, from the Items that can be read."""
    found = [document for each in items if (document := read_item(store, each)) is not None]
    images = [each for each in found if layout.band_of(each["id"]).is_color]
    scenes = scene.assemble(each for each in found if each not in images)
    # Times of images are whole seconds: of several acquisitions in one, none can be told apart.
    image = images[0] if len(images) == len(scenes) == 1 else None
    return [_made_one(place, each, image, store) for each in scenes]


def _made_one(
    place: ScenesPlace, each: scene.Scene, image: stac.Document | None, store: Store
) -> _Made:
    own = place.item(each.id, each.moment.year)
    previous = read_item(store, own)
    kept = {
        name: asset
        for name, asset in scene.kept_assets(previous or {}).items()
        if store.stat(layout.target(own.key, asset["href"])) is not None
    }
    document = scene.build(each, place, kept=kept, image=image)
    return _Made(
        key=own.key,
        document=document,
        content=stac.to_bytes(document),
        is_new=document != previous,
    )
