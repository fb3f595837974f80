"""The table, the document and the page of a Collection, as functions of its Items.

Each is read with its version, made of what it is derived from as that is after, and put in place
if it is still of that version; else again. Every builder does so after it has linked its own
Items. So of several, whoever puts last has seen what all have linked.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from stacgen.catalog.compare_and_swap import update, update_document
from stacgen.catalog.pages import page
from stacgen.catalog.root import known_url
from stacgen.errors import OutputError
from stacgen.model.concurrent import abreast
from stacgen.model.protocols import Store
from stacgen.model.raster import Coverage
from stacgen.model.stream import Grid
from stacgen.raster import footprint
from stacgen.stac import layout, stac_json, summaries
from stacgen.stac.inventory import linked_ids
from stacgen.stac.layout import Pass, Place
from stacgen.stac.stac_json import read

if TYPE_CHECKING:
    from stacgen.stac.geoparquet import Table

Keyed = tuple[str, stac_json.Document]
"""An Item and its key."""

Choose = Callable[[Collection[str] | None], tuple[Collection[str], bool]]
"""From the ids of a table, or None where it cannot be read, to the keys of Items to read from the
store, and True if the other rows stay. It is called after the table was read."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """A table as it was put in place."""

    raw: bytes
    before: "Table | None"
    """Rows that were there; those of `fresh` take the place of some."""

    fresh: Sequence[Keyed]

    @cached_property
    def items(self) -> list[stac_json.Document]:
        """All Items, with what a page shows of them, or more."""
        from stacgen.stac import geoparquet  # noqa: PLC0415 - pyarrow takes half a second

        old = (
            {} if self.before is None else dict(geoparquet.documents(geoparquet.brief(self.before)))
        )
        return list((old | dict(self.fresh)).values())


def put_table(store: Store, place: Place, choose: Choose, *, base_url: str | None = None) -> Held:
    """Have the table of a Collection hold Items as they are in the store.

    Raises:
        OutputError: There is no Item to put into it, or two disagree on the type of a field.
    """
    from stacgen.stac import geoparquet  # noqa: PLC0415 - pyarrow takes half a second

    folder, name = place.mirror_key.rpartition("/")[0], f"{store.address}/{place.mirror_key}"
    held: list[Held] = []

    def made(raw: bytes | None) -> bytes:
        before = read_table(raw, name)
        keys, others_stay = choose(None if before is None else before["id"].to_pylist())
        before = before if others_stay else None
        fresh = list(read_items(store, keys))
        parts = [
            *([] if before is None else [before]),
            *([geoparquet.tabulate(fresh)] * bool(fresh)),
        ]
        if not parts:
            raise OutputError(
                f"{name} would hold no Item. Repair the catalog: stacgen repair ROOT."
            )
        where = geoparquet.Place(folder=folder, base_url=_base_url(store, base_url))
        content = geoparquet.to_bytes(
            geoparquet.united(parts) if before is not None else parts[0], where
        )
        held[:] = [Held(raw=content, before=before, fresh=fresh)]
        return content

    update(store, place.mirror_key, stac_json.PARQUET, made)
    return held[0]


def of_items(store: Store, place: Place, keys: Collection[str]) -> Choose:
    """Put some Items into a table; all that are linked, if it cannot be read."""

    def choose(known: Collection[str] | None) -> tuple[Collection[str], bool]:
        return (keys, True) if known is not None else ({*linked_keys(store, place), *keys}, False)

    return choose


def of_linked(store: Store, place: Place) -> Choose:
    """Have a table hold exactly the Items that are linked."""
    return lambda _: (list(linked_keys(store, place)), False)


def put_collection(
    store: Store,
    place: Place,
    change: Callable[[stac_json.Document | None], stac_json.Document],
    held: Held | None,
    *,
    base_url: str | None = None,
) -> bool:
    """Change the document of a Collection; a new one has its page before it, since it links that.

    Args:
        store: Holds it.
        place: Of the Collection, whose table is there.
        change: From what it says, or None, to what it is to say.
        held: Its table, as it was put.
        base_url: Where the catalog is public; None for what the root says.

    Returns:
        True if the page shows it already.
    """
    drawn = None
    if store.read(place.key) is None:
        drawn = change(None)
        put_page(store, place, held, document=drawn, base_url=base_url)
    put: list[tuple[stac_json.Document | None, stac_json.Document]] = []

    def changed(existing: stac_json.Document | None) -> stac_json.Document:
        put[:] = [(existing, change(existing))]
        return put[0][1]

    update_document(store, place.key, changed)
    return put[0] == (None, drawn)


def put_page(
    store: Store,
    place: Place,
    held: Held | None = None,
    *,
    document: stac_json.Document | None = None,
    base_url: str | None = None,
) -> None:
    """Draw the page of a Collection, of its document and its table.

    Args:
        store: Holds them.
        place: Of the Collection.
        held: Its table, as it was put.
        document: The Collection as it is about to be; None for as it is.
        base_url: Where the catalog is public; None for what the root says.
    """

    def drawn(_: bytes | None) -> bytes:
        shown = document or must_read(store, place.key)
        return page.collection(
            shown,
            items_of(store, place, held),
            key=place.key,
            outline=_outline(shown),
            base_url=_base_url(store, base_url),
        )

    update(store, layout.page_key(place.key), stac_json.HTML, drawn)


def items_of(store: Store, place: Place, held: Held | None) -> list[stac_json.Document]:
    """All Items of a table, with what a page shows of them.

    Args:
        store: Holds it.
        place: Of its Collection.
        held: The table as it was last known; where it is still that, it need not be decoded.

    Raises:
        OutputError: It is gone or damaged.
    """
    from stacgen.stac import geoparquet  # noqa: PLC0415 - pyarrow takes half a second

    raw = store.read(place.mirror_key)
    if held is not None and held.raw == raw:
        return held.items
    table = read_table(raw, place.mirror_key)
    if table is None:
        raise OutputError(
            f"{store.address}/{place.mirror_key} is gone or damaged; stacgen index writes it again."
        )
    return [document for _, document in geoparquet.documents(geoparquet.brief(table))]


def read_table(raw: bytes | None, name: str) -> "Table | None":
    """All of a table, or None where there is none that can be read to its end."""
    from stacgen.stac import geoparquet  # noqa: PLC0415 - pyarrow takes half a second

    try:
        return None if raw is None else geoparquet.from_bytes(raw, name=name)
    except OutputError:
        return None


def linked_keys(store: Store, place: Place) -> Iterator[str]:
    """Keys of the Items that the years of a Collection link; nothing is listed."""
    for year in sorted(summaries.years_of(read(store, place.key) or {})):
        for item_id in linked_ids(store, place, year):
            yield place.item(item_id, year).key


def read_items(store: Store, keys: Iterable[str]) -> Iterator[Keyed]:
    """Items that are there, with their keys."""
    keys = list(keys)
    found = abreast(store, partial(read, store), keys)
    return ((key, each) for key, each in zip(keys, found, strict=True) if each is not None)


def key_of(place: Place, item_id: str) -> str:
    """The key of an Item or a scene of a Collection."""
    return place.item(item_id, Pass.of(item_id).year).key


def _base_url(store: Store, given: str | None) -> str | None:
    """Where the catalog is public, as was given or else as its root says."""
    known = given or known_url(store) or ""
    return known.rstrip("/") or None


def must_read(store: Store, key: str) -> stac_json.Document:
    """A document that is there.

    Raises:
        OutputError: It is not.
    """
    document = read(store, key)
    if document is None:
        raise OutputError(f"{store.address}/{key} is gone; stacgen index writes it again.")
    return document


def _outline(document: stac_json.Document) -> Mapping[str, Any]:
    """The whole tile in degrees, from the grid that a Collection has of one of its rasters."""
    asset = next(each for each in document["item_assets"].values() if "proj:transform" in each)
    grid = Grid(
        epsg=int(asset["proj:code"].removeprefix("EPSG:")),
        left=asset["proj:transform"][2],
        top=asset["proj:transform"][5],
        resolution=asset["proj:transform"][0],
        size=asset["proj:shape"][0],
    )
    whole = footprint.outline(Coverage(valid=np.ones((1, 1), bool), step=grid.size), grid)
    assert whole is not None  # noqa: S101 - one valid cell has an outline
    return whole.geometry
