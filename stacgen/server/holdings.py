"""What a server knows of its catalog: mirror and Collections, read anew when they change."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from stacgen import layout, lookup, stac
from stacgen.mirror import Mirror
from stacgen.pipeline import mirrors
from stacgen.ports import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The catalog at one time."""

    mirror: Mirror
    root: stac.Document
    collections: Mapping[str, tuple[str, stac.Document]]
    """Key and document by id, in the order of the keys."""


class Holdings:
    """The catalog in a store as it is now; safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        """Read the catalog.

        Raises:
            OutputError: The root has no mirror, or one that cannot be read.
        """
        self._store = store
        self._lock = threading.Lock()
        self._seen: tuple[int, datetime] | None = None
        self._snapshot = self._read(self._stamp())

    def now(self) -> Snapshot:
        """The catalog, read anew where its mirror changed; a build writes that last."""
        stamp = self._stamp()
        with self._lock:
            if stamp is not None and stamp != self._seen:
                self._snapshot = self._read(stamp)
            return self._snapshot

    def _stamp(self) -> tuple[int, datetime] | None:
        entry = self._store.stat(layout.MIRROR)
        return None if entry is None else (entry.size, entry.modified)

    def _read(self, stamp: tuple[int, datetime] | None) -> Snapshot:
        opened = lookup.opened(self._store.read(layout.MIRROR), self._store.address)
        found = {}
        for key in mirrors.collection_keys(self._store):
            document = self._document(key)
            if document is not None:
                found[document["id"]] = (key, document)
        self._seen = stamp
        return Snapshot(mirror=opened, root=self._document(layout.ROOT) or {}, collections=found)

    def _document(self, key: str) -> stac.Document | None:
        raw = self._store.read(key)
        return None if raw is None else stac.from_bytes(raw, name=key)
