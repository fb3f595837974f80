"""Questions to a catalog, wherever it lies: a folder, a bucket or a web server.

They are answered from the root's `items.parquet`; no Item is opened.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from stacgen import layout
from stacgen.errors import MissingError, OutputError
from stacgen.fetch import Http
from stacgen.models import Resource
from stacgen.ports import Fetch, Store
from stacgen.query import Query
from stacgen.store import open_store

if TYPE_CHECKING:
    from stacgen.mirror import Mirror


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
        OutputError: The root has no mirror, or one that cannot be read.
    """
    if isinstance(root, str | Path):
        address = str(root).removesuffix(layout.ROOT).rstrip("/") or ("/" if str(root) else ".")
        if urlsplit(address).scheme in ("http", "https"):
            return _found(_fetched(address, fetch or Http()), address, query)
        root = open_store(address, store_options)
    return _found(root.read(layout.MIRROR), absolute(root.address), query)


def _found(raw: bytes | None, address: str, query: Query) -> Found:
    from stacgen import mirror  # noqa: PLC0415 - pyarrow takes half a second

    answer = mirror.answer(opened(raw, address), query)
    documents = answer.documents(slice(0, query.limit), address.rstrip("/"))
    return Found(documents=tuple(documents), matched=len(answer))


def opened(raw: bytes | None, address: str) -> "Mirror":
    """The mirror of the root at an address.

    Raises:
        OutputError: There is none, or one that cannot be read.
    """
    from stacgen import mirror  # noqa: PLC0415 - pyarrow takes half a second

    if raw is None:
        raise OutputError(
            f"{address} has no {layout.MIRROR} to search in. If stacgen made that catalog, stacgen"
            " index makes the file."
        )
    return mirror.Mirror(raw, name=f"{address}/{layout.MIRROR}")


def _fetched(address: str, fetch: Fetch) -> bytes | None:
    try:
        return fetch(Resource(url=f"{address}/{layout.MIRROR}")).body
    except MissingError:
        return None


def absolute(address: str) -> str:
    """A folder's address as one that works from elsewhere, too; a bucket's is one already."""
    if address.startswith("file:"):
        return unquote(urlsplit(address).path)
    return address if "://" in address else str(Path(address).absolute())
