"""The hidden folder of a root, or of a disk below it: files in the making, and locks."""

import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from stacgen.io import file_system

NAME = ".stacgen"
"""Of the folder; readers never look there."""

ATTEMPTS = 100
"""To make a file in the hidden folder, which other builds make and remove at the same time."""

_CHUNK = 1 << 20
"""Bytes copied at a time."""

_IN_THE_MAKING = re.compile("(doctor-)?[0-9a-f]{16}")
"""Names in the hidden folder that are no locks, and that no one else gave."""

_LONGEST_BUILD = 2 * 24 * 3600
"""Seconds after which a file in the making is taken to be given up."""


_Made = TypeVar("_Made")


class HiddenFolder:
    """Files in the making, from which a rename puts them in place; it is gone when it is empty."""

    def __init__(self, folder: Path) -> None:
        """Below the folder, which is made when the first file is."""
        self._folder = folder

    @property
    def path(self) -> Path:
        """Of the hidden folder, which may not be there."""
        return self._folder / NAME

    @contextmanager
    def written(self, content: bytes) -> Iterator[Path]:
        """A file of that content in the hidden folder, on the disk, until it is moved."""
        path, file = self.begin(lambda path: path.open("xb"))
        try:
            with file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            yield path
        finally:
            path.unlink(missing_ok=True)
            self.tidy()

    @contextmanager
    def copied(self, file: Path) -> Iterator[Path]:
        """A copy of a file of another disk, on this disk, until it is moved."""
        path, copy = self.begin(lambda path: path.open("xb"))
        try:
            with copy, file.open("rb") as source:
                shutil.copyfileobj(source, copy, _CHUNK)
                copy.flush()
                os.fsync(copy.fileno())
            yield path
        finally:
            path.unlink(missing_ok=True)
            self.tidy()

    def begin(self, make: Callable[[Path], _Made], name: str | None = None) -> tuple[Path, _Made]:
        """Make something in the folder, under a new name unless one is given.

        Another build may remove the folder, being empty, at any instant; then it is made again.
        """
        hidden = self.path
        for attempt in range(1, ATTEMPTS + 1):
            try:
                for made in file_system.make_folder(self._folder):
                    file_system.flush_folder(made.parent)
                hidden.mkdir(exist_ok=True)
                path = hidden / (name or secrets.token_hex(8))
                return path, make(path)
            except (FileNotFoundError, FileExistsError):
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError  # the loop returns or raises

    def tidy(self) -> None:
        """Remove the folder if it is empty, and what a build killed long ago left in it.

        Ages are by the file system's own clock: a name was removed just now, which made the hidden
        folder new. A lock is not removed however old, since its holder may be alive; the next
        holder removes it.
        """
        hidden = self.path
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


def _is_in_the_making(path: Path) -> bool:
    return _IN_THE_MAKING.fullmatch(path.name) is not None
