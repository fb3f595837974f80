"""A catalog read from end to end, to find what is wrong with it."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from stacgen.errors import OutputError
from stacgen.model.bands import TCI
from stacgen.model.findings import Finding, Validation
from stacgen.model.protocols import Entry, Listed
from stacgen.stac import checks, files, layout, stac_json, summaries, visual
from stacgen.stac.files import Kind
from stacgen.stac.summaries import CollectionSummary

if TYPE_CHECKING:
    from stacgen.stac.geoparquet import TableSummary

_NO_TABLE = "There is none; stacgen repair makes it."
_READERS = 8
"""Files read at a time."""


def validate(
    store: Listed, *, problems: Callable[[stac_json.Document], list[str]] | None, deep: bool = False
) -> Validation:
    """Look at every document of a catalog, and at its files.

    Args:
        store: Holds it; a website's is a `stacgen.catalog.crawl.Crawled`.
        problems: What a document breaks of its schemas; None looks at none.
        deep: Read every file beside an Item: checksums, layout of COGs, every pixel.

    Raises:
        OutputError: The store fails, or there is no catalog.
    """
    there = {entry.key: entry for entry in store.list("")}
    if layout.ROOT not in there:
        raise OutputError(f"There is no catalog at {store.address}.")
    documents = [key for _, keys in files.stages(there) for key in keys if key.endswith(".json")]
    seen = _Seen(store=store, there=there, problems=problems, deep=deep)
    with ThreadPoolExecutor(_READERS) as pool:
        found = list(chain.from_iterable(pool.map(seen.look, documents)))
    for key, document in seen.collections.items():
        found += checks.check_collection(key, document, seen.held_by(key))
    for key in sorted(seen.collections):
        found += seen.look_at_table(layout.mirror_key(key))
    found += seen.look_at_collections()
    found += checks.check_linked(seen.linked, documents)
    return Validation(documents=len(documents), cogs=len(seen.opened), findings=tuple(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What is kept of documents that were looked at."""

    store: Listed
    there: dict[str, Entry]
    problems: Callable[[stac_json.Document], list[str]] | None
    deep: bool
    collections: dict[str, stac_json.Document] = field(default_factory=dict)
    holdings: dict[str, list[CollectionSummary]] = field(default_factory=dict)
    """Of the Items of each Collection's folder, which ends in a slash."""

    digests: dict[str, str] = field(default_factory=dict)
    """Of Items and scenes, by their keys."""

    tables: dict[str, "TableSummary"] = field(default_factory=dict)
    """What the tables of Collections hold in sum, by their keys."""

    linked: set[str] = field(default_factory=set)
    opened: list[str] = field(default_factory=list)

    def look(self, key: str) -> list[Finding]:
        """Everything about one document that can be told by itself."""
        document, found = checks.parse(key, self.store.read(key) or b"")
        if document is None:
            return found
        try:
            return [*found, *self._look(key, document)]
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            text = f"Something that every such document has is missing or odd: {error!r}."
            return [*found, Finding(key=key, rule="content", text=text)]

    def held_by(self, collection: str) -> Iterator[CollectionSummary]:
        """What the Items of a Collection hold; scenes hold what the bands of their tile do."""
        tile, name, _ = collection.split("/")
        shown = f"{tile}/" if name == layout.SCENES else f"{tile}/{name}/"
        for folder, holdings in sorted(self.holdings.items()):
            if folder.startswith(shown) and (name == TCI or folder != f"{tile}/{TCI}/"):
                yield from holdings

    def look_at_table(self, key: str) -> Iterable[Finding]:
        """Look for Items of a Collection that its table lacks, has changed or still has."""
        from stacgen.stac import geoparquet  # noqa: PLC0415 - pyarrow takes half a second
        from stacgen.stac.geoparquet import collections  # noqa: PLC0415 - same

        folder = key.removesuffix(layout.MIRROR)
        published = {each: said for each, said in self.digests.items() if each.startswith(folder)}
        if key not in self.there:
            return [Finding(key=key, rule="table", text=_NO_TABLE)]
        raw = self.store.read(key) or b""
        try:
            found = geoparquet.Mirror(raw, name=key)
            tables = map(found.group, range(found.groups))
            rows = chain.from_iterable(map(geoparquet.documents, tables))
            held = {each: checks.digest(document) for each, document in rows}
            self.tables[key] = collections.sum_up(raw, name=key)
        except OutputError as error:
            return [Finding(key=key, rule="table", text=str(error))]
        return checks.check_table(key, held, published)

    def look_at_collections(self) -> Iterable[Finding]:
        """Look for Collections that the root's table lacks, has changed or still has."""
        from stacgen.stac import geoparquet  # noqa: PLC0415 - pyarrow takes half a second
        from stacgen.stac.geoparquet import collections  # noqa: PLC0415 - same

        key = layout.COLLECTIONS
        if key not in self.there:
            return [Finding(key=key, rule="table", text=_NO_TABLE)]
        rows = [
            (each, document, self.tables[layout.mirror_key(each)])
            for each, document in sorted(self.collections.items())
            if layout.mirror_key(each) in self.tables  # else there is a finding already
        ]
        try:
            found = geoparquet.Collections(self.store.read(key) or b"", name=key)
            held = {each: checks.digest(row) for each, row in found.rows()}
        except OutputError as error:
            return [Finding(key=key, rule="table", text=str(error))]
        try:
            due = dict(collections.described(collections.tabulate(rows)) if rows else ())
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            return []  # a Collection lacks what it must have, of which there is a finding already
        published = {each: checks.digest(row) for each, row in due.items()}
        unknown = self.collections.keys() - due.keys()
        return checks.check_table(
            key, {each: held[each] for each in held if each not in unknown}, published
        )

    def _look(self, key: str, document: stac_json.Document) -> Iterator[Finding]:
        kind = files.kind(key)
        if self.problems is not None:
            for text in self.problems(document):
                yield Finding(key=key, rule="schema", text=text)
        yield from checks.check_names(key, document)
        yield from checks.check_links(key, document, self.there)
        if kind in (Kind.ITEM, Kind.SCENE):  # what these link lies beside them, or apart
            self.digests[key] = checks.digest(document)
            yield from checks.check_place(key, document)
        else:
            self.linked.update(files.targets(key, document))
        if kind is Kind.COLLECTION:
            self.collections[key] = document
        if kind is Kind.ITEM:
            yield from checks.check_sizes(key, document, self.there)
            folder = "/".join(key.split("/")[:2])
            self.holdings.setdefault(f"{folder}/", []).append(summaries.of_item(document))
            if self.deep:
                raster = layout.band_of(document["id"]).asset
                yield from self._look_deep(key, document, raster=raster)
        if kind is Kind.SCENE:
            yield from checks.check_sizes(key, document, self.there)
            if self.deep:
                yield from self._look_deep(key, document, raster=visual.KEY)

    def _look_deep(
        self, key: str, document: stac_json.Document, *, raster: str
    ) -> Iterator[Finding]:
        """Whether the files beside an Item are as it says, the asset that is a raster too."""
        for asset in files.assets(key, document):
            if asset.key not in self.there:
                continue
            with self.store.scratch() as folder:
                path = folder / "asset"
                checksum = self.store.download(asset.key, path)
                if asset.checksum is not None and checksum != asset.checksum:
                    text = f"Its SHA-256 is {checksum}; its Item says {asset.checksum}."
                    yield Finding(key=asset.key, rule="checksum", text=text)
                if asset.key.endswith(".tif"):
                    self.opened.append(asset.key)
                    yield from _look_at_pixels(asset.key, document, raster, path)


def _look_at_pixels(
    key: str, document: stac_json.Document, name: str, path: Path
) -> Iterable[Finding]:
    from stacgen.raster import gdal  # noqa: PLC0415 - GDAL takes a while, and few ask for pixels

    try:
        found = gdal.inspect(path)
    except OutputError as error:
        return [Finding(key=key, rule="cog", text=str(error))]
    return checks.check_pixels(key, document, name, found)
