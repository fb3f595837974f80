"""The scenes of a tile, as functions of what the years of its bands link.

A scene is read with its version first, then the years of the bands and their Items; it is put in
place only if it is still of that version, else all is read again. So of several builders that
link bands of one acquisition, whoever puts its scene last has seen all bands. The table holds the
scenes; years, Collection and page follow from it.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from stacgen.catalog import derive
from stacgen.catalog.compare_and_swap import update_document
from stacgen.errors import OutputError
from stacgen.model.bands import BANDS, RESOLUTIONS, TRUE_COLOR, Band
from stacgen.model.concurrent import abreast
from stacgen.model.protocols import Store, Version
from stacgen.stac import catalogs, layout, scene, stac_json, summaries, visual
from stacgen.stac.inventory import linked_ids, read_item
from stacgen.stac.layout import CollectionPlace, ItemPlace, Pass, ScenesPlace
from stacgen.stac.stac_json import read

_Filed = Mapping[Pass, Sequence[ItemPlace]]
"""The Items that the years of the bands link, by what their ids begin with; behind them those of
the true-colour stream of the same second."""

_Versioned = Mapping[str, tuple[bytes, Version] | None]
"""Contents and versions by key; None where there is no file."""

_FEW = 32
"""Scenes up to which one is put after the other."""

_WRITERS = 16
"""Scenes put at a time where there are more: a disk flushes them together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """The scenes of a pass as they are in the store."""

    items: Sequence[ItemPlace]
    """Of the bands, as they were linked when these were read."""

    ids: frozenset[str]


def derive_scenes(place: ScenesPlace, touched: Collection[Pass] | None, store: Store) -> bool:
    """Bring the scenes of a tile up to what its bands link, and what shows them.

    Args:
        place: Of the scenes.
        touched: Passes of which an Item was written or unlinked; None for all of them.
        store: Holds the Collections of the bands, and will hold the scenes.

    Returns:
        True if there are scenes.
    """
    if not _bands(place, store):
        return False
    due = _all(place, store) if touched is None else _with_images(place, touched, store)
    made: dict[Pass, _Made] = {}
    for _, several in groupby(sorted(due), lambda each: each.year):
        made |= _put_scenes(place, set(several), store)
    if not any(each.ids for each in made.values()) and store.read(place.mirror_key) is None:
        return False
    held = derive.put_table(store, place, _choose(place, made, store, is_all=touched is None))
    for year in sorted({each.year for each in made}):
        _put_year(place, year, held, store)
    is_shown = derive.put_collection(store, place, lambda _: _collection(place, held, store), held)
    update_document(
        store,
        place.tile_key,
        lambda tile: catalogs.tile(tile, place=place, is_sample=_is_sample(place, store)),
    )
    if not is_shown:
        derive.put_page(store, place, held)
    return True


def _bands(place: ScenesPlace, store: Store) -> dict[CollectionPlace, stac_json.Document]:
    """The Collections of bands that the tile's Catalog links, in the order of wavelength."""
    return _linked(place, BANDS.values(), store)


def _images(place: ScenesPlace, store: Store) -> dict[CollectionPlace, stac_json.Document]:
    """The Collection of the true-colour stream, if the tile's Catalog links it."""
    found = _linked(place, [TRUE_COLOR[RESOLUTIONS[0]]], store)
    return {
        CollectionPlace(tile=place.tile, band=TRUE_COLOR[catalogs.resolution_of(each)]): each
        for each in found.values()
    }


def _linked(
    place: ScenesPlace, bands: Iterable[Band], store: Store
) -> dict[CollectionPlace, stac_json.Document]:
    linked = {link.href for link in stac_json.links(read(store, place.tile_key) or {}, "child")}
    homes = (CollectionPlace(tile=place.tile, band=band) for band in bands)
    found = {
        home: read(store, home.key)
        for home in homes
        if layout.href(home.tile_key, home.key) in linked
    }
    return {home: document for home, document in found.items() if document is not None}


def _is_sample(place: ScenesPlace, store: Store) -> bool:
    return any(map(catalogs.is_sample, _bands(place, store).values()))


