"""Pages beside documents: drawn where they are missing or old, and let be where they are not."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from stacgen import catalog, footprint, layout, page, stac
from stacgen.models import Coverage, Grid
from stacgen.pipeline import mirrors
from stacgen.pipeline.update import read, update
from stacgen.ports import Store


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
        items = mirrors.held(store, layout.mirror_key(key), kept)
        return page.collection(document, items, key=key, outline=outline, base_url=base_url)

    update(store, layout.page_key(key), stac.HTML, drawn)


def is_current(
    store: Store,
    document: stac.Document,
    items: Iterable[stac.Document],
    *,
    key: str,
    base_url: str | None,
) -> bool:
    """Whether a Collection's page shows it as it is, and these Items among others."""
    existing = store.read(layout.page_key(key))
    return page.is_current(existing, document, items, base_url=base_url)


def root(store: Store, touched: Iterable[str] | None) -> None:
    """Draw the page of the root, unless it says all that the pages of the Collections say.

    What it says of those that were not touched is taken from itself, so that no more is read the
    larger the catalog is.

    Args:
        store: Holds them.
        touched: Keys of the Collections that may have changed; None for all.
    """
    document = read(store, layout.ROOT)
    if document is None:
        return  # nothing was built
    base_url = catalog.public_url(document)
    if store.stat(layout.PAGE) is None:
        touched = None
    keys = list(_collections(store, document) if touched is None else touched)
    found = {key: each for key in keys if (each := _summary(store, key)) is not None}

    def known(existing: bytes | None) -> dict[str, page.Summary]:
        return {} if touched is None else page.summaries(existing)

    def drawn(existing: bytes | None) -> bytes:
        return page.root(document, (known(existing) | found).values(), base_url=base_url)

    existing = store.read(layout.PAGE)
    is_said = touched is not None and found.items() <= known(existing).items()
    if found and not (is_said and page.has_stamp(existing, document, base_url=base_url)):
        update(store, layout.PAGE, stac.HTML, drawn)


def _summary(store: Store, key: str) -> page.Summary | None:
    return page.summaries(store.read(layout.page_key(key))).get(key)


def _collections(store: Store, document: stac.Document) -> Iterator[str]:
    """The keys of all Collections, as the Catalogs link them."""
    for tile in stac.links(document, "child"):
        key = layout.target(layout.ROOT, tile.href)
        for link in stac.links(read(store, key) or {}, "child"):
            yield layout.target(key, link.href)


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
