"""A catalog in a folder: each file whole, named and on the disk before the next refers to it."""

import errno
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

from stacgen.errors import OutputError
from stacgen.models import ByteRange
from stacgen.ports import Entry, Version
from stacgen.store import lock

_Made = TypeVar("_Made")

_HIDDEN = ".stacgen"
"""Folder under the root for files in the making; readers never look there."""

_OF_SYSTEM = ("lost+found", "System Volume Information", "$RECYCLE.BIN")
"""Folders that systems keep in the root of a disk, and that few may read; no file lies there."""

_BATCH = 512
"""Files that `write_all` flushes together."""

_FLUSHERS = 16
"""Of them, at the same time."""

_ATTEMPTS = 100
"""To make a file in the hidden folder, which other builds make and remove at the same time."""

_CHUNK = 1 << 20
"""Bytes read at a time."""

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
"""What file systems say that give a file one name only."""

_IS_WINDOWS = os.name == "nt"

_IN_THE_MAKING = re.compile("(doctor-)?[0-9a-f]{16}")
"""Names in the hidden folder that are no locks, and that no one else gave."""

_LONGEST_BUILD = 2 * 24 * 3600
"""Seconds after which a file in the making is taken to be given up."""


class Folder:
    """Keeps files under a root folder, which is made when the first is written.

    A file is written under another name in the root, flushed to the disk (fsync), renamed, and its
    folder flushed. After a power cut a name therefore stands for a whole file or for none.

    A disk has no compare-and-swap: `swap` compares and renames under a lock, mostly one of the
    operating system, which is free again when its holder dies. So all who write must see one file
    system.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def __getstate__(self) -> dict[str, Path]:
        """For another process, in which a relative path may lead elsewhere."""
        return {"_root": self._root.absolute()}

    @property
    def address(self) -> str:
        """The path, as it was given."""
        return str(self._root)

    @property
    def means(self) -> str:
        """By what `swap` lets one writer through at a time, for people."""
        return lock.MEANS

    @property
    def at_once(self) -> int:
        """See `stacgen.ports.Store`; threads that only take turns cost more than the disk does."""
        return 1

    def read(self, key: str) -> bytes | None:
        """See `stacgen.ports.Store`."""
        with _translated(key):
            try:
                return (self._root / key).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def read_versioned(self, key: str) -> tuple[bytes, Version] | None:
        """See `stacgen.ports.Store`; the version is the checksum."""
        content = self.read(key)
        return None if content is None else (content, sha256(content).hexdigest())

    def size(self, key: str) -> int | None:
        """See `stacgen.ports.Readable`."""
        entry = self.stat(key)
        return None if entry is None else entry.size

    def read_part(self, key: str, part: ByteRange) -> bytes:
        """See `stacgen.ports.Readable`."""
        with _translated(key), (self._root / key).open("rb") as file:
            file.seek(part.offset)
            return file.read(part.length)

    def stat(self, key: str) -> Entry | None:
        """See `stacgen.ports.Store`."""
        with _translated(key):
            try:
                found = (self._root / key).stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return Entry(key=key, size=found.st_size, modified=_time(found))

    def holds(self, key: str) -> bool:
        """Whether a key is a file, and one under the root and not hidden, where links lead, too."""
        try:
            path = (self._root / key).resolve()
            parts = path.relative_to(self._root.resolve()).parts
            return path.is_file() and not any(part.startswith(".") for part in parts)
        except (OSError, RuntimeError, ValueError):  # too long, a loop, or elsewhere
            return False

    def stream(self, entry: Entry, start: int, stop: int) -> Iterator[bytes]:
        """See `stacgen.ports.Store`."""
        with _translated(entry.key):
            file = (self._root / entry.key).open("rb")
            now = os.fstat(file.fileno())
            if (now.st_size, _time(now)) != (entry.size, entry.modified):
                file.close()
                raise FileNotFoundError(errno.ESTALE, "it has changed", entry.key)
        return _chunks(file, start, stop)

    def sha256(self, key: str) -> str:
        """See `stacgen.ports.Store`."""
        with _translated(key), (self._root / key).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def list(self, prefix: str) -> Iterator[Entry]:
        """See `stacgen.ports.Store`; a list that lacks what cannot be read would be a false one."""
        with _translated(prefix):
            for folder, names, files in os.walk(self._root / prefix, onerror=_unless_gone):
                names[:] = sorted(set(filter(_is_shown, names)).difference(_OF_SYSTEM))
                for name in filter(_is_shown, sorted(files)):
                    path = Path(folder, name).relative_to(self._root)
                    entry = self.stat(path.as_posix())
                    if entry is not None:
                        yield entry

    def download(self, key: str, path: Path) -> str:
        """See `stacgen.ports.Store`."""
        digest = sha256()
        with _translated(key), (self._root / key).open("rb") as source, path.open("xb") as target:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                target.write(chunk)
        return digest.hexdigest()

    def write(self, key: str, content: bytes | Path, media_type: str) -> None:  # noqa: ARG002
        """See `stacgen.ports.Store`; a file from `scratch` is moved, and a folder has no types."""
        target = self._root / key
        with _translated(key):
            if isinstance(content, Path):
                _flush(content)
                _place(content, target, os.replace)
            else:
                with self._written(content) as file:
                    _place(file, target, os.replace)

    def create(self, key: str, content: bytes, media_type: str) -> bool:
        """See `stacgen.ports.Store`; a second name for the file is made, which replaces none."""
        target = self._root / key
        with _translated(key):
            try:
                with self._written(content) as file:
                    _place(file, target, os.link)
            except FileExistsError:
                return self.read(key) == content
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                with self._locked(key):
                    if not target.exists():
                        self.write(key, content, media_type)
                    return self.read(key) == content
        return True

    def swap(self, key: str, content: bytes, media_type: str, expected: Version) -> bool:
        """See `stacgen.ports.Store`."""
        with _translated(key), self._locked(key):
            found = self.read_versioned(key)
            if found is None or found[1] != expected:
                return found is not None and found[0] == content
            self.write(key, content, media_type)
        return True

    def delete(self, key: str) -> None:
        """See `stacgen.ports.Store`; folders that it leaves empty go, too."""
        target = self._root / key
        with _translated(key), suppress(FileNotFoundError, NotADirectoryError):
            target.unlink()
            _flush(target.parent)
            with suppress(OSError):
                for parent in target.parents:
                    if parent == self._root:
                        break
                    parent.rmdir()

    def write_all(self, files: Iterable[tuple[str, bytes, str]]) -> None:
        """See `stacgen.ports.Store`; a disk flushes many files at once nearly as fast as one."""
        batches = iter(files)
        with ThreadPoolExecutor(_FLUSHERS) as pool:
            while batch := list(islice(batches, _BATCH)):
                with self.scratch() as folder, _translated(batch[0][0]):
                    waiting = {
                        folder / str(n): self._root / key for n, (key, *_) in enumerate(batch)
                    }
                    for path, (_, content, _) in zip(waiting, batch, strict=True):
                        path.write_bytes(content)
                    list(pool.map(_flush_all, _shares(waiting)))
                    parents = dict.fromkeys(target.parent for target in waiting.values())
                    made = [name for parent in parents for name in _make_folder(parent)]
                    for path, target in waiting.items():
                        path.replace(target)
                    names = parents | dict.fromkeys(name.parent for name in made)
                    list(pool.map(_flush_all, _shares(names)))

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """See `stacgen.ports.Store`; it lies in the root, so that a rename is all it takes."""
        with _translated(_HIDDEN):
            folder, _ = self._begin(Path.mkdir)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            self._tidy()

    @contextmanager
    def hold(self, name: str, who: str) -> Iterator[str | None]:
        """See `stacgen.ports.Store`; mostly a lock whose holder died is free at once."""
        with ExitStack() as held:
            with _translated(name):
                holder = held.enter_context(lock.claim(self._begin, name, who))
            yield holder
        self._tidy()

    @contextmanager
    def _written(self, content: bytes) -> Iterator[Path]:
        """A file of that content in the hidden folder, on the disk, until it is moved."""
        path, file = self._begin(lambda path: path.open("xb"))
        try:
            with file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            yield path
        finally:
            path.unlink(missing_ok=True)
            self._tidy()

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """Hold the lock of a key against other processes and threads."""
        try:
            with lock.hold(self._begin, sha256(key.encode()).hexdigest()[:16]):
                yield
        finally:
            self._tidy()

    def _begin(self, make: Callable[[Path], _Made], name: str | None = None) -> tuple[Path, _Made]:
        """Make something in the hidden folder, under a new name unless one is given.

        Another build may remove that folder, being empty, at any instant; then it is made again.
        """
        hidden = self._root / _HIDDEN
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                for made in _make_folder(self._root):
                    _flush(made.parent)
                hidden.mkdir(exist_ok=True)
                path = hidden / (name or secrets.token_hex(8))
                return path, make(path)
            except (FileNotFoundError, FileExistsError):
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError  # the loop returns or raises

    def _tidy(self) -> None:
        """Remove the hidden folder if it is empty, and what a build killed long ago left in it.

        A lock is not removed however old, since one who holds it may yet live; it goes with who
        takes it next.
        """
        hidden = self._root / _HIDDEN
        with suppress(OSError):
            for path in filter(_is_in_the_making, hidden.iterdir()):
                if path.stat().st_mtime < time.time() - _LONGEST_BUILD:
                    shutil.rmtree(path, ignore_errors=True)
                    path.unlink(missing_ok=True)
            hidden.rmdir()


def _place(file: Path, target: Path, move: Callable[[Path, Path], None]) -> None:
    """Give a file that is on the disk its name, and have that on the disk, too.

    Folders are made anew if they go while this happens, as empty ones may.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            for made in _make_folder(target.parent):
                _flush(made.parent)
            move(file, target)
            _flush(target.parent)
        except FileNotFoundError:
            if attempt == _ATTEMPTS or not file.exists():
                raise
        else:
            return


