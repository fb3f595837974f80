"""A lock in a folder: `flock` where the file system has it, else a lease.

Lustre with `noflock`, many NFS and FUSE file systems, and Windows have no `flock`. Both kinds
respect each other, since one computer may mount a file system with `flock` and another without it.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from stacgen.io import lease
from stacgen.io.hidden_folder import HiddenFolder
from stacgen.io.lease import HeldError, IsHeld

try:
    import fcntl
except ImportError:  # Windows
    _HAS_FCNTL = False
else:
    _HAS_FCNTL = True

_FLOCK = "lock"
"""Name, among the tokens, of the file that is locked by `flock`."""


class FileTokens:
    """Tokens, and the file of `flock`, as files `<lock>.<token>` of a hidden folder."""

    def __init__(self, hidden: HiddenFolder, lock: str) -> None:
        self._hidden = hidden
        self._lock = lock

    def open(self, name: str) -> tuple[Path, IO[bytes]]:
        """Open the file of a token to read and append, and make it if it is not there."""
        return self._hidden.begin(lambda path: path.open("a+b"), f"{self._lock}.{name}")

    def put(self, name: str, owner: bytes) -> None:
        """See `lease.Tokens`."""
        path, file = self.open(name)
        with file:
            _write_owner(file, owner)
        os.utime(path)

    def read(self, name: str) -> bytes:
        """See `lease.Tokens`."""
        return self._path(name).read_bytes()

    def times(self) -> dict[str, datetime]:
        """See `lease.Tokens`."""
        found = {}
        for path in self._hidden.path.glob(f"{self._lock}.*"):
            with suppress(FileNotFoundError):
                name = path.name.removeprefix(f"{self._lock}.")
                found[name] = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return found

    def remove(self, name: str) -> None:
        """See `lease.Tokens`."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._hidden.path / f"{self._lock}.{name}"


def has_flock(hidden: HiddenFolder) -> bool:
    """Try `flock` on a file of our own.

    Errors differ (ENOSYS, ENOLCK, EOPNOTSUPP, EBADF and others), so any of them counts.
    """
    if not _HAS_FCNTL:
        return False
    path, file = hidden.begin(lambda path: path.open("xb"), secrets.token_hex(8))
    try:
        with file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        path.unlink(missing_ok=True)
    return True


@contextmanager
def hold_flock(tokens: FileTokens, owner: str) -> Iterator[None]:
    """Take the lock without waiting for its holder, as long as the context lasts.

    It is free again when its holder dies. Computers without `flock` see that its time is renewed.

    Raises:
        HeldError: Another process holds it.
    """
    with _flocked(tokens, owner, fcntl.LOCK_EX | fcntl.LOCK_NB) as (path, _):
        if others := lease.rivals(tokens, _FLOCK):
            raise HeldError(lease.owner_of(tokens, others))
        with lease.renewed(lambda: os.utime(path)):
            yield


@contextmanager
def wait_for_flock(tokens: FileTokens) -> Iterator[IsHeld]:
    """Wait for the lock, and hold it as long as the context lasts."""
    while True:
        with _flocked(tokens, "", fcntl.LOCK_EX) as (path, file):
            if not lease.rivals(tokens, _FLOCK):
                yield lambda: _is_at(file, path)
                return
        lease.pause(0.02)


@contextmanager
def _flocked(tokens: FileTokens, owner: str, operation: int) -> Iterator[tuple[Path, IO[bytes]]]:
    """Lock the file, which its holder removes; a process that waited for that one begins again."""
    while True:
        path, file = tokens.open(_FLOCK)
        with file:
            try:
                fcntl.flock(file, operation)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().decode("utf-8", "replace") or lease.SOMEBODY
                raise HeldError(holder) from None
            if not _is_at(file, path):
                continue
            try:
                _write_owner(file, owner.encode())
                os.utime(path)  # a dead process may have left the file, which then is an old one
                yield path, file
            finally:
                if _is_at(file, path):
                    path.unlink()
            return


def _write_owner(file: IO[bytes], owner: bytes) -> None:
    """Have a file hold the owner and nothing else."""
    file.truncate(0)
    file.write(owner)
    file.flush()


def _is_at(file: IO[bytes], path: Path) -> bool:
    """True if an open file is the one of that path, and none that was removed before."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
