"""Items that a catalog holds of a Collection, found by one listing of each year.

On a folder Items are read from their files. On a bucket, where each would cost a request, they are
rows of the Collection's `items.parquet`, which is read once. An Item is read itself where the
table lacks it, or where it or one of its files is listed with another size than its row says.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stacgen.errors import OutputError
from stacgen.model.concurrent import abreast
from stacgen.model.protocols import Entry, Store
from stacgen.stac import layout, stac_json, versions
from stacgen.stac.layout import CollectionPlace, ItemPlace, Pass, Place
from stacgen.stac.stac_json import read

Listing = Mapping[str, Entry]
"""Files by their keys."""

_Files = Mapping[str, Mapping[str, Any]]
"""Assets of an Item by the keys of their files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An Item that the catalog holds."""

    document: stac_json.Document


class Inventory:
    """The Items of a store; the table of the last Collection that was asked for is kept."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._key = ""
        self._rows: Mapping[str, stac_json.Document] = {}
        """Items of the table at `_key`, by their keys."""

    def files(self, place: Place, years: Iterable[int]) -> Listing:
        """The files of some years of a Collection."""
        folders = [place.year_key(year).rpartition("/")[0] for year in sorted(years)]
        return {entry.key: entry for each in folders for entry in self.store.list(f"{each}/")}

    def sound(
        self,
        place: CollectionPlace,
        items: Collection[ItemPlace],
        listing: Listing,
        *,
        verify: bool = False,
    ) -> dict[str, Standing]:
        """Items of which all files are listed, in the sizes that they say, by their ids.

        Args:
            place: Of their Collection.
            items: Those to look for.
            listing: The files of their years.
            verify: Read each Item itself, and its files, and compare checksums.
        """
        found = self._standing(place, items, listing, has_rows=not verify)

        def is_sound(item: ItemPlace) -> bool:
            files = _files(found[item.id].document, item, place)
            return _fits(files, listing) and not (verify and self._differs(files))

        there = [each for each in items if each.id in found]
        answers = zip(there, abreast(self.store, is_sound, there), strict=True)
        return {item.id: found[item.id] for item, is_whole in answers if is_whole}

    def rivals(
        self, place: CollectionPlace, ids: Collection[str], listing: Listing
    ) -> list[Standing]:
        """Linked Items of the second of one of these, or of one another, and of another baseline.

        Args:
            place: Of their Collection.
            ids: Of the Items that are wanted, which are not returned.
            listing: The files of their years.
        """

        def others(known: Iterable[str]) -> list[str]:
            return [each for each in versions.contested({*ids, *known}) if each not in ids]

        if not others(_ids(listing)):
            return []
        years = {Pass.of(each).year for each in ids}
        linked = [each for year in years for each in linked_ids(self.store, place, year)]
        items = [place.item(each, Pass.of(each).year) for each in others(linked)]
        return list(self._standing(place, items, listing, has_rows=True).values())

    def _standing(
        self,
        place: CollectionPlace,
        items: Iterable[ItemPlace],
        listing: Listing,
        *,
        has_rows: bool,
    ) -> dict[str, Standing]:
        """Items that are listed and can be read, by their ids."""
        listed = [each for each in items if each.key in listing]
        rows = self._table(place) if has_rows and listed and self.store.at_once > 1 else {}

        def get(item: ItemPlace) -> stac_json.Document | None:
            row = rows.get(item.key)
            if (
                row is not None
                and len(stac_json.to_bytes(row)) == listing[item.key].size
                and _fits(_files(row, item, place), listing)
            ):
                return row
            return read_item(self.store, item)

        documents = zip(listed, abreast(self.store, get, listed), strict=True)
        return {
            item.id: Standing(document=document)
            for item, document in documents
            if document is not None
        }

    def _table(self, place: Place) -> Mapping[str, stac_json.Document]:
        """The rows of a Collection's table; none where it cannot be read."""
        if self._key != place.mirror_key:
            self._key, self._rows = place.mirror_key, _rows(self.store, place.mirror_key)
        return self._rows

    def _differs(self, files: _Files) -> bool:
        return any(
            facts.get("file:checksum") != f"1220{self.store.sha256(key)}"
            for key, facts in files.items()
        )


def read_item(store: Store, place: ItemPlace) -> stac_json.Document | None:
    """The Item at a place, or None where there is none that can be read and has that id."""
    raw = store.read(place.key)
    if raw is None:
        return None
    try:
        document = stac_json.from_bytes(raw, name=place.key)
    except OutputError:
        return None
    return document if document.get("id") == place.id else None


def linked_ids(store: Store, place: Place, year: int) -> Iterator[str]:
    """Ids of the Items that a year links."""
    for link in stac_json.links(read(store, place.year_key(year)) or {}, "item"):
        yield layout.id_of(link.href)


def _ids(listing: Listing) -> set[str]:
    """Ids of the Items that are listed."""
    names = (key.rpartition("/")[0].rpartition("/")[2] for key in listing)
    return {name for key, name in zip(listing, names, strict=True) if key.endswith(f"/{name}.json")}


def _files(document: stac_json.Document, item: ItemPlace, place: CollectionPlace) -> _Files:
    """The COG and the thumbnail of an Item, and what it says of them."""
    assets = document.get("assets", {})
    return {
        item.cog_key: assets.get(place.band.asset, {}),
        item.thumbnail_key: assets.get("thumbnail", {}),
    }


def _fits(files: _Files, listing: Listing) -> bool:
    """True if files are listed in the sizes that their Item says."""
    return all(
        key in listing and listing[key].size == facts.get("file:size")
        for key, facts in files.items()
    )


def _rows(store: Store, key: str) -> dict[str, stac_json.Document]:
    """The Items of a table by their keys; none where it is gone or cannot be read."""
    raw = store.read(key)
    if raw is None:
        return {}
    from stacgen.stac import geoparquet  # noqa: PLC0415 - pyarrow takes half a second

    try:
        return dict(geoparquet.documents(geoparquet.from_bytes(raw, name=f"{store.address}/{key}")))
    except OutputError:
        return {}
