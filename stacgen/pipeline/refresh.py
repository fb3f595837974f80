"""A Collection's mirror and page, brought up to its Items.

The page is drawn of what the mirror holds, and after it. So builders that do both at the same time
come to the same end, whoever is the last.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial

from stacgen import collection_summary, layout, stac
from stacgen.layout import Place
from stacgen.pipeline import mirrors, pages
from stacgen.pipeline.abreast import abreast
from stacgen.pipeline.root import known_url
from stacgen.pipeline.update import read
from stacgen.ports import Store

Every = Callable[[], Iterable[stac.Document]]
"""Gets all Items of a Collection."""


def refresh(
    place: Place,
    fresh: Sequence[stac.Document],
    store: Store,
    *,
    document: stac.Document | None = None,
    base_url: str | None = None,
    every: Every | None = None,
) -> None:
    """Have mirror and page show new Items, too; or exactly all Items, where `every` is given.

    Args:
        place: Of the Collection.
        fresh: Items that they may lack.
        store: Holds them.
        document: The Collection as it is about to be; None for as it is.
        base_url: Where the catalog is public; None for what the root says of it.
        every: Gets all Items, where one was replaced or has gone, or what is there may lack some;
            at least one.
    """
    base_url = (base_url or known_url(store) or "").rstrip("/") or None

    def keyed(items: Iterable[stac.Document]) -> list[mirrors.Keyed]:
        years = ((int(each["properties"]["datetime"][:4]), each) for each in items)
        return [(place.item(each["id"], year).key, each) for year, each in years]

    found = every or (lambda: fresh)
    kept = None
    if fresh or every is not None:
        kept = mirrors.keep(
            store,
            place.mirror_key,
            lambda: keyed(found()),
            every=lambda: keyed(linked_items(store, place)),
            anew=every is not None,
            base_url=base_url,
        )
    shown = document or read(store, place.key)
    while shown is not None:
        pages.draw(store, shown, key=place.key, base_url=base_url, kept=kept)
        before, shown = shown, None if document else read(store, place.key)
        if shown == before:  # no other builder has filed more meanwhile
            return


def linked_items(store: Store, place: Place) -> Iterator[stac.Document]:
    """Every Item that the years of a Collection link; nothing is listed."""
    for year in sorted(collection_summary.years_of(read(store, place.key) or {})):
        links = stac.links(read(store, place.year_key(year)) or {}, "item")
        keys = [layout.target(place.year_key(year), link.href) for link in links]
        yield from (item for item in abreast(store, partial(read, store), keys) if item is not None)


def lacks(place: Place, existing: Sequence[stac.Document], newest: datetime, store: Store) -> bool:
    """Whether mirror or page are damaged or not up to Items; told without pyarrow and Jinja2.

    Args:
        place: Of the Collection.
        existing: Some of its Items.
        newest: When the last of them was written.
        store: Holds them.
    """
    mirror = store.stat(place.mirror_key)
    if mirror is None or mirror.written < newest:
        return True
    return not pages.shows(store, existing, key=place.key)


def is_shown(place: Place, items: Sequence[stac.Document], store: Store) -> bool:
    """Whether a Collection's page shows it as it is, and these Items; so does then its mirror."""
    document = read(store, place.key)
    base_url = known_url(store)
    return document is not None and pages.is_current(
        store, document, items, key=place.key, base_url=base_url
    )
