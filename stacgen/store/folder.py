"""A catalog in a folder: each file whole, named and on the disk before the next refers to it."""

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TypeVar

from stacgen.errors import OutputError
from stacgen.models import ByteRange
from stacgen.ports import Entry

_Made = TypeVar("_Made")

_HIDDEN = ".stacgen"
"""Folder under the root for files in the making; readers never look there."""

_BATCH = 512
"""Files that `write_all` flushes together."""

_FLUSHERS = 16
"""Of them, at the same time."""

_ATTEMPTS = 100
"""To make a file in the hidden folder, which other builds make and remove at the same time."""

_LONGEST_BUILD = 2 * 24 * 3600
"""Seconds after which a file in the making is taken to be given up."""


class Folder:
    """Keeps files under a root folder, which is made when the first is written.

    A file is written under another name in the root, flushed to the disk (fsync), renamed, and its
    folder flushed. After a power cut a name therefore stands for a whole file or for none.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def address(self) -> str:
        """The path, as it was given."""
        return str(self._root)

    def read(self, key: str) -> bytes | None:
        """See `stacgen.ports.Store`."""
        with _translated(key):
            try:
                return (self._root / key).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

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
        modified = datetime.fromtimestamp(found.st_mtime, UTC)
        return Entry(key=key, size=found.st_size, modified=modified)

    def sha256(self, key: str) -> str:
        """See `stacgen.ports.Store`."""
        with _translated(key), (self._root / key).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def list(self, prefix: str) -> Iterator[Entry]:
        """See `stacgen.ports.Store`."""
        for folder, names, files in os.walk(self._root / prefix):
            names[:] = sorted(name for name in names if not name.startswith("."))
            for name in sorted(files):
                path = Path(folder, name).relative_to(self._root)
                entry = self.stat(path.as_posix())
                if entry is not None and not name.startswith("."):
                    yield entry

    def write(self, key: str, content: bytes | Path, media_type: str) -> None:  # noqa: ARG002
        """See `stacgen.ports.Store`; a file from `scratch` is moved, and a folder has no types."""
        target = self._root / key
        with _translated(key):
            for made in _make_folder(target.parent):
                _flush(made.parent)
            if isinstance(content, Path):
                _flush(content)
                content.replace(target)
            else:
                self._write_bytes(target, content)
            _flush(target.parent)

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
                    list(pool.map(_flush, waiting))
                    parents = {target.parent for target in waiting.values()}
                    made = {name for parent in sorted(parents) for name in _make_folder(parent)}
                    for path, target in waiting.items():
                        path.replace(target)
                    list(pool.map(_flush, parents | {name.parent for name in made}))

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

    def _write_bytes(self, target: Path, content: bytes) -> None:
        temporary, file = self._begin(lambda path: path.open("xb"))
        try:
            with file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
            self._tidy()

    def _begin(self, make: Callable[[Path], _Made]) -> tuple[Path, _Made]:
        """Make something under a new name in the hidden folder.

        Another build may remove that folder, being empty, at any instant; then it is made again.
        """
        hidden = self._root / _HIDDEN
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                hidden.mkdir(parents=True, exist_ok=True)
                path = hidden / secrets.token_hex(8)
                return path, make(path)
            except (FileNotFoundError, FileExistsError):
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError  # the loop returns or raises

    def _tidy(self) -> None:
        """Remove the hidden folder if it is empty, and what a build killed long ago left in it."""
        hidden = self._root / _HIDDEN
        with suppress(OSError):
            for path in hidden.iterdir():
                if path.stat().st_mtime < time.time() - _LONGEST_BUILD:
                    shutil.rmtree(path, ignore_errors=True)
                    path.unlink(missing_ok=True)
            hidden.rmdir()


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
    """Have the disk hold what the file, or the folder's list of names, holds."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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
