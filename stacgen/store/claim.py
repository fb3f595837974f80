"""A lock that one process holds for hours and another does not wait for: on object storage.

It is a token that says who put it, and whose age the store tells. Its holder puts it anew while it
lives; a token that was not is dead, and removed by the next who wants the lock.
"""

import secrets
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError

from stacgen.store.condition import HIDDEN, remove, rivals
from stacgen.store.lock import SOMEBODY

if TYPE_CHECKING:
    from obstore.store import ObjectStore

RENEWAL = 60.0
"""Seconds between two puts of a token; a fifth of the age at which it counts as dead."""

_TRIES = 6
"""Those who come at the same instant all see each other, step back and try again."""

_PAUSE = 0.1
"""Seconds, on the average, before the second try; twice as many before each further one."""


class Claim:
    """A token that is put, and put anew, until it is let go of."""

    def __init__(self, store: "ObjectStore", name: str, who: str) -> None:
        self._store = store
        self._folder = f"{HIDDEN}/{name}.lock"
        self._token = f"{self._folder}/{secrets.token_hex(8)}"
        self._who = who.encode()
        self._over = threading.Event()
        self._renewing = threading.Thread(target=self._renew, daemon=True)

    def take(self) -> str | None:
        """Take the lock: None, or who has it."""
        holder = SOMEBODY
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(_PAUSE * 2**attempt * (0.25 + secrets.randbelow(1000) / 2000))
            obstore.put(self._store, self._token, self._who)
            found = rivals(self._store, self._folder, self._token)
            if found == []:
                self._renewing.start()
                return None
            holder = self._said(found or [])
            remove(self._store, self._token)
        return holder

    def release(self) -> None:
        """Let go of it, if it was taken."""
        if self._renewing.is_alive():
            self._over.set()
            self._renewing.join()
            with suppress(BaseError, OSError):  # it dies by itself
                remove(self._store, self._token)

    def _said(self, tokens: list[str]) -> str:
        for token in tokens:
            with suppress(FileNotFoundError):
                return bytes(obstore.get(self._store, token).bytes()).decode("utf-8", "replace")
        return SOMEBODY

    def _renew(self) -> None:
        while not self._over.wait(RENEWAL):
            with suppress(BaseError, OSError):  # the next time may do, before it counts as dead
                obstore.put(self._store, self._token, self._who)
