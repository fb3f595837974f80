"""Pages beside documents: drawn where they are missing or old, and let be where they are not."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from stacgen import footprint, layout, page, stac
from stacgen.models import Coverage, Grid
from stacgen.ports import Store


def collection(
    store: Store,
    document: stac.Document,
    items: Iterable[stac.Document],
    *,
    key: str,
    base_url: str | None,
    everything: Callable[[], Iterable[stac.Document]],
    anew: bool = False,
    always: bool = False,
) -> None:
    """Draw the page of a Collection, unless it shows the document and the Items already.

    Args:
        store: Holds both.
        document: The Collection as it is or is about to be.
        items: Some of it: those that the page must show.
        key: Of the Collection.
        base_url: Where the catalog is public, if that is known.
        everything: Gets all its Items; called only if the page is drawn.
        anew: Whether to draw it in any case: then it shows no Item that is gone.
        always: Whether to write it even where it says nothing new, so that it is newer.
    """
    place = layout.page_key(key)
    existing = store.read(place)
    if not anew and page.is_current(existing, document, items, base_url=base_url):
        return
    drawn = page.collection(
        document, everything(), key=key, outline=_outline(document), base_url=base_url
    )
    if always or drawn != existing:
        store.write(place, drawn, stac.HTML)


def root(store: Store, touched: Iterable[str] | None) -> None:
    """Draw the page of the root, unless it says all that the pages of the Collections say.

    What it says of those that were not touched is taken from itself, so that no more is read the
    larger the catalog is than the Catalogs of its tiles.

    Args:
        store: Holds them.
        touched: Keys of the Collections that may have changed; None for all.
    """
    raw = store.read(layout.ROOT)
    if raw is None:
        return  # nothing was built
    document = stac.from_bytes(raw, name=layout.ROOT)
    base_url = public_url(document)
    existing = store.read(layout.PAGE)
    known = page.summaries(existing) if touched is not None else {}
    changed = {key: each for key in touched or () if (each := _summary(store, key)) is not None}
    if (
        changed.items() <= known.items()
        and touched is not None
        and page.has_stamp(existing, document, base_url=base_url)
    ):
        return
    known |= changed
    found = [known.get(key) or _summary(store, key) for key in _collections(store, document)]
    shown = [each for each in found if each is not None]
    if shown:
        drawn = page.root(document, shown, base_url=base_url)
        if drawn != existing:
            store.write(layout.PAGE, drawn, stac.HTML)


def public_url(document: stac.Document | None) -> str | None:
    """Where a catalog is public, as its root tells it."""
    for link in stac.links(document or {}, "self"):
        return link.href.removesuffix(f"/{layout.ROOT}")
    return None


def _summary(store: Store, key: str) -> page.Summary | None:
    return page.summaries(store.read(layout.page_key(key))).get(key)


def _collections(store: Store, document: stac.Document) -> Iterator[str]:
    """The keys of all Collections, as the Catalogs link them."""
    for tile in stac.links(document, "child"):
        key = layout.target(layout.ROOT, tile.href)
        raw = store.read(key)
        if raw is not None:
            for link in stac.links(stac.from_bytes(raw, name=key), "child"):
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
