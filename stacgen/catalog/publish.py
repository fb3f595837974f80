"""A catalog copied from one store to another, so that its readers never meet a dangling link."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import TypeVar

from stacgen.catalog.commit import check_address
from stacgen.errors import OutputError, UsageError
from stacgen.model.outcomes import Copied, CopyEvent, CopyWatch, Counted, Kept, Published, Removed
from stacgen.model.protocols import Entry, Store
from stacgen.stac import catalogs, files, layout, stac_json
from stacgen.stac.files import Asset, Kind

_FRAMES = (Kind.ITEM, Kind.SCENE)

_WAITING = 500
"""Files that are handed to the pool at a time; it is idle a moment at the end of each lot."""

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What is copied, and how."""

    source: Store
    target: Store
    base_url: str | None = None
    """Where the target is public, if that is known."""

    absolute_links: bool = False
    """Write absolute hrefs into Items, for readers that resolve no relative ones."""

    delete: bool = False
    """Remove from the target what the source has no more."""

    verify: bool = False
    """Compare the checksum of every COG that is there."""

    dry_run: bool = False
    workers: int = 8
    """Files at a time."""


def publish(copy: Copy, *, watch: CopyWatch) -> Published:
    """Copy a catalog, leaves first, and only what is not there.

    It may be interrupted at any time and run again. A file that does not match the checksum in
    its Item is not copied, nor is a document that links to what is not there.

    Raises:
        UsageError: Source and target are one place, or links are to be absolute and it is not known
            where the target is public.
        OutputError: A store fails, the source is no sound catalog, or another catalog is in the
            target.
    """
    if copy.source.address == copy.target.address:
        raise UsageError(f"{copy.source.address} cannot be published to itself.")
    stock = _take_stock(copy)
    watch(Counted(files=len(stock.parts)))
    copied: list[Copied] = []
    removed: list[Removed] = []
    kept = 0
    with (
        ThreadPoolExecutor(copy.workers, "stacgen-publish") as pool,
        closing(_events(copy, stock, pool)) as events,  # what waits is not begun when it ends
    ):
        for event in events:
            watch(event)
            match event:
                case Copied():
                    copied.append(event)
                case Removed():
                    removed.append(event)
                case _:
                    kept += 1
    return Published(
        address=copy.target.address,
        copied=tuple(copied),
        kept=kept,
        removed=tuple(removed),
        left=stock.left,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stock:
    """What is at the source, and what at the target, when a copy begins."""

    documents: Mapping[str, bytes]
    """What stands above the Items at the source, as it will be at the target.

    It is read before the source is listed: what is built meanwhile is linked from none of it.
    """

    parts: frozenset[str]
    """Keys of the source that are a part of its catalog."""

    left: int
    """How many are not."""

    base_url: str | None
    """Where the target is public; None where nothing says so."""

    there: Mapping[str, Entry]
    """Files of the target."""

    wanted: set[str] = field(default_factory=set)
    """Keys that the target will have; grows as Items name their files."""


def _take_stock(copy: Copy) -> _Stock:
    root = _root(copy.source)
    if root is None:
        raise OutputError(f"There is no catalog at {copy.source.address}; build one first.")
    is_sample = catalogs.is_sample(root)
    check_address(copy.target.address)
    existing = _root(copy.target)
    for document, store in ((root, copy.source), (existing, copy.target)):
        name = f"{store.address}/{layout.ROOT}"
        catalogs.check_ours(document, is_sample=is_sample, name=name)
    base_url = copy.base_url or catalogs.public_url(existing)
    if copy.absolute_links and base_url is None:
        raise UsageError(
            "Absolute links need the address at which the copy is public: give --base-url, too."
        )
    base_url = base_url and base_url.rstrip("/")
    keys = [entry.key for entry in copy.source.list("")]
    above = [
        key
        for stage, found in files.stages(keys)
        if stage not in (Kind.ASSET, *_FRAMES)
        for key in found
    ]
    raw = {key: _read(copy.source, key) for key in reversed(above)}
    documents = dict(_public(raw, copy, existing, base_url))
    listed = [entry.key for entry in copy.source.list("")]
    parts = frozenset(key for key in listed if files.kind(key) is not None)
    return _Stock(
        documents=documents,
        parts=parts,
        left=len(listed) - len(parts),
        base_url=base_url,
        there={entry.key: entry for entry in copy.target.list("")},
    )


def _public(
    raw: Mapping[str, bytes], copy: Copy, existing: stac_json.Document | None, base_url: str | None
) -> Iterator[tuple[str, bytes]]:
    """Files above the Items as they are at their public, from the leaves to the root.

    The public URL goes into two kinds of files: the root's `self` link and the hrefs of tables.
    """
    from stacgen.stac import geoparquet  # noqa: PLC0415 - pyarrow takes half a second

    checksums: dict[str, str] = {}
    for key, content in reversed(list(raw.items())):
        name = f"{copy.source.address}/{key}"
        if files.kind(key) is Kind.ROOT:
            root = stac_json.from_bytes(content, name=name)
            public = files.published(root, existing, base_url=copy.base_url)
            yield key, stac_json.to_bytes(public)
        elif files.kind(key) is Kind.TABLE:
            table = geoparquet.relocated(content, base_url=base_url, name=name)
            checksums[key] = geoparquet.multihash(table)
            yield key, table
        elif key == layout.COLLECTIONS:
            found = geoparquet.Collections(content, name=name)
            yield key, found.relocated(base_url=base_url, checksums=checksums)
        else:
            yield key, content


def _events(copy: Copy, stock: _Stock, pool: ThreadPoolExecutor) -> Generator[CopyEvent]:
    for stage, keys in files.stages(stock.parts):
        if stage in _FRAMES:
            frames = _Frames(copy, stock)
            # One that is there may link one that is new, which nothing above it links yet.
            for is_there in (False, True):
                some = [key for key in keys if (key in stock.there) is is_there]
                yield from _flat(_each(frames.put, some, pool))
        elif stage is not Kind.ASSET:  # which go with their Items
            found = [key for key in keys if key in stock.documents]
            for key in found:
                _check_links(key, stock.documents[key], copy, stock)
            yield from _each(_writer(copy, stock), found, pool)
            stock.wanted.update(found)
    if copy.delete:
        documents = {key for key in stock.parts if files.kind(key) is not Kind.ASSET}
        gone = stock.there.keys() - stock.wanted - documents
        for _, keys in reversed(files.stages(gone)):
            yield from _each(_remover(copy), keys, pool)


def _each(
    do: Callable[[str], _Answer], keys: Sequence[str], pool: ThreadPoolExecutor
) -> Iterator[_Answer]:
    """What became of each file, in their order; what waits in a pool takes a kilobyte a file."""
    for start in range(0, len(keys), _WAITING):
        yield from pool.map(do, keys[start : start + _WAITING])


class _Frames:
    """Puts Items, each after the files that it describes."""

    def __init__(self, copy: Copy, stock: _Stock) -> None:
        self._copy = copy
        self._stock = stock

    def put(self, key: str) -> list[CopyEvent]:
        """Put the files beside an Item that are not there, then the Item."""
        copy, stock = self._copy, self._stock
        content = _read(copy.source, key)
        document = _check_links(key, content, copy, stock)
        there = copy.target.read(key) if key in stock.there else None
        known = _described(key, there)
        found = files.assets(key, document)
        events: list[CopyEvent] = [
            Kept(key=asset.key) if self._is_there(asset, known) else self._put(asset)
            for asset in found
        ]
        stock.wanted.update([key, *(asset.key for asset in found)])
        absolute = stock.base_url if copy.absolute_links else None
        public = files.public_item(key, content, document, base_url=absolute)
        return [*events, _put_document(key, public, there, copy)]

    def _is_there(self, asset: Asset, known: Mapping[str, Asset]) -> bool:
        """Whether the target has a file of that size and checksum.

        A file of the right size has the checksum that its Item at the target gives, unless the copy
        is to verify it; it is hashed where that Item gives none, or another one.
        """
        entry = self._stock.there.get(asset.key)
        if entry is None or asset.size not in (None, entry.size):
            return False
        is_described = known.get(asset.key) == asset and asset.checksum is not None
        if is_described and not self._copy.verify:
            return True
        checksum = asset.checksum or self._copy.source.sha256(asset.key)
        return self._copy.target.sha256(asset.key) == checksum

    def _put(self, asset: Asset) -> Copied:
        copy = self._copy
        if copy.dry_run:
            entry = copy.source.stat(asset.key)
            return Copied(key=asset.key, size=entry.size if entry is not None else 0)
        with copy.target.scratch() as folder:
            path = folder / "asset"
            checksum = copy.source.download(asset.key, path)
            size = path.stat().st_size
            if asset.checksum not in (None, checksum) or asset.size not in (None, size):
                raise OutputError(
                    f"{copy.source.address}/{asset.key} is not the file that its Item describes,"
                    " and is not published. Build it anew: stacgen build --verify."
                )
            copy.target.write(asset.key, path, files.media_type(asset.key))
        return Copied(key=asset.key, size=size)


def _writer(copy: Copy, stock: _Stock) -> Callable[[str], Copied | Kept]:
    def write(key: str) -> Copied | Kept:
        there = copy.target.read(key) if key in stock.there else None
        return _put_document(key, stock.documents[key], there, copy)

    return write


def _put_document(key: str, content: bytes, there: bytes | None, copy: Copy) -> Copied | Kept:
    if there == content:
        return Kept(key=key)
    if not copy.dry_run:
        copy.target.write(key, content, files.media_type(key))
    return Copied(key=key, size=len(content))


def _remover(copy: Copy) -> Callable[[str], Removed]:
    def remove(key: str) -> Removed:
        if not copy.dry_run:
            copy.target.delete(key)
        return Removed(key=key)

    return remove


def _check_links(key: str, content: bytes, copy: Copy, stock: _Stock) -> stac_json.Document:
    """The document, once it is known that all it links to will be there."""
    if not key.endswith(".json"):
        return {}
    name = f"{copy.source.address}/{key}"
    document = stac_json.from_bytes(content, name=name)
    for target in files.targets(key, document):
        if target not in stock.parts:
            raise OutputError(
                f"{name} links to {target}, which is not there, so it is not published. Was the"
                " catalog changed at the same time? Then publish again; else build it anew."
            )
    return document


def _described(key: str, content: bytes | None) -> dict[str, Asset]:
    """The files that an Item in the target describes; none, where it cannot be read."""
    try:
        document = stac_json.from_bytes(content or b"{}", name=key)
    except OutputError:
        return {}
    return {asset.key: asset for asset in files.assets(key, document)}


def _root(store: Store) -> stac_json.Document | None:
    raw = store.read(layout.ROOT)
    return None if raw is None else stac_json.from_bytes(raw, name=f"{store.address}/{layout.ROOT}")


def _read(store: Store, key: str) -> bytes:
    content = store.read(key)
    if content is None:
        raise OutputError(f"{store.address}/{key} went away meanwhile; publish again.")
    return content


def _flat(results: Iterable[list[CopyEvent]]) -> Iterator[CopyEvent]:
    for events in results:
        yield from events