def _is_shown(name: str) -> bool:
    return not name.startswith(".")


def _is_in_the_making(path: Path) -> bool:
    return _IN_THE_MAKING.fullmatch(path.name) is not None


def _unless_gone(error: OSError) -> None:
    """Raise what a folder was not read for, unless there is no such folder."""
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise error


def _time(found: os.stat_result) -> datetime:
    return datetime.fromtimestamp(found.st_mtime, UTC)


def _chunks(file: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
    with file:
        file.seek(start)
        while start < stop and (chunk := file.read(min(_CHUNK, stop - start))):
            start += len(chunk)
            yield chunk


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder and those above it; those that were not there, the uppermost first."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
    return missing[::-1]


def _flush(path: Path) -> None:
    """Have the disk hold what the file, or the folder's list of names, holds.

    Windows flushes what is open for writing alone, and no folder: NTFS keeps a journal of names.
    """
    if _IS_WINDOWS and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if _IS_WINDOWS else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _flush_all(paths: Iterable[Path]) -> None:
    for path in paths:
        _flush(path)


def _shares(paths: Iterable[Path]) -> list[list[Path]]:
    """One share of the paths a flusher, for a thread costs more to ask than a flush may take."""
    every = list(paths)
    return [every[first::_FLUSHERS] for first in range(min(_FLUSHERS, len(every)))]


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        place = error.filename or key
        raise OutputError(
            f"The output {place} cannot be used: {reason}. What was published before still stands."
        ) from error
