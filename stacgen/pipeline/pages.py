"""Pages beside documents: drawn where they are missing or old, and let be where they are not."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from stacgen import footprint, layout, page, stac
from stacgen.models import Grid
from stacgen.pipeline import mirrors
from stacgen.pipeline.update import update
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
