"""Pages beside documents: drawn where they are missing or old, and let be where they are not."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from stacgen import catalog, footprint, layout, page, stac
from stacgen.models import Grid
from stacgen.pipeline import mirrors
from stacgen.pipeline.abreast import abreast
from stacgen.pipeline.update import read, update
from stacgen.ports import Store
from stacgen.rasters import Coverage


def draw(
    store: Store,
    document: stac.Document,
    *,
    key: str,
    base_url: str | None,
    kept: mirrors.Kept | None = None,
) -> None:
    """Draw the page of a Collection, of the Items that its mirror holds when it is put in place.

    Args:
        store: Holds both.
        document: The Collection as it is or is about to be.
        key: Of the Collection.
        base_url: Where the catalog is public, if that is known.
        kept: The mirror as it is known to be.
    """
    outline = _outline(document)

    def drawn(_: bytes | None) -> bytes:
        items, size = mirrors.held(store, layout.mirror_key(key), kept)
        return page.collection(
            document, items, key=key, outline=outline, mirror_size=size, base_url=base_url
        )

    update(store, layout.page_key(key), stac.HTML, drawn)


def shows(store: Store, items: Iterable[stac.Document], *, key: str) -> bool:
    """Whether a Collection's page is whole, of the mirror as it is, and shows these Items.

    A mirror that was cut short is known by its size, without being read.
    """
    mirror = store.stat(layout.mirror_key(key))
    existing = store.read(layout.page_key(key))
    return mirror is not None and page.shows(existing, items, mirror_size=mirror.size)


def is_current(
    store: Store,
    document: stac.Document,
    items: Iterable[stac.Document],
    *,
    key: str,
    base_url: str | None,
) -> bool:
    """The same, and whether it shows the document as it is."""
    existing = store.read(layout.page_key(key))
    if not page.has_stamp(existing, document, base_url=base_url):
        return False
    mirror = store.stat(layout.mirror_key(key))
    return mirror is not None and page.shows(existing, items, mirror_size=mirror.size)


def root(
    store: Store, found: Mapping[str, page.Summary] | None = None, *, anew: bool = False
) -> None:
    """Draw the page of the root.

    What it says of Collections that are not given is taken from itself, so that no more is read the
    larger the catalog is.

    Args:
        store: Holds it.
        found: What to say of Collections, by key; None for all of them, as they are.
        anew: Whether it is to say nothing of others.
    """
    document = read(store, layout.ROOT)
    if found is None:
        found, anew = summaries(store, mirrors.collection_keys(store)), True
    if document is None or not found:
        return  # nothing was built
    base_url = catalog.public_url(document)

    def drawn(existing: bytes | None) -> bytes:
        known = {} if anew else page.summaries(existing)
        mirror = store.stat(layout.MIRROR)
        return page.root(
            document,
            {**known, **found}.values(),
            mirror_size=0 if mirror is None else mirror.size,
            base_url=base_url,
        )

    update(store, layout.PAGE, stac.HTML, drawn)


def is_root_current(store: Store) -> bool:
    """Whether the root's page shows the root's document as it is, beside the mirror as it is."""
    document = read(store, layout.ROOT)
    if document is None:
        return False
    base_url = catalog.public_url(document)
    return is_current(store, document, (), key=layout.ROOT, base_url=base_url)


def said(store: Store) -> dict[str, page.Summary]:
    """What the root's page says of Collections, by key; nothing where it is not there."""
    return page.summaries(store.read(layout.PAGE))


def summaries(store: Store, keys: Iterable[str]) -> dict[str, page.Summary]:
    """What the pages of Collections say, by key; nothing of those that have none."""
    keys = list(keys)

    def summary(key: str) -> page.Summary | None:
        return page.summaries(store.read(layout.page_key(key))).get(key)

    found = abreast(store, summary, keys)
    return {key: each for key, each in zip(keys, found, strict=True) if each is not None}


def _outline(document: stac.Document) -> Mapping[str, Any]:
    """The whole tile in degrees, from the grid that a Collection tells of one of its rasters."""
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