def _filed(place: ScenesPlace, years: Iterable[int], store: Store) -> _Filed:
    """What the years of the bands and of the true-colour stream link."""
    homes = [*_bands(place, store), *_images(place, store)]
    wanted = [(home, year) for year in years for home in homes]
    answers = abreast(store, lambda each: list(linked_ids(store, *each)), wanted)
    filed: dict[Pass, list[ItemPlace]] = {}
    for (home, year), ids in zip(wanted, answers, strict=True):
        for item_id in ids:
            if layout.is_of(item_id, home.band):
                filed.setdefault(Pass.of(item_id), []).append(home.item(item_id, year))
    images = {each: filed.pop(each) for each in [*filed] if each == each.second}
    return {each: [*items, *images.get(each.second, [])] for each, items in filed.items()}


def _all(place: ScenesPlace, store: Store) -> set[Pass]:
    """All passes of the bands, and those of which there are scenes."""
    homes = [*_bands(place, store).values(), *_images(place, store).values()]
    years = {year for each in homes for year in summaries.years_of(each)}
    linked = map(layout.id_of, derive.linked_keys(store, place))
    table = derive.read_table(store.read(place.mirror_key), place.mirror_key)
    shown = [] if table is None else table["id"].to_pylist()
    return {*_filed(place, sorted(years), store), *map(Pass.of, (*linked, *shown))}


def _with_images(place: ScenesPlace, touched: Collection[Pass], store: Store) -> set[Pass]:
    """Passes, and for each true-colour image all passes of its second."""
    seconds = {each for each in touched if each == each.second}
    if not seconds:
        return set(touched)
    filed = _filed(place, sorted({each.year for each in seconds}), store)
    return (set(touched) - seconds) | {each for each in filed if each.second in seconds}


def _put_scenes(place: ScenesPlace, due: set[Pass], store: Store) -> dict[Pass, _Made]:
    """Put the scenes of some passes of a year; those that others change meanwhile, again."""
    made: dict[Pass, _Made] = {}
    ids = {each: {each.stem} for each in due}
    while due:
        keys = [derive.key_of(place, each) for which in sorted(due) for each in sorted(ids[which])]
        found = dict(zip(keys, abreast(store, store.read_versioned, keys), strict=True))
        filed = _filed(place, {each.year for each in due}, store)

        def build(
            each: Pass,
            found: Mapping[str, tuple[bytes, Version] | None] = found,
            filed: _Filed = filed,
        ) -> dict[str, bytes]:
            return _built(place, filed.get(each, ()), found, store)

        built = dict(zip(sorted(due), abreast(store, build, sorted(due)), strict=True))
        files = [
            (key, content)
            for several in built.values()
            for key, content in several.items()
            if key in found and content != (found[key] or (None,))[0]
        ]
        lost = {key for key, is_put in _put(files, found, store) if not is_put}
        again = set()
        for each, several in built.items():
            ids[each] |= {layout.id_of(key) for key in several}
            if lost & several.keys() or not several.keys() <= found.keys():
                again.add(each)
            else:
                made[each] = _Made(
                    items=filed.get(each, ()), ids=frozenset(map(layout.id_of, several))
                )
        due = again
    return made


def _put(
    files: Sequence[tuple[str, bytes]],
    found: _Versioned,
    store: Store,
) -> Iterable[tuple[str, bool]]:
    """Put scenes in place of the versions that were read; each key, and True if it was put."""

    def put(file: tuple[str, bytes]) -> tuple[str, bool]:
        key, content = file
        before = found[key]
        if before is None:
            return key, store.create(key, content, stac_json.GEOJSON)
        return key, store.swap(key, content, stac_json.GEOJSON, before[1])

    if len(files) <= _FEW:
        return list(map(put, files))
    with ThreadPoolExecutor(_WRITERS) as pool:
        return list(pool.map(put, files))


