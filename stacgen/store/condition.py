"""Changing an object only if it is what was read: by the store's own means, or under a lock.

Stores differ in what they make of `If-Match`. Amazon's and Azure's compare the ETag as they gave
it, Ceph's only without its quotes, and some compare nothing and put whatever comes. So it is tried
out on an object of our own before it is relied on.
"""

import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    GenericError,
    NotSupportedError,
    PreconditionError,
)

from stacgen.errors import OutputError

if TYPE_CHECKING:
    from obstore import PutMode, UpdateVersion
    from obstore.store import ObjectStore

HIDDEN = ".stacgen"
"""Folder of objects that are no part of the catalog."""

REFUSED = (AlreadyExistsError, PreconditionError, FileNotFoundError)
"""What obstore raises where a condition does not hold."""

_UNABLE = (NotImplementedError, NotSupportedError)

_EXPIRY = timedelta(minutes=5)
"""Age of a lock whose holder is taken to be dead; longer than obstore tries to put an object."""

_HOLD = 60.0
"""Seconds within which the holder of a lock must begin to put."""

_PATIENCE = 900.0
"""Seconds to wait for a lock."""

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


@contextmanager
def locked(store: "ObjectStore", key: str) -> Iterator[float]:
    """Hold the lock of a key; gives the time (`time.monotonic`) until which it is safe to put.

    Each who wants it puts a token and lists the tokens. Who finds its own alone has the lock; who
    does not takes its own away and tries again. Lists of object stores are up to date, so of two
    who put before they list, one at least sees the other. Ages are by the store's own clock.
    """
    folder = f"{HIDDEN}/{sha256(key.encode()).hexdigest()[:16]}.lock"
    end = time.monotonic() + _PATIENCE
    pause = 0.05
    while True:
        token = f"{folder}/{secrets.token_hex(8)}"
        begun = time.monotonic()
        obstore.put(store, token, b"")
        try:
            if rivals(store, folder, token) == []:
                yield begun + _HOLD
                return
        finally:
            remove(store, token)
        if time.monotonic() > end:
            raise OutputError(f"The lock of {key} was held for {_PATIENCE:.0f} s; try again later.")
        time.sleep(pause * (0.5 + secrets.randbelow(1000) / 1000))
        pause = min(2.0, pause * 1.5)


def rivals(store: "ObjectStore", folder: str, token: str) -> list[str] | None:
    """Other tokens in a folder that are alive; those that are dead are removed.

    A time far ahead of that of one's own is of a clock that was wrong, and counts as old. None
    where one's own is not there any more.
    """
    found: dict[str, datetime] = {
        each["path"]: each["last_modified"] for page in obstore.list(store, folder) for each in page
    }
    now = found.pop(token, None)
    if now is None:
        return None
    dead = [path for path, moment in found.items() if abs(now - moment) > _EXPIRY]
    for path in dead:
        remove(store, path)
    return sorted(found.keys() - set(dead))


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
