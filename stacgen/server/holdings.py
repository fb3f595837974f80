"""What a server knows of its catalog: mirror and Collections, read anew when they change."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from stacgen import layout, lookup, stac
from stacgen.errors import OutputError
from stacgen.mirror import Mirror
from stacgen.pipeline import root
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
        """The catalog, read anew where its mirror changed; a build writes that last.

        While it cannot be read it is what it was, and is tried again whenever it is asked for.
        """
        with suppress(OutputError):
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
        for key in self._keys():
            raw = self._store.read(key)
            document = None if raw is None else _collection(raw, key)
            if document is not None:
                found[document["id"]] = (key, document)
        raw = self._store.read(layout.ROOT)
        root = {} if raw is None else stac.from_bytes(raw, name=layout.ROOT)
        self._seen = stamp
        return Snapshot(mirror=opened, root=root, collections=found)

    def _keys(self) -> Sequence[str]:
        try:
            return root.collection_keys(self._store)
        except (KeyError, TypeError, AttributeError) as error:
            raise OutputError(
                f"The catalogs in {self._store.address} do not link their Collections as STAC does;"
                " stacgen repair makes them anew."
            ) from error


def _collection(raw: bytes, key: str) -> stac.Document | None:
    """A Collection that has all that its answers are made of; None where its file is damaged.

    One that is left out hides no other. A store that fails is told instead: it may come back.
    """
    try:
        document = stac.from_bytes(raw, name=key)
        links, assets = document["links"], document.get("assets", {}).values()
        texts = [
            document["id"],
            *(link[name] for link in links for name in ("rel", "href")),
            *(asset["href"] for asset in assets),
        ]
    except (OutputError, KeyError, TypeError, AttributeError):
        return None
    return document if all(isinstance(each, str) for each in texts) else None