def _built(
    place: ScenesPlace,
    items: Sequence[ItemPlace],
    found: _Versioned,
    store: Store,
) -> dict[str, bytes]:
    """The scenes of one second and baseline by key, from the Items that can be read."""
    documents = [document for each in items if (document := read_item(store, each)) is not None]
    images = [each for each in documents if layout.band_of(each["id"]).is_color]
    scenes = scene.assemble(each for each in documents if each not in images)
    # Times of images are whole seconds: of several acquisitions in one, none can be told apart.
    image = images[0] if len(images) == len(scenes) == 1 else None
    built = {}
    for each in scenes:
        key = place.item(each.id, each.moment.year).key
        before = found.get(key)
        kept = {} if before is None else _kept(key, before[0], store)
        built[key] = stac_json.to_bytes(scene.build(each, place, kept=kept, image=image))
    return built


def _kept(key: str, raw: bytes, store: Store) -> dict[str, dict[str, object]]:
    """Assets beside a scene that are of no band, and whose files are there."""
    try:
        previous = stac_json.from_bytes(raw, name=key)
    except OutputError:
        return {}
    return {
        name: asset
        for name, asset in scene.kept_assets(previous).items()
        if store.stat(layout.target(key, asset["href"])) is not None
    }


def _choose(
    place: ScenesPlace, made: Mapping[Pass, _Made], store: Store, *, is_all: bool
) -> derive.Choose:
    """Put scenes into the table, and drop those that their passes have no longer.

    Where a pass has changed since its scenes were made, another builder is about to put its own.
    """
    ours = {each for several in made.values() for each in several.ids}

    def choose(known: Collection[str] | None) -> tuple[Collection[str], bool]:
        if known is None:
            known = list(map(layout.id_of, derive.linked_keys(store, place)))
            others_stay = False
        else:
            others_stay = not is_all
        doubtful = [each for each in known if each not in ours and Pass.of(each) in made]
        filed = _filed(place, sorted({Pass.of(each).year for each in doubtful}), store)
        gone = {
            each
            for each in doubtful
            if list(filed.get(Pass.of(each), ())) == list(made[Pass.of(each)].items)
        }
        others_stay = others_stay and not gone
        keys = ours if others_stay else {*ours, *known} - gone
        return [derive.key_of(place, each) for each in sorted(keys)], others_stay

    return choose


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """What years and Collection say of a scene."""

    moment: datetime
    """When the satellite saw the tile, in UTC."""

    bands: int
    has_visual: bool


def _rows(place: ScenesPlace, held: derive.Held, store: Store) -> dict[str, _Row]:
    """What the table holds, by id."""
    documents = derive.items_of(store, place, held)
    return {
        each["id"]: _Row(
            moment=stac_json.moment(each),
            bands=len(BANDS.keys() & each["assets"].keys()),
            has_visual=visual.KEY in each["assets"],
        )
        for each in documents
    }


def _put_year(place: ScenesPlace, number: int, held: derive.Held, store: Store) -> None:
    """Have a year link its scenes, those of most bands first, and then by time.

    Readers that take their bands from the first Item, as odc-stac does, so find all of them.
    """

    def linked(_: stac_json.Document | None) -> stac_json.Document:
        rows = _rows(place, held, store)
        titles = {
            key: scene.title(row.moment, place, row.bands)
            for key, row in rows.items()
            if Pass.of(key).year == number
        }
        return catalogs.year(
            None,
            [{"id": key, "properties": {"title": title}} for key, title in titles.items()],
            place=place,
            number=number,
            is_sample=_is_sample(place, store),
            order=lambda link: (-rows[layout.id_of(link.href)].bands, link.href),
        )

    update_document(store, place.year_key(number), linked)


def _collection(place: ScenesPlace, held: derive.Held, store: Store) -> stac_json.Document:
    """The Collection of the scenes that the table holds."""
    rows, bands = _rows(place, held, store), _bands(place, store)
    most: Counter[int] = Counter()
    for key, row in rows.items():
        most[Pass.of(key).year] = max(most[Pass.of(key).year], row.bands)
    return scene.collection(
        list(bands.values()),
        sorted(most, key=lambda year: (-most[year], year)),
        place=place,
        is_sample=any(map(catalogs.is_sample, bands.values())),
        has_visual=any(row.has_visual for row in rows.values()),
        images=next(iter(_images(place, store).values()), None),
    )
