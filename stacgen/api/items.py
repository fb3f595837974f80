"""Items as pystac has them, each made when it is asked for."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, overload

from stacgen.access import search
from stacgen.access.search import Found
from stacgen.errors import OutputError
from stacgen.model.protocols import Readable
from stacgen.stac import stac_json

if TYPE_CHECKING:
    import pystac


class StoredItems(Sequence["pystac.Item"]):
    """Items of a store, by their keys; each is read whenever it is asked for.

    Their hrefs are absolute, so that other libraries open their assets.
    """

    def __init__(self, store: Readable, keys: Sequence[str]) -> None:
        """Read nothing yet."""
        self._store = store
        self._keys = keys

    def __len__(self) -> int:
        """How many Items there are."""
        return len(self._keys)

    @overload
    def __getitem__(self, index: int) -> "pystac.Item": ...

    @overload
    def __getitem__(self, index: slice) -> "StoredItems": ...

    def __getitem__(self, index: int | slice) -> "pystac.Item | StoredItems":
        """Read one Item, or take a part of them unread.

        Raises:
            OutputError: The Item is gone, or cannot be read.
        """
        if isinstance(index, slice):
            return StoredItems(self._store, self._keys[index])
        key = self._keys[index]
        name = f"{self._store.address}/{key}"
        raw = self._store.read(key)
        if raw is None:
            raise OutputError(f"{name} is gone: it was deleted after this build; build it again.")
        address = search.absolute(self._store.address)
        return stac_json.to_item(
            stac_json.absolute(stac_json.from_bytes(raw, name=name), address, key)
        )


class FoundItems(Iterator["pystac.Item"]):
    """Items that answer a search, in its order, with absolute hrefs."""

    def __init__(self, found: Found) -> None:
        """Make none yet."""
        self.found = found
        self._documents = iter(found.documents)

    def __next__(self) -> "pystac.Item":
        """Make the next one."""
        return stac_json.to_item(next(self._documents))
