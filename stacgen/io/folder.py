"""A catalog in a folder: each file whole, named and on the disk before the next refers to it."""

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from stacgen.errors import OutputError, UsageError
from stacgen.io import file_lock, file_system, hidden_folder, lease
from stacgen.io.file_lock import FileTokens
from stacgen.io.file_system import Capabilities
from stacgen.io.hidden_folder import ATTEMPTS, HiddenFolder
from stacgen.io.lease import HeldError
from stacgen.model import mgrs
from stacgen.model.protocols import Entry, Version
from stacgen.model.stream import ByteRange

_Move = Callable[[Path, Path], None]
"""Gives the file at the first path the second as its name."""

_TILE = "catalog.json"
"""The document that the folder of a tile holds."""

_OF_SYSTEM = ("lost+found", "System Volume Information", "$RECYCLE.BIN")
"""Folders that systems keep in the root of a disk, and that few may read; no file lies there."""

_BATCH = 512
"""Files that `write_all` flushes together."""

_CHUNK = 1 << 20
"""Bytes read at a time."""


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
        self._hidden = HiddenFolder(root)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        """For another process, in which a relative path may lead elsewhere."""
        return type(self), (self._root.absolute(),)

    @property
    def address(self) -> str:
        """The path, as it was given."""
        return str(self._root)

    @property
    def means(self) -> str:
        """By what `swap` lets one writer through at a time, for people."""
        with _translated(hidden_folder.NAME):
            return "a lock of the operating system" if self._has_flock else "a lease of files"

    def capabilities(self) -> Capabilities:
        """Try what a file system may lack, on files of our own that are gone afterwards."""
        with _translated(hidden_folder.NAME), self._hidden.written(b"") as file:
            second = file.with_name(secrets.token_hex(8))
            return Capabilities(
                flock=self._has_flock,
                hard_links=file_system.is_able(lambda: file_system.link_twice(file, second)),
                folder_fsync=file_system.is_able(lambda: file_system.flush(file.parent)),
            )

    @property
    def at_once(self) -> int:
        """See `Store`; threads that only take turns cost more than the disk does."""
        return 1

    def read(self, key: str) -> bytes | None:
        """See `model.protocols.Store`."""
        with _translated(key):
            try:
                return (self._root / key).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def read_versioned(self, key: str) -> tuple[bytes, Version] | None:
        """See `model.protocols.Store`; the version is the checksum."""
        content = self.read(key)
        return None if content is None else (content, sha256(content).hexdigest())

    def size(self, key: str) -> int | None:
        """See `model.protocols.Readable`."""
        entry = self.stat(key)
        return None if entry is None else entry.size

    def read_part(self, key: str, part: ByteRange) -> bytes:
        """See `model.protocols.Readable`."""
        with _translated(key), (self._root / key).open("rb") as file:
            file.seek(part.offset)
            return file.read(part.length)

    def stat(self, key: str) -> Entry | None:
        """See `model.protocols.Store`."""
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
        """See `model.protocols.Store`."""
        with _translated(entry.key):
            file = (self._root / entry.key).open("rb")
            now = os.fstat(file.fileno())
            if (now.st_size, _time(now)) != (entry.size, entry.modified):
                file.close()
                raise FileNotFoundError(errno.ESTALE, "it has changed", entry.key)
        return _chunks(file, start, stop)

    def sha256(self, key: str) -> str:
        """See `model.protocols.Store`."""
        with _translated(key), (self._root / key).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def list(self, prefix: str) -> Iterator[Entry]:
        """See `Store`; a list that lacks what cannot be read would be a false one."""
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
        """See `model.protocols.Store`."""
        digest = sha256()
        with _translated(key), (self._root / key).open("rb") as source, path.open("xb") as target:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                target.write(chunk)
        return digest.hexdigest()

    def write(self, key: str, content: bytes | Path, media_type: str) -> None:  # noqa: ARG002
        """See `Store`; a file from `scratch` is moved, and a folder has no types."""
        target = self._root / key
        with _translated(key):
            if isinstance(content, Path):
                file_system.flush(content)
                self._place(content, target, os.replace)
            else:
                with self._hidden.written(content) as file:
                    self._place(file, target, os.replace)

    def create(self, key: str, content: bytes, media_type: str) -> bool:  # noqa: ARG002
        """See `model.protocols.Store`; a second name for the file is made, which replaces none."""
        with _translated(key), self._hidden.written(content) as file:
            try:
                self._place(file, self._root / key, os.link)
            except FileExistsError:
                return self.read(key) == content
            except OSError as error:
                if error.errno not in file_system.UNABLE:
                    raise
                return self._change_locked(key, content, None)
        return True

    def swap(self, key: str, content: bytes, media_type: str, expected: Version) -> bool:  # noqa: ARG002
        """See `model.protocols.Store`."""
        with _translated(key):
            return self._change_locked(key, content, expected)

    def delete(self, key: str) -> None:
        """See `model.protocols.Store`; folders that it leaves empty go, too."""
        target = self._root / key
        with _translated(key), suppress(FileNotFoundError, NotADirectoryError):
            target.unlink()
            with suppress(FileNotFoundError):  # another process removed it, being empty
                file_system.flush_folder(target.parent)
            with suppress(OSError):
                for parent in target.parents:
                    if parent == self._root:
                        break
                    parent.rmdir()

    def write_all(self, files: Iterable[tuple[str, bytes, str]]) -> None:
        """See `model.protocols.Store`; a disk flushes many files at once nearly as fast as one."""
        batches = iter(files)
        with ThreadPoolExecutor(file_system.FLUSHERS) as pool:
            while batch := list(islice(batches, _BATCH)):
                with self.scratch() as folder, _translated(batch[0][0]):
                    waiting = {
                        folder / str(n): self._root / key for n, (key, *_) in enumerate(batch)
                    }
                    for path, (_, content, _) in zip(waiting, batch, strict=True):
                        path.write_bytes(content)
                    file_system.flush_all(file_system.flush, waiting, pool)
                    parents = dict.fromkeys(target.parent for target in waiting.values())
                    made = [name for parent in parents for name in file_system.make_folder(parent)]
                    for path, target in waiting.items():
                        self._move(path, target, os.replace)
                    names = parents | dict.fromkeys(name.parent for name in made)
                    file_system.flush_all(file_system.flush_folder, names, pool)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """See `model.protocols.Store`; it lies in the root, so that a rename is all it takes."""
        with _translated(hidden_folder.NAME):
            folder, _ = self._hidden.begin(Path.mkdir)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            self._hidden.tidy()

    @contextmanager
    def hold(self, name: str, owner: str) -> Iterator[str | None]:
        """See `model.protocols.Store`; with `flock`, a lock whose holder died is free at once."""
        with ExitStack() as held:
            holder = None
            with _translated(name):
                hold = file_lock.hold_flock if self._has_flock else lease.hold
                try:
                    held.enter_context(hold(FileTokens(self._hidden, name), owner))
                except HeldError as error:
                    holder = error.holder
            yield holder
        self._hidden.tidy()

    def _change_locked(self, key: str, content: bytes, expected: Version | None) -> bool:
        """Put a file under a lock; `expected` is None where there must be none."""
        tokens = FileTokens(self._hidden, sha256(key.encode()).hexdigest()[:16])
        wait = file_lock.wait_for_flock if self._has_flock else lease.wait
        try:
            with wait(tokens) as is_held:
                found = self.read_versioned(key)
                if (found and found[1]) != expected:
                    return found is not None and found[0] == content
                with self._hidden.written(content) as file:
                    if not is_held():
                        return False
                    self._place(file, self._root / key, os.replace)
        finally:
            self._hidden.tidy()
        return True

    def _is_walked(self, folder: Path) -> bool:
        """True unless a folder is a link to elsewhere, but for that of a tile on another disk."""
        return not folder.is_symlink() or (folder.parent == self._root and _is_tile_link(folder))

    @cached_property
    def _has_flock(self) -> bool:
        return file_lock.has_flock(self._hidden)

    def _place(self, file: Path, target: Path, move: _Move) -> None:
        """Give a file that is on the disk its name, and have that on the disk, too.

        Folders are made again if they go while this happens, as empty ones may.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                for made in file_system.make_folder(target.parent):
                    file_system.flush_folder(made.parent)
                self._move(file, target, move)
                file_system.flush_folder(target.parent)
            except FileNotFoundError:
                if attempt == ATTEMPTS or not file.exists():
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
            with HiddenFolder(self._disk_of(target)).copied(file) as copy:
                move(copy, target)

    def _disk_of(self, target: Path) -> Path:
        """The folder above a file where its disk begins, or the next one if none shows."""
        inner = [each for each in target.parents if self._root in each.parents]
        is_disk = (each for each in inner if each.is_symlink() or os.path.ismount(each))
        return next(is_disk, target.parent)


def _is_shown(name: str) -> bool:
    return not name.startswith(".")


def _is_tile_link(path: Path) -> bool:
    """True for a link to a folder that has the name of a tile."""
    try:
        return path.is_symlink() and path.is_dir() and mgrs.parse(path.name) == path.name
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
