"""Questions to a catalog, wherever it lies: a folder, a bucket or a web server.

They are answered from `collections.parquet`, which tells what Collections may hold, and from the
`items.parquet` of these; no Item is opened.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

from stacgen.errors import MissingError, OutputError, UsageError
from stacgen.io.http import Http
from stacgen.io.stores import open_store
from stacgen.model.protocols import Fetch, Store
from stacgen.model.query import Query
from stacgen.model.stream import Resource
from stacgen.stac import layout

if TYPE_CHECKING:
    from stacgen.stac.geoparquet import Answer, Collections, Mirror, TableReference

_READERS = 8
"""Tables that are fetched from a web server at a time."""

_KEPT = 256 * 2**20
"""Bytes of tables that are kept open, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What answers to a question."""

    documents: tuple[dict[str, Any], ...]
    """Items in the order asked for, each href absolute, each with a link `self`."""

    matched: int
    """How many answer, whatever the limit."""

    @property
    def collection(self) -> dict[str, Any]:
        """All of them as a STAC ItemCollection."""
        return {
            "type": "FeatureCollection",
            "numberMatched": self.matched,
            "numberReturned": len(self.documents),
            "features": list(self.documents),
        }


class Source(Protocol):
    """A catalog whose tables are read."""

    @property
    def address(self) -> str:
        """What links of the catalog begin with."""

    @property
    def at_once(self) -> int:
        """How many requests are best under way at a time."""

    def read(self, key: str) -> bytes | None:
        """The content of a file, or None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Web:
    """A catalog behind a web server."""

    address: str
    fetch: Fetch
    at_once: int = _READERS

    def read(self, key: str) -> bytes | None:
        """The content of a file, or None where there is none."""
        try:
            return self.fetch(Resource(url=f"{self.address}/{key}")).body
        except MissingError:
            return None


class Tables:
    """Tables of Items, of which those that were read last are kept; safe for several threads."""

    def __init__(self, source: Source, *, kept: int = _KEPT) -> None:
        """Read from a catalog, and keep tables of so many bytes at most; 0 keeps none."""
        self._source = source
        self._most = kept
        self._lock = threading.Lock()
        self._known: dict[str, tuple[str, int, Mirror]] = {}
        """Checksum, bytes and table by key, the one used last at the end."""

    def answer(self, references: Sequence["TableReference"], query: Query) -> "Answer":
        """Which Items of some tables answer to a question; see `stacgen.stac.geoparquet.answer`.

        Raises:
            OutputError: A table is gone or damaged.
        """
        from stacgen.stac import geoparquet  # noqa: PLC0415 - pyarrow takes half a second

        return geoparquet.answer(self._each(references), query)

    def _each(self, references: Sequence["TableReference"]) -> "Iterator[Mirror]":
        """Open tables, some of which are read side by side."""
        if self._source.at_once == 1:
            yield from map(self._opened, references)
            return
        with ThreadPoolExecutor(self._source.at_once) as pool:
            for start in range(0, len(references), self._source.at_once):
                yield from pool.map(self._opened, references[start : start + self._source.at_once])

    def _opened(self, reference: "TableReference") -> "Mirror":
        from stacgen.stac import geoparquet  # noqa: PLC0415 - pyarrow takes half a second

        key = reference.key
        with self._lock:
            known = self._known.pop(key, None)
            if known is not None and known[0] == reference.checksum:
                self._known[key] = known
                return known[2]
        raw, name = self._source.read(key), f"{self._source.address}/{key}"
        if raw is None:
            raise OutputError(f"{name} is gone; stacgen index makes it anew.")
        found = geoparquet.Mirror(raw, name=name)
        if not self._most or reference.checksum != f"1220{sha256(raw).hexdigest()}":
            return found  # it is damaged, or newer than the table of Collections
        with self._lock:
            self._known.pop(key, None)
            self._known[key] = reference.checksum, len(raw), found
            while sum(size for _, size, _ in self._known.values()) > self._most:
                self._known.pop(next(iter(self._known)))
        return found


def find(
    root: str | Path | Store,
    query: Query,
    *,
    store_options: Mapping[str, str] | None = None,
    fetch: Fetch | None = None,
) -> Found:
    """The Items under a root that answer to a question.

    Args:
        root: A folder, the URL of a bucket, or an http(s) URL; its `catalog.json` means it, too.
            A store that is open already will do.
        query: What is asked.
        store_options: Settings of the bucket beside those in the environment.
        fetch: Gets what lies at an http(s) URL.

    Raises:
        UsageError: The root is none of these, or the question makes no sense.
        UpstreamError: The web server does not answer.
        OutputError: The root has no table of Collections, or a table cannot be read.
    """
    answer, address = ask(root, query, store_options=store_options, fetch=fetch)
    documents = answer.documents(slice(0, query.limit), address)
    return Found(documents=tuple(documents), matched=len(answer))


def find_table(
    root: str | Path | Store,
    query: Query,
    *,
    store_options: Mapping[str, str] | None = None,
    fetch: Fetch | None = None,
) -> tuple[bytes, int, int]:
    """The same as one stac-geoparquet file, its hrefs absolute; see `find`.

    Returns:
        The file, how many Items it has, and how many answer, whatever the limit.

    Raises:
        UsageError: Besides what `find` raises it for, no Item answers, so there are no columns.
    """
    from stacgen.stac import geoparquet  # noqa: PLC0415 - pyarrow takes half a second

    answer, address = ask(root, query, store_options=store_options, fetch=fetch)
    table = answer.table(slice(0, query.limit))
    if table is None:
        raise UsageError("No Item answers, so there is no table to write.")
    content = geoparquet.to_bytes(table, geoparquet.Place(base_url=address))
    return content, table.num_rows, len(answer)


def ask(
    root: str | Path | Store,
    query: Query,
    *,
    store_options: Mapping[str, str] | None,
    fetch: Fetch | None,
) -> tuple["Answer", str]:
    """What answers to a question, and the address of the catalog without a slash at its end."""
    source: Source
    if isinstance(root, str | Path):
        address = str(root).removesuffix(layout.ROOT).rstrip("/") or ("/" if str(root) else ".")
        if urlsplit(address).scheme in ("http", "https"):
            source = _Web(address=address, fetch=fetch or Http())
        else:
            source = open_store(address, store_options)
    else:
        source = root
    collections = opened(source.read(layout.COLLECTIONS), source.address)
    answer = Tables(source, kept=0).answer(collections.tables(query), query)
    return answer, absolute(source.address).rstrip("/")


def opened(raw: bytes | None, address: str) -> "Collections":
    """The table of Collections of the root at an address.

    Raises:
        OutputError: There is none, or one that cannot be read.
    """
    from stacgen.stac import geoparquet  # noqa: PLC0415 - pyarrow takes half a second

    if raw is None:
        raise OutputError(
            f"{address} has no {layout.COLLECTIONS} to search in. If stacgen made that catalog,"
            " stacgen index makes the file."
        )
    return geoparquet.Collections(raw, name=f"{address}/{layout.COLLECTIONS}")


def absolute(address: str) -> str:
    """A folder's address as one that works from elsewhere, too; a bucket's is one already."""
    if address.startswith("file:"):
        return unquote(urlsplit(address).path)
    return address if "://" in address else str(Path(address).absolute())
