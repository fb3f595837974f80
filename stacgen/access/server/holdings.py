"""What a server knows of its catalog: Collections and tables, read again when they change."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import cached_property

from stacgen.access import search
from stacgen.access.search import Tables
from stacgen.errors import OutputError
from stacgen.model.protocols import Store
from stacgen.model.query import Query
from stacgen.stac import layout, stac_json
from stacgen.stac.geoparquet import Answer, Collections


class Snapshot:
    """The catalog at one time."""

    def __init__(self, collections: Collections, root: stac_json.Document, tables: Tables) -> None:
        self._collections = collections
        self._tables = tables
        self.root = root

    @cached_property
    def keys(self) -> Mapping[str, str]:
        """The key of each Collection by its id, in the order of the keys."""
        return self._collections.keys()

    @cached_property
    def collections(self) -> Mapping[str, tuple[str, stac_json.Document]]:
        """Key and document by id, in the order of the keys."""
        found = self._collections.documents()
        return {document["id"]: (key, document) for key, document in found}

    def answer(self, query: Query) -> Answer:
        """The Items that answer to a question."""
        return self._tables.answer(self._collections.tables(query), query)


class Holdings:
    """The catalog in a store as it is now; safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        """Read the catalog.

        Raises:
            OutputError: The root has no table of Collections, or one that cannot be read.
        """
        self._store = store
        self._lock = threading.Lock()
        self._tables = Tables(store)
        self._seen: tuple[int, datetime] | None = None
        self._snapshot = self._read(self._stamp())

    def now(self) -> Snapshot:
        """The catalog, read again where its table of Collections changed; a build writes it last.

        While it cannot be read it is what it was, and is tried again whenever it is asked for.
        """
        with suppress(OutputError):
            stamp = self._stamp()
            with self._lock:
                if stamp is not None and stamp != self._seen:
                    self._snapshot = self._read(stamp)
        return self._snapshot

    def _stamp(self) -> tuple[int, datetime] | None:
        entry = self._store.stat(layout.COLLECTIONS)
        return None if entry is None else (entry.size, entry.modified)

    def _read(self, stamp: tuple[int, datetime] | None) -> Snapshot:
        opened = search.opened(self._store.read(layout.COLLECTIONS), self._store.address)
        raw = self._store.read(layout.ROOT)
        root = {} if raw is None else stac_json.from_bytes(raw, name=layout.ROOT)
        self._seen = stamp
        return Snapshot(opened, root, self._tables)
