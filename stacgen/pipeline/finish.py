"""What is made of Items across Collections, once the last of a run is filed: the scenes.

Files of a tile are written in one order: the Item of a band, the scene, the scenes' year, their
Collection. So the times of the files tell what a build that was killed left undone, and nothing
has to be read to see it.
"""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from stacgen import catalog, layout, scene, stac
from stacgen.bands import BANDS
from stacgen.layout import CollectionPlace, ItemPlace, Pass, ScenesPlace
from stacgen.models import Stream
from stacgen.pipeline.commit import read, write
from stacgen.pipeline.plan import Existing, read_item
from stacgen.ports import Entry, Store

_AT_ONCE = 16
"""Scenes that are looked after side by side, so that a bucket's distance counts less."""

_Filed = Mapping[Pass, Sequence[ItemPlace]]
"""The Items that the years of the bands link, by what their ids begin with."""


def finish(
    touched: Collection[Pass], store: Store, *, is_sample: bool, recount: bool = False
) -> None:
    """Bring the scenes of the tiles touched up to what is filed of their bands.

    Years are read as a whole. Of Items only those are that belong to what was touched, and to
    scenes that do not have as many bands as are filed, because a build was killed before this.

    Args:
        touched: Passes of which an Item was written, or that are `overdue`.
        store: Holds the Collections of the bands, and will hold the scenes.
        is_sample: Whether the pixels are made up.
        recount: Whether to look at every scene of these tiles, and write only what changes.
    """
    for tile in sorted({each.tile for each in touched}):
        passes = {each for each in touched if each.tile == tile}
        place = ScenesPlace(tile=tile)
        _finish_tile(place, passes, store, is_sample=is_sample, recount=recount)


def overdue(stream: Stream, existing: Sequence[Existing], store: Store) -> set[Pass]:
    """What is there of a stream, and not in a scene that is as new and filed.

    It costs a `stat` a frame, two more, and one reading of the tile's Catalog; no scene is read.
    """
    if not existing:
        return set()
    place = ScenesPlace(tile=stream.tile)
    passes = [Pass.of(each.document["id"]) for each in existing]
    keys = [place.item(each.stem, each.year).key for each in passes]
    years = {year: store.stat(place.year_key(year)) for year in {each.year for each in passes}}
    collection = store.stat(place.key)
    if collection is None or not _is_linked(place, store):
        return set(passes)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        scenes = list(pool.map(store.stat, keys))

    def is_sound(item: Existing, found: Entry | None, year: Entry | None) -> bool:
        if found is None or year is None:
            return False
        return item.modified <= found.modified <= year.modified <= collection.modified

    return {
        each
        for each, item, found in zip(passes, existing, scenes, strict=True)
        if not is_sound(item, found, years[each.year])
    }


def _is_linked(place: ScenesPlace, store: Store) -> bool:
    """Whether the tile's Catalog links the scenes."""
    href = layout.href(place.tile_key, place.key)
    return href in {link.href for link in stac.links(read(store, place.tile_key) or {}, "child")}


def _finish_tile(
    place: ScenesPlace, touched: set[Pass], store: Store, *, is_sample: bool, recount: bool
) -> None:
    tile = read(store, place.tile_key)
    homes = _homes(place, tile)
    bands = [found for home in homes if (found := read(store, home.key)) is not None]
    years: dict[int, stac.Document] = {}
    wrote = False
    for number in sorted({year for each in bands for year in catalog.years_of(each)}):
        year, wrote_year = _year(place, number, homes, touched, store, recount=recount)
        wrote |= wrote_year
        if year is not None:
            years[number] = year
    document = scene.collection(bands, years, place=place, is_sample=is_sample)
    if document is not None:
        write(store, place.key, document, always=wrote)
        write(store, place.tile_key, catalog.tile(tile, place=place))


def _homes(place: ScenesPlace, tile: stac.Document | None) -> list[CollectionPlace]:
    """The Collections of bands that the tile's Catalog links, in the order of wavelength."""
    linked = {link.href for link in stac.links(tile or {}, "child")}
    homes = (CollectionPlace(tile=place.tile, band=band) for band in BANDS.values())
    return [home for home in homes if layout.href(home.tile_key, home.key) in linked]


def _year(
    place: ScenesPlace,
    number: int,
    homes: Sequence[CollectionPlace],
    touched: set[Pass],
    store: Store,
    *,
    recount: bool,
) -> tuple[stac.Document | None, bool]:
    """The Catalog of a year once its scenes are made; and whether anything was written."""
    key = place.year_key(number)
    existing = read(store, key)
    due = {each for each in touched if each.year == number}
    if existing is not None and not due and not recount:
        return existing, False
    filed = _filed(homes, number, store)
    anew = due | scene.unlike(existing, {each: len(items) for each, items in filed.items()})
    if recount:
        anew |= filed.keys()

    def make(each: Pass) -> list[_Made]:
        return _made(place, filed.get(each, ()), store)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        made = [found for several in pool.map(make, sorted(anew)) for found in several]
    # What was touched is written even if it says nothing new, to be newer than its Items.
    always = set() if recount else due
    files = [
        (each.key, each.content, stac.GEOJSON)
        for each in made
        if each.is_new or Pass.of(each.document["id"]) in always
    ]
    store.write_all(files)
    documents = [each.document for each in made]
    year = scene.year(existing, documents, place=place, number=number, anew=anew)
    if existing is None and not documents:
        return None, False
    return year, write(store, key, year, always=bool(files))


def _filed(homes: Sequence[CollectionPlace], number: int, store: Store) -> _Filed:
    filed: dict[Pass, list[ItemPlace]] = {}
    for home in homes:
        for link in stac.links(read(store, home.year_key(number)) or {}, "item"):
            item_id = layout.id_of(link.href)
            if scene.is_of(item_id, home.band):
                filed.setdefault(Pass.of(item_id), []).append(home.item(item_id, number))
    return filed


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
    found = (read_item(store, each) for each in items)
    return [
        _made_one(place, each, store)
        for each in scene.assemble(document for document in found if document is not None)
    ]


def _made_one(place: ScenesPlace, each: scene.Scene, store: Store) -> _Made:
    own = place.item(each.id, each.moment.year)
    previous = read_item(store, own)
    kept = {
        name: asset
        for name, asset in scene.kept_assets(previous or {}).items()
        if store.stat(layout.target(own.key, asset["href"])) is not None
    }
    document = scene.build(each, place, kept=kept)
    return _Made(
        key=own.key,
        document=document,
        content=stac.to_bytes(document),
        is_new=document != previous,
    )
