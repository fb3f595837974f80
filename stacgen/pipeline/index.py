"""Catalogs from Items alone: what builds that shared the work leave to be done."""

from collections.abc import Iterator
from functools import partial

from stacgen import bands, layout, stac, tiles
from stacgen.layout import CollectionPlace, Pass
from stacgen.models import Grid
from stacgen.pipeline import root
from stacgen.pipeline.commit import Filing, all_items, check_root, commit
from stacgen.pipeline.finish import finish
from stacgen.pipeline.refresh import linked_items, refresh
from stacgen.ports import Store


def index(store: Store, *, base_url: str | None = None) -> tuple[int, int]:
    """File every Item that lies in a store into the catalogs above it, and make its scenes.

    Builds of shards publish Items and no catalogs; this does the rest, in one process. It may be
    run at any time and again: Items that are filed already change nothing. Links to Items that are
    there no more are dropped, while their Collection has others. What other builders file meanwhile
    stays filed.

    Returns:
        How many Collections and Items there are.

    Raises:
        OutputError: The store cannot be used, or holds a catalog that is not ours.
    """
    items = 0
    touched: set[Pass] = set()
    places = list(collections(store))
    for place in places:
        documents = list(all_items(store, place))
        items += len(documents)
        filing = filing_of(documents[0], place, base_url=base_url)
        check_root(store, is_sample=filing.is_sample)
        commit(documents, filing, store, recount=True, prune=True)
        # Not of these documents, since another builder may have filed more since they were listed.
        refresh(place, (), store, every=partial(linked_items, store, place))
        touched.add(Pass.of(documents[0]["id"]))  # one is enough to name the tile
    finish(touched, store, recount=True)
    root.rebuild(store)
    return len(places), items


def collections(store: Store) -> Iterator[CollectionPlace]:
    """The tiles and bands of which the store holds an Item, in the order of their names."""
    found = {}
    for entry in store.list(""):
        parts = entry.key.split("/")
        if len(parts) == 5 and parts[4] == f"{parts[3]}.json" and parts[1] in bands.NAMES:  # noqa: PLR2004
            found[parts[0], parts[1]] = layout.band_of(parts[3])
    for (tile, _), band in sorted(found.items(), key=lambda each: each[0]):
        yield CollectionPlace(tile=tiles.parse(tile), band=band)


def filing_of(item: stac.Document, place: CollectionPlace, *, base_url: str | None) -> Filing:
    """How the Items of a Collection are filed, as one of them tells it."""
    asset = item["assets"][place.band.asset]
    return Filing(
        place=place,
        grid=Grid(
            epsg=int(item["properties"]["proj:code"].removeprefix("EPSG:")),
            left=asset["proj:transform"][2],
            top=asset["proj:transform"][5],
            resolution=place.band.resolution,
            size=asset["proj:shape"][0],
        ),
        scale=asset.get("raster:scale", 1.0),
        is_sample=not stac.links(item, "derived_from"),
        base_url=base_url,
    )
