"""One holder at a time, of a name in a folder.

The operating system sees to it. Where it has no such locks, as Windows has not, files do.
"""

import errno
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    HAS_LOCKS = False
else:
    HAS_LOCKS = True

Begin = Callable[[Callable[[Path], IO[bytes]], str], tuple[Path, IO[bytes]]]
"""Opens a file of a name in the folder of locks, and makes that folder first if it is not there."""

MEANS = "a lock of the operating system" if HAS_LOCKS else "files that stand for a lock"
"""What `hold` goes by, for people."""

_EXPIRY = 300.0
"""Seconds after which the holder of a file is taken to be dead; one document is put in far less."""

_PATIENCE = 900.0
"""Seconds to wait."""

_CLAIMS = 5
"""Times to try to have a lock that is not waited for."""

SOMEBODY = "another process"
"""Who has a lock and says nothing."""


def hold(begin: Begin, name: str) -> AbstractContextManager[None]:
    """Hold the lock of a name against other processes and threads, as long as the context lasts.

    Raises:
        OSError: The folder cannot be used, or others held the lock for a quarter of an hour.
    """
    return _by_system(begin, name) if HAS_LOCKS else _by_tokens(begin, name)


@contextmanager
def _by_system(begin: Begin, name: str) -> Iterator[None]:
    """A lock that is free again when its holder dies.

    Its file is removed by who holds it. Who waited for a file that is gone begins again.
    """
    while True:
        path, file = begin(lambda path: path.open("ab"), f"{name}.lock")
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_at(file, path):
                continue
            try:
                yield
            finally:
                path.unlink()
            return


def claim(begin: Begin, name: str, who: str) -> AbstractContextManager[str | None]:
    """Hold the lock of a name for as long as the context lasts, without waiting for it.

    It gives None; or, where another has the lock, what that said of itself.
    """
    return (_claim_by_system if HAS_LOCKS else _claim_by_tokens)(begin, name, who)


@contextmanager
def _claim_by_system(begin: Begin, name: str, who: str) -> Iterator[str | None]:
    while True:
        path, file = begin(lambda path: path.open("a+b"), f"{name}.lock")
        with file:
            file.seek(0)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield file.read().decode("utf-8", "replace") or SOMEBODY
                return
            if not _is_at(file, path):
                continue
            try:
                file.truncate()
                file.write(who.encode())
                file.flush()
                yield None
            finally:
                path.unlink(missing_ok=True)
            return


@contextmanager
def _claim_by_tokens(begin: Begin, name: str, who: str) -> Iterator[str | None]:
    """A token that is made newer as long as its holder lives."""

    def put() -> Path:
        path, file = begin(lambda path: path.open("wb"), token)
        with file:
            file.write(who.encode())
        return path

    token = f"{name}.{secrets.token_hex(8)}.token"
    path = put()
    over = threading.Event()
    renewing = threading.Thread(target=_renew, args=(path, over), daemon=True)
    try:
        for _ in range(_CLAIMS):  # those who come at the same instant step back and try again
            if _is_alone(path, name):
                renewing.start()
                yield None
                return
            path.unlink()
            time.sleep(secrets.randbelow(1000) / 1000)
            put()
        others = [each for each in path.parent.glob(f"{name}.*.token") if each != path]
        yield others[0].read_text("utf-8", "replace") if others else SOMEBODY
    finally:
        over.set()
        path.unlink(missing_ok=True)


def _renew(path: Path, over: threading.Event) -> None:
    while not over.wait(_EXPIRY / 5):
        with suppress(OSError):  # the next time may do
            os.utime(path)


def _is_at(file: IO[bytes], path: Path) -> bool:
    """Whether an open file is the one of that name, and none that was removed before."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


@contextmanager
def _by_tokens(begin: Begin, name: str) -> Iterator[None]:
    """As in a bucket: each who wants the lock makes a token and lists the tokens.

    Who finds its own alone has the lock; who does not takes its own away and tries again. Of two
    who make before they list, one at least sees the other. Ages are by the file system's clock.
    """
    end = time.monotonic() + _PATIENCE
    pause = 0.005
    while True:
        path, file = begin(lambda path: path.open("xb"), f"{name}.{secrets.token_hex(8)}.token")
        file.close()
        try:
            if _is_alone(path, name):
                yield
                return
        finally:
            path.unlink(missing_ok=True)
        if time.monotonic() > end:
            raise OSError(errno.ETIMEDOUT, f"its lock was held for {_PATIENCE:.0f} s", str(path))
        time.sleep(pause * (0.5 + secrets.randbelow(1000) / 1000))
        pause = min(0.5, pause * 1.5)


def _is_alone(path: Path, name: str) -> bool:
    """Whether no other token lies there that is alive; those that are dead are removed."""
    now = path.stat().st_mtime
    is_alone = True
    for other in path.parent.glob(f"{name}.*.token"):
        if other == path:
            continue
        with suppress(FileNotFoundError):
            if now - other.stat().st_mtime > _EXPIRY:
                other.unlink()
            else:
                is_alone = False
    return is_alone
