"""A catalog in a folder: each file whole, named and on the disk before the next refers to it."""

import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

from stacgen import tiles
from stacgen.errors import OutputError, UsageError
from stacgen.models import ByteRange
from stacgen.ports import Entry, Version
from stacgen.store import lock

_Made = TypeVar("_Made")

_Move = Callable[[Path, Path], None]
"""Gives the file at the first path the second as its name."""

_HIDDEN = ".stacgen"
"""Folder under the root for files in the making; readers never look there."""

_TILE = "catalog.json"
"""The document that the folder of a tile holds."""

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

_UNABLE = (
    *(errno.EACCES, errno.EBADF, errno.EINVAL, errno.EISDIR, errno.EMLINK, errno.ENOSYS),
    *(errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.EXDEV),
)
"""Answers of file systems that have no hard links, or that do not flush folders."""

_IS_WINDOWS = os.name == "nt"

_IN_THE_MAKING = re.compile("(doctor-)?[0-9a-f]{16}")
"""Names in the hidden folder that are no locks, and that no one else gave."""

_LONGEST_BUILD = 2 * 24 * 3600
"""Seconds after which a file in the making is taken to be given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """Which calls a file system answers; for each that it does not, `Folder` has another way."""

    flock: bool
    """Locks that are free again when their holder dies; else files with a lease."""

    hard_links: bool
    """A second name for a file, which replaces none; else a rename under a lock."""

    folder_fsync: bool
    """A flush of the names in a folder; else none."""


class Folder:
    """Keeps files under a root folder, which is made when the first is written.

    A file is written under another name in the root, flushed to the disk (fsync), renamed, and its
    folder flushed. After a power cut a name therefore stands for a whole file or for none; on a
    file system that flushes no folders, a name may then be lost, but its file is whole.

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
        with _translated(_HIDDEN):
            return lock.means(by_flock=self._has_flock)

    def capabilities(self) -> Capabilities:
        """Try what a file system may lack, on files of our own that are gone afterwards."""
        with _translated(_HIDDEN), self._written(b"") as file:
            second = file.with_name(secrets.token_hex(8))
            return Capabilities(
                flock=self._has_flock,
                hard_links=_is_able(lambda: _link_twice(file, second)),
                folder_fsync=_is_able(lambda: _flush(file.parent)),
            )

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
        """True for a file under the root that is not hidden, once all links are followed.

        The folder of a tile may be a link to another disk; then what lies under that is meant.
        """
        try:
            path = (self._root / key).resolve()
            tile = self._root / key.partition("/")[0]
            is_linked = _is_tile_link(tile) and (tile / _TILE).is_file()
            parts = path.relative_to((tile if is_linked else self._root).resolve()).parts
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
            walk = os.walk(self._root / prefix, onerror=_unless_gone, followlinks=True)
            for folder, names, files in walk:
                shown = set(filter(_is_shown, names)).difference(_OF_SYSTEM)
                names[:] = sorted(name for name in shown if self._is_walked(Path(folder, name)))
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
                self._place(content, target, os.replace)
            else:
                with self._written(content) as file:
                    self._place(file, target, os.replace)

    def create(self, key: str, content: bytes, media_type: str) -> bool:  # noqa: ARG002
        """See `stacgen.ports.Store`; a second name for the file is made, which replaces none."""
        with _translated(key), self._written(content) as file:
            try:
                self._place(file, self._root / key, os.link)
            except FileExistsError:
                return self.read(key) == content
            except OSError as error:
                if error.errno not in _UNABLE:
                    raise
                return self._change_locked(key, content, None)
        return True

    def swap(self, key: str, content: bytes, media_type: str, expected: Version) -> bool:  # noqa: ARG002
        """See `stacgen.ports.Store`."""
        with _translated(key):
            return self._change_locked(key, content, expected)

    def delete(self, key: str) -> None:
        """See `stacgen.ports.Store`; folders that it leaves empty go, too."""
        target = self._root / key
        with _translated(key), suppress(FileNotFoundError, NotADirectoryError):
            target.unlink()
            _flush_folder(target.parent)
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
                    _flush_all(_flush, waiting, pool)
                    parents = dict.fromkeys(target.parent for target in waiting.values())
                    made = [name for parent in parents for name in _make_folder(parent)]
                    for path, target in waiting.items():
                        self._move(path, target, os.replace)
                    names = parents | dict.fromkeys(name.parent for name in made)
                    _flush_all(_flush_folder, names, pool)

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
                holder = held.enter_context(
                    lock.claim(self._begin, name, who, by_flock=self._has_flock)
                )
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

    def _change_locked(self, key: str, content: bytes, expected: Version | None) -> bool:
        """Put a file under a lock; `expected` is None where there must be none."""
        name = sha256(key.encode()).hexdigest()[:16]
        try:
            with lock.hold(self._begin, name, by_flock=self._has_flock) as is_held:
                found = self.read_versioned(key)
                if (found and found[1]) != expected:
                    return found is not None and found[0] == content
                with self._written(content) as file:
                    if not is_held():
                        return False
                    self._place(file, self._root / key, os.replace)
        finally:
            self._tidy()
        return True

    def _is_walked(self, folder: Path) -> bool:
        """True unless a folder is a link to elsewhere, but for that of a tile on another disk."""
        return not folder.is_symlink() or (folder.parent == self._root and _is_tile_link(folder))

    @cached_property
    def _has_flock(self) -> bool:
        return lock.has_flock(self._begin)

    def _place(self, file: Path, target: Path, move: _Move) -> None:
        """Give a file that is on the disk its name, and have that on the disk, too.

        Folders are made again if they go while this happens, as empty ones may.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                for made in _make_folder(target.parent):
                    _flush_folder(made.parent)
                self._move(file, target, move)
                _flush_folder(target.parent)
            except FileNotFoundError:
                if attempt == _ATTEMPTS or not file.exists():
                    raise
            else:
                return

    def _move(self, file: Path, target: Path, move: _Move) -> None:
        """Give a file its name; where that is on another disk, to a copy of it there."""
        try:
            move(file, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            with self._copied(file, self._disk_of(target)) as copy:
                move(copy, target)

    def _disk_of(self, target: Path) -> Path:
        """The folder above a file where its disk begins, or the next one if none shows."""
        inner = [each for each in target.parents if self._root in each.parents]
        is_disk = (each for each in inner if each.is_symlink() or os.path.ismount(each))
        return next(is_disk, target.parent)

    @contextmanager
    def _copied(self, file: Path, folder: Path) -> Iterator[Path]:
        """A copy of a file in the hidden folder of another disk, until it is moved."""
        path, copy = self._begin(lambda path: path.open("xb"), under=folder)
        try:
            with copy, file.open("rb") as source:
                shutil.copyfileobj(source, copy, _CHUNK)
                copy.flush()
                os.fsync(copy.fileno())
            yield path
        finally:
            path.unlink(missing_ok=True)
            self._tidy(folder)

    def _begin(
        self, make: Callable[[Path], _Made], name: str | None = None, *, under: Path | None = None
    ) -> tuple[Path, _Made]:
        """Make something in a hidden folder, under a new name unless one is given.

        Another build may remove that folder, being empty, at any instant; then it is made again.

        Args:
            make: Makes it at a path.
            name: Of it.
            under: The folder that holds the hidden one; the root, unless given.
        """
        folder = under or self._root
        hidden = folder / _HIDDEN
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                for made in _make_folder(folder):
                    _flush_folder(made.parent)
                hidden.mkdir(exist_ok=True)
                path = hidden / (name or secrets.token_hex(8))
                return path, make(path)
            except (FileNotFoundError, FileExistsError):
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError  # the loop returns or raises

    def _tidy(self, folder: Path | None = None) -> None:
        """Remove a hidden folder if it is empty, and what a build killed long ago left in it.

        Ages are by the file system's own clock: a name was removed just now, which made the hidden
        folder new. A lock is not removed however old, since its holder may be alive; the next
        holder removes it.
        """
        hidden = (folder or self._root) / _HIDDEN
        with suppress(OSError):
            hidden.rmdir()
            return
        with suppress(OSError):
            now = hidden.stat().st_mtime
            for path in filter(_is_in_the_making, hidden.iterdir()):
                if now - path.stat().st_mtime > _LONGEST_BUILD:
                    shutil.rmtree(path, ignore_errors=True)
                    path.unlink(missing_ok=True)
            hidden.rmdir()


def _is_shown(name: str) -> bool:
    return not name.startswith(".")


def _is_in_the_making(path: Path) -> bool:
    return _IN_THE_MAKING.fullmatch(path.name) is not None


def _is_tile_link(path: Path) -> bool:
    """True for a link to a folder that has the name of a tile."""
    try:
        return path.is_symlink() and path.is_dir() and tiles.parse(path.name) == path.name
    except UsageError:
        return False


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
        try:
            each.mkdir(exist_ok=True)
        except FileExistsError as error:
            if each.is_symlink() or each.is_file():
                reason = "it is a file, or a link to what is not there"
                raise NotADirectoryError(errno.ENOTDIR, reason, str(each)) from error
            raise  # another process made it, and removed it again
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


def _link_twice(file: Path, second: Path) -> None:
    os.link(file, second)
    second.unlink()


def _is_able(call: Callable[[], object]) -> bool:
    """True unless the file system answers that it cannot do that."""
    try:
        call()
    except OSError as error:
        if error.errno not in _UNABLE:
            raise
        return False
    return True


def _flush_folder(folder: Path) -> None:
    """Have the disk hold a folder's list of names, where the file system can be told to."""
    _is_able(lambda: _flush(folder))


def _flush_all(
    flush: Callable[[Path], None], paths: Iterable[Path], pool: ThreadPoolExecutor
) -> None:
    """Flush paths, one share per thread, since a thread costs more to ask than a flush may take."""
    every = list(paths)

    def flush_share(first: int) -> None:
        for path in every[first::_FLUSHERS]:
            flush(path)

    list(pool.map(flush_share, range(min(_FLUSHERS, len(every)))))


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
