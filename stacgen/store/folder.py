"""A catalog in a folder: each file whole, named and on the disk before the next refers to it."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from stacgen.errors import OutputError
from stacgen.ports import Entry

_HIDDEN = ".stacgen"
"""Folder under the root for files in the making; readers never look there."""


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
            self._make_folder(target.parent)
            if isinstance(content, Path):
                _flush(content)
                content.replace(target)
            else:
                self._write_bytes(target, content)
            _flush(target.parent)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """See `stacgen.ports.Store`; it lies in the root, so that a rename is all it takes."""
        hidden = self._root / _HIDDEN
        folder = hidden / secrets.token_hex(8)
        with _translated(_HIDDEN):
            folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):
                hidden.rmdir()  # only when no other build uses it

    def _write_bytes(self, target: Path, content: bytes) -> None:
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def _make_folder(self, folder: Path) -> None:
        """Make a folder and those above it; each new name is flushed in its parent."""
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for each in reversed(missing):
            each.mkdir(exist_ok=True)
            _flush(each.parent)


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
