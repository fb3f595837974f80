"""Changing an object only if it is what was read: by the store's own means, or under a lock.

Stores differ in what they make of `If-Match`. Amazon's and Azure's compare the ETag as they gave
it, Ceph's only without its quotes, and some compare nothing and put whatever comes. So it is tried
out on an object of our own before it is relied on.
"""

import re
import secrets
from contextlib import suppress
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    GenericError,
    NotSupportedError,
    PreconditionError,
)

if TYPE_CHECKING:
    from obstore import PutMode, UpdateVersion
    from obstore.store import ObjectStore

HIDDEN = ".stacgen"
"""Folder of objects that are no part of the catalog."""

REFUSED = (AlreadyExistsError, PreconditionError, FileNotFoundError)
"""What obstore raises where a condition does not hold."""

_UNABLE = (NotImplementedError, NotSupportedError)

_OF_STORE = re.compile(rf"{re.escape(HIDDEN)}/((probe|doctor)-[0-9a-f]+|[^/]+\.lock/[0-9a-f]+)")
"""Keys of hidden objects that only the store puts."""

_LONGEST_BUILD = timedelta(days=2)
"""Age of a hidden object that is taken to be left over."""


class Means(Enum):
    """What a store offers for a compare-and-swap."""

    QUOTED = "If-Match with the ETag as it was given"
    BARE = "If-Match with the ETag without its quotes"
    LOCK = "a lock, since it has no If-Match"


def probe(store: "ObjectStore") -> Means:
    """Find out what a store offers, on an object that is removed again.

    It must put over the right version and refuse the wrong one. Objects that were left in the
    hidden folder by builds long dead are removed on the way.
    """
    key = f"{HIDDEN}/probe-{secrets.token_hex(8)}"
    try:
        first = obstore.put(store, key, b"1", mode="create")
        wrong = version_of(first)
        second = obstore.put(store, key, b"2")
        for means in (Means.QUOTED, Means.BARE):
            if _puts(store, key, mode(version_of(second), means)):
                return Means.LOCK if _puts(store, key, mode(wrong, means)) else means
    except _UNABLE:
        pass
    finally:
        _sweep(store, key)
        remove(store, key)
    return Means.LOCK


def mode(version: str, means: Means) -> "PutMode":
    """The condition that an object is of a version."""
    tag, _, number = version.partition("\n")
    found: UpdateVersion = {}
    if tag:
        found["e_tag"] = tag.strip('"') if means is Means.BARE else tag
    if number:
        found["version"] = number
    return found


def version_of(found: object) -> str:
    """The version in what obstore tells of an object: its ETag and, on another line, its number."""
    assert isinstance(found, dict)  # noqa: S101 - obstore's types come in several kinds
    return f"{found.get('e_tag') or ''}\n{found.get('version') or ''}"


def remove(store: "ObjectStore", key: str) -> None:
    """Remove an object, if it is there."""
    with suppress(FileNotFoundError):
        obstore.delete(store, key)


class ObjectTokens:
    """Tokens of a lock as objects in a hidden folder, `<lock>.lock/<token>`."""

    def __init__(self, store: "ObjectStore", lock: str) -> None:
        self._store = store
        self._folder = f"{HIDDEN}/{lock}.lock"

    def put(self, name: str, owner: bytes) -> None:
        """See `stacgen.io.lease.Tokens`."""
        obstore.put(self._store, f"{self._folder}/{name}", owner)

    def read(self, name: str) -> bytes:
        """See `stacgen.io.lease.Tokens`."""
        return bytes(obstore.get(self._store, f"{self._folder}/{name}").bytes())

    def times(self) -> dict[str, datetime]:
        """See `stacgen.io.lease.Tokens`."""
        found = [each for page in obstore.list(self._store, self._folder) for each in page]
        return {each["path"].rpartition("/")[2]: each["last_modified"] for each in found}

    def remove(self, name: str) -> None:
        """See `stacgen.io.lease.Tokens`; a token that cannot be removed expires."""
        with suppress(BaseError, OSError):
            obstore.delete(self._store, f"{self._folder}/{name}")


def _puts(store: "ObjectStore", key: str, condition: "PutMode") -> bool:
    try:
        obstore.put(store, key, b"3", mode=condition)
    except (*REFUSED, GenericError):  # what a store says that has never heard of it is not known
        return False
    return True


def _sweep(store: "ObjectStore", key: str) -> None:
    """Remove old locks and probes; the one of that key was put just now, by the store's clock."""
    moments: dict[str, datetime] = {
        each["path"]: each["last_modified"] for page in obstore.list(store, HIDDEN) for each in page
    }
    now = moments.get(key)
    for path, moment in moments.items():
        is_old = now is not None and now - moment > _LONGEST_BUILD
        if is_old and _OF_STORE.fullmatch(path):
            remove(store, path)
