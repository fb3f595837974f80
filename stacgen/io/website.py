"""A published catalog as any server of files has it: to read, not to write."""

from collections.abc import Callable

from stacgen.errors import MissingError
from stacgen.model.protocols import Fetch
from stacgen.model.stream import ByteRange, Resource

Measure = Callable[[Resource], int | None]
"""The size of a resource in bytes, without fetching it; None where the server does not say."""


class Website:
    """Files below a URL; a query of it, such as a signature, goes with every request."""

    def __init__(self, url: str, fetch: Fetch, measure: Measure) -> None:
        base, mark, query = url.partition("?")
        self._base = base.rstrip("/")
        self._query = mark + query
        self._fetch = fetch
        self._measure = measure

    @property
    def address(self) -> str:
        """The URL without its query, which may hold a secret."""
        return self._base

    def read(self, key: str) -> bytes | None:
        """See `model.protocols.Readable`."""
        try:
            return self._fetch(self._resource(key)).body
        except MissingError:
            return None

    def size(self, key: str) -> int | None:
        """See `model.protocols.Readable`."""
        return self._measure(self._resource(key))

    def read_part(self, key: str, part: ByteRange) -> bytes:
        """See `model.protocols.Readable`."""
        return self._fetch(self._resource(key, part)).body

    def _resource(self, key: str, part: ByteRange | None = None) -> Resource:
        return Resource(url=f"{self._base}/{key}{self._query}", part=part)
