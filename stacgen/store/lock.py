"""One holder at a time, of a name in a folder.

`flock` sees to it where the file system has it. Where it has not (Lustre with `noflock`, many NFS
and FUSE file systems, Windows), each process that wants the lock creates a token and lists the
tokens; a token whose time is five minutes from that of a new one belongs to a dead process. Both
kinds respect each other, since one computer may mount a file system with `flock` and another
without it.
"""

import errno
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    _HAS_FCNTL = False
else:
    _HAS_FCNTL = True

Begin = Callable[[Callable[[Path], IO[bytes]], str], tuple[Path, IO[bytes]]]
"""Opens a file of a name in the folder of locks, and makes that folder first if it is not there."""

IsHeld = Callable[[], bool]
"""False once another process may have taken the lock for that of a dead one."""

_EXPIRY = 300.0
"""Seconds between the times of two files after which the holder of the older one is dead."""

_HOLD = 120.0
"""Seconds for which a token is held that nobody renews; less than `_EXPIRY`."""

_PATIENCE = 900.0
"""Seconds to wait."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.5
"""Seconds between two tries to get a lock, on average."""

_CLAIMS = 5
"""Times to try to have a lock that is not waited for."""

SOMEBODY = "another process"
"""Who has a lock and says nothing."""


def has_flock(begin: Begin) -> bool:
    """Try `flock` on a file of our own.

    Errors differ (ENOSYS, ENOLCK, EOPNOTSUPP, EBADF and others), so any of them counts.
    """
    if not _HAS_FCNTL:
        return False
    path, file = begin(lambda path: path.open("xb"), secrets.token_hex(8))
    try:
        with file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        path.unlink(missing_ok=True)
    return True


def means(*, by_flock: bool) -> str:
    """Name the kind of lock, for people."""
    return "a lock of the operating system" if by_flock else "files that stand for a lock"


def hold(begin: Begin, name: str, *, by_flock: bool) -> AbstractContextManager[IsHeld]:
    """Hold the lock of a name against other processes and threads, as long as the context lasts.

    Raises:
        OSError: The folder cannot be used, or others held the lock for a quarter of an hour.
    """
    return (_hold_by_flock if by_flock else _hold_by_token)(begin, name)


def claim(
    begin: Begin, name: str, owner: str, *, by_flock: bool
) -> AbstractContextManager[str | None]:
    """Try to take the lock of a name without waiting, and hold it as long as the context lasts.

    It gives None, or the `owner` of the process that has the lock.
    """
    return (_claim_by_flock if by_flock else _claim_by_token)(begin, name, owner)


@contextmanager
def _hold_by_flock(begin: Begin, name: str) -> Iterator[IsHeld]:
    """A lock that is free again when its holder dies.

    Its file is removed by its holder. A process that waited for a file that is gone begins again.
    """
    while True:
        path, file = begin(lambda path: path.open("ab"), f"{name}.lock")
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_at(file, path):
                continue
            try:
                os.utime(path)  # a dead process may have left the file, which then is an old one
                if not _rivals(path, name):
                    yield partial(_is_at, file, path)
                    return
            finally:
                _remove(file, path)
        time.sleep(_random(_FIRST_PAUSE))


@contextmanager
def _hold_by_token(begin: Begin, name: str) -> Iterator[IsHeld]:
    """A token that is alone.

    Of two processes that create a token before they list, one at least sees the other. A process
    that is not alone removes its token and tries again.
    """
    begun = time.monotonic()
    pause = _FIRST_PAUSE
    while True:
        end = time.monotonic() + _HOLD
        path, file = begin(lambda path: path.open("xb"), _token(name))
        file.close()
        try:
            if not _rivals(path, name):
                yield partial(_is_lasting, path, end)
                return
        finally:
            path.unlink(missing_ok=True)
        if time.monotonic() > begun + _PATIENCE:
            raise OSError(errno.ETIMEDOUT, f"its lock was held for {_PATIENCE:.0f} s", str(path))
        time.sleep(_random(pause))
        pause = min(_LONGEST_PAUSE, pause * 1.5)


@contextmanager
def _claim_by_flock(begin: Begin, name: str, owner: str) -> Iterator[str | None]:
    while True:
        path, file = begin(lambda path: path.open("a+b"), f"{name}.lock")
        with file:
            file.seek(0)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield _owner(file.read())
                return
            if not _is_at(file, path):
                continue
            try:
                file.truncate()
                file.write(owner.encode())
                file.flush()
                os.utime(path)
                with _renewed(path):
                    yield _owner_of(_rivals(path, name))
            finally:
                _remove(file, path)
            return


@contextmanager
def _claim_by_token(begin: Begin, name: str, owner: str) -> Iterator[str | None]:
    others: list[Path] = []
    for attempt in range(_CLAIMS):  # those that come at the same instant step back and try again
        if attempt:
            time.sleep(_random(_LONGEST_PAUSE))
        path, file = begin(lambda path: path.open("xb"), _token(name))
        try:
            with file:
                file.write(owner.encode())
            others = _rivals(path, name)
            if not others:
                with _renewed(path):
                    yield None
                return
        finally:
            path.unlink(missing_ok=True)
    yield _owner_of(others)


def _random(mean: float) -> float:
    """Seconds between half and one and a half of the mean."""
    return mean * (0.5 + secrets.randbelow(1000) / 1000)


def _token(name: str) -> str:
    return f"{name}.{secrets.token_hex(8)}.token"


def _rivals(path: Path, name: str) -> list[Path]:
    """Other files of a lock whose processes live; those of dead processes are removed.

    Times are compared with that of the file at `path`, which was written just now, so that all are
    of the file system's clock. A time ahead of it is of a clock that was wrong, and counts as old.
    """
    try:
        now = path.stat().st_mtime
    except FileNotFoundError:  # it was taken for that of a dead process
        return [path]
    found = []
    for other in path.parent.glob(f"{name}.*"):
        with suppress(FileNotFoundError):
            if abs(now - other.stat().st_mtime) > _EXPIRY:
                other.unlink()
            elif other != path:
                found.append(other)
    return found


@contextmanager
def _renewed(path: Path) -> Iterator[None]:
    """Keep the time of a file new while the context lasts."""
    over = threading.Event()

    def renew() -> None:
        while not over.wait(_EXPIRY / 5):
            with suppress(OSError):  # the next time may do
                os.utime(path)

    threading.Thread(target=renew, daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _owner_of(files: list[Path]) -> str | None:
    """What the first of the files that can be read says; None where there are no files."""
    for each in files:
        with suppress(OSError):
            return _owner(each.read_bytes())
    return SOMEBODY if files else None


def _owner(content: bytes) -> str:
    return content.decode("utf-8", "replace") or SOMEBODY


def _remove(file: IO[bytes], path: Path) -> None:
    """Remove the file of a lock, unless the path is that of another by now."""
    if _is_at(file, path):
        path.unlink(missing_ok=True)


def _is_lasting(token: Path, end: float) -> bool:
    """True for a token that is there, until a time of `time.monotonic`."""
    return time.monotonic() < end and token.exists()


def _is_at(file: IO[bytes], path: Path) -> bool:
    """Whether an open file is the one of that name, and none that was removed before."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
