"""A lock on any store that lists what was put: one holder at a time, by tokens that are renewed.

Each process that wants the lock puts a token and lists the tokens. Of two that put before they
list, at least one sees the other; a process that is not alone removes its token and tries again. A
token that was not renewed for five minutes belongs to a dead process, and the next process that
wants the lock removes it. All ages are by the store's own clock.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

EXPIRY = 300.0
"""Seconds after its last renewal from which a token counts as that of a dead process."""

_VALID = 120.0
"""Seconds within which a holder that does not renew its token must begin to change something."""

_SAME_TIME = timedelta(seconds=2)
"""Processes that come within this time of each other step back and try again; stores may tell times
in whole seconds."""

_PATIENCE = 900.0
"""Seconds to wait for a lock that is waited for."""

_TRIES = 9
"""Times to try to have a lock that is not waited for."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 1.0
"""Seconds between two tries, on average; each is longer than the one before."""

SOMEBODY = "another process"
"""Names a holder that does not say who it is."""

IsHeld = Callable[[], bool]
"""False once another process may have taken the lock for that of a dead one."""


class HeldError(TimeoutError):
    """Another process holds the lock."""

    def __init__(self, holder: str) -> None:
        super().__init__(f"{holder} holds the lock of it; try again later")
        self.holder = holder


class Tokens(Protocol):
    """The tokens of one lock in a store."""

    def put(self, name: str, owner: bytes) -> None:
        """Put a token, or renew it."""

    def read(self, name: str) -> bytes:
        """The owner of a token; raises FileNotFoundError where there is none."""

    def times(self) -> dict[str, datetime]:
        """When each token was put or renewed last."""

    def remove(self, name: str) -> None:
        """Remove a token; it is no error that there is none, and an expired one does no harm."""


@contextmanager
def hold(tokens: Tokens, owner: str) -> Iterator[None]:
    """Take the lock without waiting for its holder, and renew it as long as the context lasts.

    Raises:
        HeldError: Another process holds it.
    """
    seconds = _FIRST_PAUSE
    for attempt in range(1, _TRIES + 1):
        with _token(tokens, owner) as name:
            ages = rivals(tokens, name)
            if not ages:
                with renewed(lambda: tokens.put(name, owner.encode())):
                    yield
                return
            if attempt == _TRIES or min(ages.values()) > _SAME_TIME:
                raise HeldError(owner_of(tokens, ages))
        pause(seconds)
        seconds *= 2


@contextmanager
def wait(tokens: Tokens) -> Iterator[IsHeld]:
    """Wait for the lock, and hold it for a change that takes seconds.

    Raises:
        HeldError: Other processes held it for a quarter of an hour.
    """
    end = time.monotonic() + _PATIENCE
    seconds = _FIRST_PAUSE
    while True:
        last = time.monotonic() + _VALID
        with _token(tokens, "") as name:
            ages = rivals(tokens, name)
            if not ages:
                yield partial(_is_held, tokens, name, last)
                return
            if time.monotonic() > end:
                raise HeldError(owner_of(tokens, ages))
        pause(seconds)
        seconds = min(_LONGEST_PAUSE, seconds * 1.5)


def rivals(tokens: Tokens, name: str) -> dict[str, timedelta]:
    """The tokens of other living processes, by how much older they are than the one of that name.

    Tokens of dead processes are removed. A time far ahead is of a clock that was wrong, and counts
    as old. A token that is gone itself was taken for that of a dead process, and is its own rival.
    """
    times = tokens.times()
    if name not in times:
        return {name: timedelta(0)}
    now = times.pop(name)
    dead = {other for other, time in times.items() if abs(now - time).total_seconds() > EXPIRY}
    for other in dead:
        tokens.remove(other)
    return {other: now - time for other, time in times.items() if other not in dead}


def owner_of(tokens: Tokens, names: Iterable[str]) -> str:
    """The owner of the first of the tokens that can be read."""
    for name in names:
        with suppress(FileNotFoundError):
            return tokens.read(name).decode("utf-8", "replace") or SOMEBODY
    return SOMEBODY


@contextmanager
def renewed(renew: Callable[[], object]) -> Iterator[None]:
    """Call a function, which renews a token, every minute while the context lasts."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(EXPIRY / 5):
            with suppress(Exception):  # the next time may do, before the token expires
                renew()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def pause(mean: float) -> None:
    """Sleep for between half and one and a half of the mean, in seconds."""
    time.sleep(mean * (0.5 + secrets.randbelow(1000) / 1000))


def _is_held(tokens: Tokens, name: str, last: float) -> bool:
    return time.monotonic() < last and name in tokens.times()


@contextmanager
def _token(tokens: Tokens, owner: str) -> Iterator[str]:
    name = secrets.token_hex(8)
    tokens.put(name, owner.encode())
    try:
        yield name
    finally:
        tokens.remove(name)
