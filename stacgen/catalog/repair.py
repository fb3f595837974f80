"""Everything above the Items made anew from the Items, whatever has become of it."""

from collections.abc import Collection, Iterable, Iterator

from stacgen.catalog.index import bands_by_tile, index
from stacgen.catalog.journal import Journal
from stacgen.catalog.root import told_url
from stacgen.errors import OutputError
from stacgen.model.protocols import Store
from stacgen.stac import catalogs, files, layout, stac_json
from stacgen.stac.files import Kind
from stacgen.stac.stac_json import read

_CATALOGS = (Kind.ROOT, Kind.TILE, Kind.COLLECTION, Kind.YEAR)
_BESIDE = (Kind.TABLE, Kind.PAGE, Kind.FRONT)
_DOWN = "child", "item"


def repair(store: Store, *, base_url: str | None = None) -> tuple[int, int]:
    """Index a catalog anew, and rid it of what damage left behind.

    What cannot be read, or stands above no Item, goes first, with the links that lead to nothing.
    What can be read stays until `index` puts another in its place, so readers miss little.

    Args:
        store: Holds the catalog.
        base_url: Where it is public; None for what the root or its table say of it.

    Returns:
        How many Collections and Items there are.

    Raises:
        OutputError: The store cannot be used, holds a catalog that is not ours, or an Item that
            cannot be read.
    """
    root = _readable(store, layout.ROOT)
    if root is not None:
        name = f"{store.address}/{layout.ROOT}"
        catalogs.check_ours(root, is_sample=None, name=name)
    with Journal(store) as journal:
        return _repair(store, base_url or _public_url(root, store), journal)


def _repair(store: Store, base_url: str | None, journal: Journal) -> tuple[int, int]:
    there = {entry.key for entry in store.list("")}
    for tile, names in bands_by_tile(store).items():
        journal.note(tile, names)
    useful = _useful(there)
    for kind, keys in reversed(files.stages(there)):
        for key in keys:
            if kind in _CATALOGS:
                _mend(key, there, useful, store)
            elif kind in _BESIDE and _folder(key) not in useful:
                store.delete(key)
    found = index(store, base_url=base_url, journal=journal)
    for key in set(_unlinked_scenes(store)):
        store.delete(key)
    return found


def _public_url(root: stac_json.Document | None, store: Store) -> str | None:
    """Where the catalog is public, as its root says, or else the table of Collections."""
    return told_url(store) if root is None else catalogs.public_url(root)


def _readable(store: Store, key: str) -> stac_json.Document | None:
    """A document with links, or None where there is nothing that a document would be."""
    try:
        found = read(store, key)
        stac_json.links(found or {}, "item")
    except (OutputError, KeyError, TypeError, AttributeError):
        return None
    return found


def _useful(there: Iterable[str]) -> set[str]:
    """The folders that an Item of a band lies under, and those of the scenes made of such."""
    found = {""}
    for key in there:
        if files.kind(key) is Kind.ITEM:
            tile, band, year, *_ = key.split("/")
            for name in (band, layout.SCENES):
                found |= {tile, f"{tile}/{name}", f"{tile}/{name}/{year}"}
    return found


def _mend(key: str, there: Collection[str], useful: Collection[str], store: Store) -> None:
    """Drop a Catalog's links to what is not there, or all of it where it is of no use."""
    document = _readable(store, key)
    if document is None or _folder(key) not in useful:
        store.delete(key)
        return

    def is_sound(link: stac_json.Document) -> bool:
        target = layout.target(key, link["href"])
        above = target if link["rel"] == "child" else key
        return link["rel"] not in _DOWN or (target in there and _folder(above) in useful)

    links = list(filter(is_sound, document.get("links", [])))
    if links != document.get("links"):
        store.write(key, stac_json.to_bytes({**document, "links": links}), stac_json.JSON)


def _folder(key: str) -> str:
    return key.rpartition("/")[0]


def _unlinked_scenes(store: Store) -> Iterator[str]:
    """Scenes that their year does not link, since nothing of them is left."""
    scenes = [entry.key for entry in store.list("") if files.kind(entry.key) is Kind.SCENE]
    linked: dict[str, set[str]] = {}
    for key in scenes:
        year = f"{'/'.join(key.split('/')[:3])}/catalog.json"
        if year not in linked:
            found = stac_json.links(read(store, year) or {}, "item")
            linked[year] = {layout.target(year, link.href) for link in found}
        if key not in linked[year]:
            yield key
